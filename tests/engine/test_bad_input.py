"""What a person gets wrong in a report: one message with its place, its cause last; the page stays.

And what a build shows that is right.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .changing import append, both, remove, replace
from .running import Build, build, page, plain

BILLS, MASS, SHELL = (
    *(f"templates/sections/{name}.tex.j2" for name in ("bills", "mass")),
    "report/report.tex",
)
DOUBLED = "templates/sections/doubled.tex.j2"
TOLD = 25  # lines of a build that fails
WIDEST = 300  # characters of a line

# What is done, and what is said of it, in one line or several.
REFUSED_AT_ONCE = {
    "a template that names a job without a rule": (
        append(BILLS, "\n\\VAR{bill.birds}\n"),
        [f"{BILLS}:28: no rule of the Snakefile records measurements under the name 'bill'; did you mean "
         "'bills'? known here: doubled, bills, mass, config, derivation"],
    ),
    "a rule without a template": (
        both(remove(DOUBLED), replace(SHELL, "\\input{build/sections/doubled}\n", "")),
        ["Snakefile: the rule 'doubled' records measurements that no template names; write "
         f"{DOUBLED} and its \\input in {SHELL}"],
    ),
    "a figure that no rule draws": (
        replace(MASS, "figure 'mass'", "figure 'masses'"),
        [f"{MASS}:12: no rule draws the figure 'masses', with an output build/figures/masses.pdf; did you "
         "mean 'mass'?"],
    ),
    "a section that is not in report.tex": (
        replace(SHELL, "\\input{build/sections/mass}\n", ""),
        [f"{MASS}: {SHELL} has no \\input{{build/sections/mass}}; add it where the section belongs, or "
         "delete the template"],
    ),
    "one in report.tex without a template": (
        replace(SHELL, "sections/mass}", "sections/mas}"),
        [f"{SHELL}:9: the section 'mas' has no template templates/sections/mas.tex.j2; did you mean "
         "'mass'? there is bills, doubled, frontmatter, mass"],
    ),
    "a rule that no template can name": (
        replace("Snakefile", "rule doubled:", "rule loop:"),
        ["Snakefile: rule loop: a template cannot name it, for 'loop' has its own meaning there"],
    ),
    "a language that the engine does not know": (
        replace("config/default.yaml", "keywords: [penguins]", "language: dk"),
        ["config/default.yaml:7: report.language: the engine does not know the language 'dk'; it knows en, "],
    ),
    "a data file that is gone": (
        remove("data/penguins.csv"),
        [f"Snakefile: rule {rule}: its input data/penguins.csv is not there, and no rule makes it"
         for rule in ("bills", "mass")],
    ),
}  # fmt: skip
REFUSED_BY_A_JOB = {
    "a float without its digits": (
        replace(MASS, "mass.slope | digits(1) | unit", "mass.slope | unit"),
        [f"{MASS}:6: 'mass.slope': the number 49.68556640610009 needs its digits: digits(2),"],
    ),
    "a difference that no job recorded": (
        append(MASS, "\n\\VAR{mass.highest_slope - mass.lowest_slope | digits(1)}\n"),
        [f"{MASS}:23: 5.674687609090597 was computed in the template, so that it has no key; record it in "
         "the job and print that"],
    ),
    "a claim that fails": (
        replace(MASS, "mass.lowest_slope > 0", "mass.lowest_slope > 100"),
        [f"{MASS}:19: the claim 'heavier' does not hold: “Birds with longer flippers are heavier: the "
         "whole interval of the slope is above zero.” rests on `mass.lowest_slope > 100`, which reads "
         "46.99 > 100"],
    ),
    "an undefined command of TeX": (
        append(MASS, "\n\\undefinedcommand\n"),
        [f"{MASS}:23 (build/sections/mass.tex:", "TeX stopped: Undefined control sequence. "
         "\\undefinedcommand"],
    ),
    "a missing package of TeX": (
        replace(SHELL, "\\begin{document}", "\\usepackage{nosuch}\n\\begin{document}"),
        [f"{SHELL}:7: TeX stopped: LaTeX Error: File `nosuch.sty' not found. On Debian install what "
         "`apt-file search /nosuch.sty` names"],
    ),
    "a Python exception": (
        replace("analysis/far.py", "return n * factor", "return n[10**9] * factor"),
        ["the job 'mass' stopped with an exception",
         "analysis/near.py:4, in scaled: return far.product(n, 1.0)",
         "analysis/far.py:2, in product: return n[10**9] * factor",
         "IndexError: index 1000000000 is out of bounds for axis 0 with size 342"],
    ),
    "a process that dies": (
        replace("analysis/far.py", "return n * factor", "import os; os._exit(3)"),
        ["mass: ended without a word.", "returned non-zero exit status 3"],
    ),
}  # fmt: skip


def refused(folder: Path, cause: list[str]) -> Build:
    """Build it, and hold what is said against what every refusal is like."""
    good = (folder / "report/report.pdf").read_bytes()
    failed = build(folder)
    assert not failed
    lines = failed.said.rstrip().split("\n")
    assert len(lines) <= TOLD and max(map(len, lines)) <= WIDEST
    assert "Traceback" not in failed.said
    last = failed.said.rstrip().rpartition("\n\n")[2]
    assert last.startswith("workings: ")
    assert [words for words in cause if words not in last] == []
    assert [words for words in cause if failed.said.count(words) > 1] == []
    assert (folder / "report/report.pdf").read_bytes() == good
    return failed


@pytest.mark.parametrize("wrong", REFUSED_AT_ONCE)
def test_what_is_refused_before_anything_runs(built, wrong):
    make, cause = REFUSED_AT_ONCE[wrong]
    make(built)
    failed = refused(built, cause)
    assert "failed" not in failed.said
    assert not failed.computed | failed.restored


@pytest.mark.parametrize("wrong", REFUSED_BY_A_JOB)
def test_what_a_job_refuses(built, wrong):
    make, cause = REFUSED_BY_A_JOB[wrong]
    make(built)
    assert re.search(r"^[\w ]+: failed", refused(built, cause).said, flags=re.MULTILINE)


def test_a_failed_page_is_not_forgotten(built):
    """Also when the sections that it should have been made from are deleted meanwhile."""
    replace("config/default.yaml", "offset: 0", "offset: 1")(built)
    replace(SHELL, "\\appendix", "\\appendix\\unknowncommand")(built)
    assert not build(built)
    remove("build")(built)
    replace(SHELL, "\\appendix\\unknowncommand", "\\appendix")(built)
    assert build(built)
    assert plain("Twice the slope is 100.4.") in plain(page(built))


def test_a_full_disk_is_said_and_the_build_goes_on_afterwards(built):
    """build/ on a small file system that is full, and later is not."""
    results, aside = built / "build", (built / "build").rename(built / "aside")
    results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(results)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine does not let a test mount a file system")
    try:
        shutil.copytree(aside, results, dirs_exist_ok=True)
        subprocess.run(
            ["dd", "if=/dev/zero", f"of={results}/ballast", "bs=4k"], capture_output=True
        )
        replace("config/default.yaml", "bin: 1.0", "bin: 0.1")(built)
        refused(built, ["no room left on the disk"])
        (results / "ballast").unlink()
        assert build(built)
    finally:
        subprocess.run(["umount", "-l", str(results)], check=True)


def test_no_file_of_the_configuration_is_read_by_snakemake(built):
    """It would run what is in one, and end in a traceback."""
    for name, text, said in (
        ("none", None, "none: cannot be read (No such file or directory)"),
        ("latin", "report: {title: Über}".encode("latin-1"), "latin:1: not UTF-8 text"),
        ("code", b"__use_yte__: true\n__definitions__:\n  - open('ran', 'w')", "code:2: __definitions__: unknown"),
        ("loop", b"report: &a {title: *a}", "loop:1:20: not valid YAML: *a names no single value"),
    ):  # fmt: skip
        if text is not None:
            (built / name).write_bytes(text)
        failed = build(built, "-n", "--configfile", name)
        assert not failed and f"\nworkings: {name}" in failed.said and said in failed.said
        assert "Traceback" not in failed.said and not (built / "ran").exists()
    assert build(built, "-n", "--config", "seeds={blocks: []}")


# -- what is right ---------------------------------------------------------------------------------


def test_a_build_says_each_job_once_and_a_second_one_says_nothing(finished, built):
    said = (finished.parent / "said").read_text().splitlines()
    labels = ["bills", "mass", "doubled", "section mass", "ledger", "page", "report"]
    for label in labels:
        assert len([line for line in said if line.startswith(f"{label}: ")]) == 1, label
    assert len(said) == 12
    editions = [f"report/report.{kind} is up to date" for kind in ("html", "pdf")]
    told, _, how = said[-1].removeprefix("workings: ").partition(" (")
    assert sorted(told.split(", ")) == editions
    assert re.fullmatch(r"\d+ s; computed: 10 jobs\)", how)
    assert len(build(built).said.splitlines()) < 12


def test_a_dry_run_names_the_reason_of_each_job_once(built):
    for make in (
        replace("analysis/far.py", "n * factor", "n * factor * 2"),
        replace("config/default.yaml", "bin: 1.0", "bin: 2.0"),
        replace("templates/partial.tex.j2", "said", "whispered"),
    ):
        make(built)
    said = build(built, "-n").said
    for label, reason in {
        "mass": "(analysis/far.py)",
        "bills": "(bills.bin = 1.0 → 2.0)",
        "doubled": "(after build/measurements/mass.json)",
        "section doubled": "after build/measurements/doubled.json",
    }.items():
        (line,) = [line for line in said.splitlines() if line.startswith(f"{label}: ")]
        assert line.count("(") == 1 and reason in line
    assert said.splitlines()[-1] == "workings: 10 jobs would run"


def test_a_report_needs_no_schema(built):
    remove("config/schema.yaml")(built)
    assert build(built).computed == {"ledger", "page", "report"}  # it differs from the commit
