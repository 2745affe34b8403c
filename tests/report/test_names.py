"""One name, end to end: a result's name is its block, rule, script, files, section, label, test."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.engine.running import ROOT
from workings.page import template

RULES = dict(
    re.findall(
        r"^rule (\w+):\n(.*?)(?=^\S|\Z)", (ROOT / "Snakefile").read_text(), re.MULTILINE | re.DOTALL
    )
)
PARTS = {rule for rule in RULES if rule.endswith("_part")}  # of a divided job
JOBS = [rule for rule in RULES if rule != "all" and rule not in PARTS]
SECTIONS = {
    file.name.split(".")[0]: file.read_text(encoding="utf-8")
    for file in (ROOT / "templates/sections").iterdir()
}
# Jobs without settings of their own: they compare, or read, what others measured.
NO_SETTINGS = {"originals", "full_set"}


def block(name: str) -> dict:
    return yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("job", JOBS)
def test_a_job_has_one_name(job):
    rule, settings = RULES[job], job not in NO_SETTINGS
    assert (ROOT / f"analysis/{job}.py").is_file()
    assert (job in block("default")) is (job in block("schema")["properties"]) is settings
    assert f'measurements="build/measurements/{job}.json"' in rule
    assert re.search(rf'\*\*paper\.job\(\s*"{job}"', rule)
    for figure in re.findall(r'"build/figures/(\w+)\.pdf"', rule):
        assert figure.startswith(job)
    assert f"\\label{{sec:{job}}}" in SECTIONS[job]
    assert (ROOT / f"tests/report/test_{job}.py").is_file()


@pytest.mark.parametrize("rule", [*JOBS, *sorted(PARTS)])
def test_every_rule_says_what_it_needs(rule):
    assert re.search(r"mem_mb=\d+,\s+runtime=\d+,", RULES[rule])


def test_every_script_is_a_job_and_every_block_is_read():
    scripts = {path.stem for path in (ROOT / "analysis").glob("*.py")} - {"__init__", "drawing"}
    assert scripts == set(JOBS) | PARTS
    assert {f"{job}_part" for job in block("default")["shards"]} == PARTS
    assert set(block("default")) == set(JOBS) - NO_SETTINGS | {"report", "seeds", "shards"}
    others = ("frontmatter", "overview", "answers", "conclusion", "recurrence_lines", "built")
    assert set(SECTIONS) == {*JOBS, *others}


def test_every_assertion_of_the_original_is_a_claim():
    trees = [template.parse(file) for file in (ROOT / "templates/sections").iterdir()]
    claims = {call[0].value for tree in trees for call, _ in template.blocks(tree, "claim")}
    assert len(claims) > 10
    assert set(block("original")["assertions"]) - claims == set()
