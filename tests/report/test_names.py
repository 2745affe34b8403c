"""One name, end to end: a result's name is its block, rule, script, files, section, label, test."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
import yaml

from workings.page import latex
from workings.workflow import JOBS, SECTIONS

ROOT = Path(__file__).parents[2]
RULES = set(re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(), flags=re.MULTILINE))
# Jobs that write the report up and measure nothing, and the runner.
WRITE_UP = {"section", "ledger", "report", "job"}
# Jobs that measure again from other seeds, on demand.
AGAIN = {"seed", "seeds"}
# Sections without a job of their own.
NO_JOB = {"frontmatter", "answers", "built"}
# A job without settings of its own: it compares what others measured.
NO_SETTINGS = {"originals"}


def template(section: str) -> str:
    return (ROOT / f"templates/sections/{section}.tex.j2").read_text(encoding="utf-8")


@pytest.mark.parametrize("job", JOBS)
def test_a_job_has_one_name(job):
    default = yaml.safe_load((ROOT / "config/default.yaml").read_text())
    schema = yaml.safe_load((ROOT / "config/schema.yaml").read_text())
    snakefile = (ROOT / "Snakefile").read_text()
    assert job in RULES
    assert (ROOT / f"analysis/{job}.py").is_file()
    assert (job in default and job in schema["properties"]) is (job not in NO_SETTINGS)
    assert f'"build/measurements/{job}.json"' in snakefile
    assert re.search(rf'\*job\(\s*"{job}"', snakefile)
    assert f'"build/sections/{job}.tex"' in snakefile
    assert f"\\label{{sec:{job}}}" in template(job)
    assert (ROOT / f"tests/test_{job}.py").is_file()


def test_every_script_is_a_job_and_every_block_is_read():
    scripts = {path.stem for path in (ROOT / "analysis").glob("*.py")} - {"__init__", "drawing"}
    assert scripts == set(JOBS) | WRITE_UP | AGAIN
    assert set(JOBS) | (WRITE_UP - {"job"}) | {"frontmatter"} | AGAIN == RULES
    blocks = yaml.safe_load((ROOT / "config/default.yaml").read_text())
    assert set(blocks) == set(JOBS) - NO_SETTINGS | {"report", "store", "seeds"}
    assert {
        path.name.removesuffix(".tex.j2") for path in (ROOT / "templates/sections").iterdir()
    } == (set(SECTIONS) | {"ledger"})
    assert set(SECTIONS) == set(JOBS) | NO_JOB


def test_the_report_inputs_every_section_in_order():
    shell = (ROOT / "report/report.tex").read_text()
    assert re.findall(r"\\input\{build/sections/(\w+)\}", shell) == [*SECTIONS, "ledger"]


def test_a_figure_begins_with_its_jobs_name_and_is_shown_and_referred_to():
    made = re.findall(r'"build/figures/(\w+)\.pdf"', (ROOT / "Snakefile").read_text())
    assert made
    for figure in set(made):
        assert made.count(figure) == 2, f"{figure}: once made, once an input of the report"
        job = max((job for job in JOBS if figure.startswith(job)), key=len)
        text = template(job)
        assert f"figure('{figure}'" in text, f"{figure} is not shown in the section {job}"
        assert re.search(rf"\\[cC]ref{{[^}}]*fig:{figure}[,}}]", text), (
            f"{figure}: never referred to"
        )


def test_every_table_is_referred_to():
    for section in SECTIONS:
        text = template(section)
        for table in re.findall(r"table\('(\w+)'", text):
            assert re.search(rf"\\[cC]ref{{[^}}]*tab:{table}[,}}]", text), (
                f"{table}: never referred to"
            )


def test_every_assertion_of_the_original_is_a_claim():
    original = yaml.safe_load((ROOT / "config/original.yaml").read_text())
    claims = {
        claim for section in SECTIONS for claim in re.findall(r"claim\('(\w+)'", template(section))
    }
    assert set(original["assertions"]) - claims == set()


def test_no_section_holds_a_typed_decimal():
    for section in [*SECTIONS, "ledger"]:
        assert typed_decimals(template(section)) == [], section


def test_a_typed_decimal_is_found():
    assert typed_decimals(r"about 0.97 of \VAR{num('a.b', digits=2)}") == ["0.97"]


def typed_decimals(text: str) -> list[str]:
    """Decimals in a template's prose; lengths such as 0.5\\baselineskip or 78mm are layout."""
    tree = latex.environment().parse(text)
    prose = "".join(data.data for data in tree.find_all(jinja2.nodes.TemplateData))
    return re.findall(r"(?<![\w.])\d+\.\d+(?!\w|\\)", prose)


def test_config_keys_of_full_exist_in_default():
    default = yaml.safe_load((ROOT / "config/default.yaml").read_text())
    full = yaml.safe_load((ROOT / "config/full.yaml").read_text())
    for block, keys in full.items():
        assert set(keys) <= set(default[block])
