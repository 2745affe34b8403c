"""What a job is given: its plan under a hash, and the params that Snakemake compares one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from workings import workflow
from workings.build import fingerprint, plan
from workings.build.plan import Plan
from workings.commands.new import lay_down
from workings.messages import InputError

from .changing import replace

HOSTILE = [
    "a\nb",
    "x = y",
    "{wildcards.x} {{}} {",
    "'\"`$(true)\\",
    "é ∂ 数\u2028\0",
    "",
    " config a = 1",
]
PLAN = Plan(
    "lengths", "analysis.lengths", {"data": "d.csv", "more": ["a", "b"]}, {"out": "o"},
    {"lengths": {"bin": 2, "titles": HOSTILE}}, ["config lengths.bin = 2"], "article",
)  # fmt: skip


def test_a_plan_is_read_as_it_was_written_and_forgotten(in_folder):
    name = PLAN.write()
    assert name == PLAN.hash and name.isalnum() and len(name) == 16
    assert plan.read(name) == PLAN
    plan.forget()
    with pytest.raises(InputError, match=r"there is no such plan; a job is started by snakemake$"):
        plan.read(name)


@pytest.mark.parametrize("field", Plan.__dataclass_fields__)
def test_another_plan_has_another_hash(field):
    held = getattr(PLAN, field)
    other = {**held, "x": "y"} if isinstance(held, dict) else held + type(held)("x")
    fields = {name: getattr(PLAN, name) for name in PLAN.__dataclass_fields__}
    assert Plan(**fields | {field: other}).hash != PLAN.hash == Plan(**fields).hash


# -- the params of a rule --------------------------------------------------------------------------


@pytest.fixture
def params(in_folder, monkeypatch) -> Callable:
    """The params of a job of the scaffold, as its Snakefile asks for them in a dry run."""
    lay_down(in_folder / "r", "Penguins", ["Ada"], "article")
    monkeypatch.chdir("r")
    for name in ("WORKINGS_CONFIG", "WORKINGS_STORE"):  # a report sets them; no later test has them
        monkeypatch.setenv(name, "")

    rule = SimpleNamespace(input={"data": "data/penguins.csv"}, output={"out": "o"})

    def asked(name: str, *blocks: str, **config: dict) -> dict[str, str]:
        for known in (fingerprint.reached, fingerprint._parsed):
            known.cache_clear()  # as in a build of its own
        words = [f"{name}={json.dumps(block)}" for name, block in config.items()]
        given = SimpleNamespace(configfiles=[], config_args=words)
        report = workflow.Report(
            SimpleNamespace(
                config_settings=given,
                output_settings=SimpleNamespace(dryrun=True),
                is_main_process=True,
                local_exec=True,
                get_rule=lambda name: rule,
                dag=SimpleNamespace(forcefiles=[], forcerules=[]),
            )
        )
        return {
            key: param({}, rule.input, rule.output) if key == "plan" else param({})
            for key, param in report.job(name, *blocks).items()
        }

    asked.rule = rule
    return asked


def test_each_line_of_the_fingerprint_is_a_param_and_a_change_is_seen_in_its_own(params):
    before = params("bills")
    assert before["config bills.bin"] == "config bills.bin = 1.0"
    kinds = {"plan", "files", "config", "order", "code", "style", "package", "class"}
    assert {key.split()[0] for key in before} == kinds
    assert {"code analysis/bills.py", "code workings/measurements.py"} < before.keys()

    def changed(**config) -> set[str]:
        after = params("bills", **config)
        return {key for key in before | after if before.get(key) != after.get(key)}

    assert changed() == set()
    assert changed(mass={"seed": 7}) == set()
    assert changed(bills={"bin": 2.0}) == {"plan", "config bills.bin"}
    replace("report/report.tex", "{article}", "{scrreprt}")(Path())
    assert changed() == set()  # under the house look both are set alike
    replace("report/report.tex", "\\usepackage{workings-house}\n", "")(Path())
    assert changed() == {"plan", "class"}
    replace("analysis/penguins.py", '"NA"', '"-"')(Path())
    assert changed() == {"plan", "class", "code analysis/penguins.py"}


def test_the_names_of_files_and_the_order_of_keys_count(params):
    def changed(make: Callable[[], None]) -> set[str]:
        before = params("mass")
        make()
        return {key for key, line in params("mass").items() if line != before[key]}

    named = params.rule.input
    named["more"] = "a.csv"
    assert changed(lambda: named.update(data="a.csv", more=named["data"])) == {"plan", "files"}
    keys = re.findall(
        r"^  (?:resamples|seed): .*\n", Path("config/default.yaml").read_text(), re.MULTILINE
    )
    other = replace("config/default.yaml", "".join(keys), "".join(reversed(keys)))
    assert changed(lambda: other(Path())) == {"plan", "order"}


def test_a_job_is_given_its_own_block_and_what_it_asks_for(params):
    def given(*blocks: str) -> set[str]:
        return {key for key in params("bills", *blocks) if key.startswith("config ")}

    assert given() == {"config bills.bin"}
    assert given("mass.seed") == {"config bills.bin", "config mass.seed"}
    assert given("mass") == {"config bills.bin", "config mass.seed", "config mass.resamples"}


def test_a_job_that_does_not_draw_depends_on_no_style(params):
    Path("analysis/count.py").write_text("import csv\n\n\ndef main(config, inputs, outputs): ...\n")
    assert {key.split()[0] for key in params("count")} == {
        "plan",
        "files",
        "order",
        "code",
        "package",
    }


@pytest.mark.parametrize(
    ("name", "blocks", "said"),
    [
        ("bils", [], r"^Snakefile: rule bils: its script analysis/bils\.py is missing$"),
        ("bills", ["mas"], "^Snakefile: rule bills: the configuration has no 'mas'; did you mean 'mass'"),
        ("bills", ["mass.sed"], "the configuration has no 'mass.sed'; did you mean 'seed'"),
        ("broken", [], r"^analysis/broken\.py:1: not Python: '\(' was never closed: x = \($"),
        ("binary", [], r"^analysis/binary\.py:1: not Python: .* null bytes$"),
    ],
)  # fmt: skip
def test_what_a_rule_cannot_have_is_told(params, name, blocks, said):
    Path("analysis/broken.py").write_text("x = (\n")
    Path("analysis/binary.py").write_text("\0")
    with pytest.raises(InputError, match=said):
        params(name, *blocks)
