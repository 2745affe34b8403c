"""The table of changes: what each kind of change computes, restores and leaves alone.

It is run on the scaffold here, and on this repository's report by tests/report/test_changes.py. The
report lies in a git repository, as a clone does, so its ledger names every file that differs from
the commit: where a row changes one, the ledger and the page are made again for that alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from workings.commands.reproduce import results

from .changing import (
    DAMAGES,
    Change,
    append,
    check_out_again,
    commit,
    damage,
    git,
    of_the_engine,
    reformat,
    remove,
    replace,
    touch_everything,
    under_its_old_date,
    upgrade,
)
from .running import build, page, plain, told


@dataclass(frozen=True)
class Reach:
    """A change of a report, and what it reaches there.

    Args:
        jobs: those that compute again.
        sections: those whose text is filled anew.
        after: jobs and sections that run, and find what they read as it was.
        words: of the page, which were not there before.
    """

    make: Change
    jobs: set[str] = field(default_factory=set)
    sections: set[str] = field(default_factory=set)
    after: set[str] = field(default_factory=set)
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """A report that the table is run on.

    Args:
        jobs: all of them.
        sections: all of them, but the ledger.
        reaches: the changes that a row of the table names.
        lost: some results; without a store the named jobs compute when they are damaged.
    """

    jobs: set[str]
    sections: set[str]
    reaches: Mapping[str, Reach]
    lost: tuple[list[str], set[str]]

    @property
    def all(self) -> set[str]:
        return self.jobs | self.sections | {"ledger", "page", "report"}


MACROS = of_the_engine(append("workings/style/workings.sty", "\n\\AtEndDocument{The very end.}\n"))
COMMENT = append("workings/measurements.py", "\n# A comment.\n")


def sections(*names: str) -> set[str]:
    return {f"section {name}" for name in names}


ALL_SECTIONS = sections("frontmatter", "bills", "mass", "doubled")
SCAFFOLD = Subject(
    jobs={"bills", "mass", "doubled"},
    sections=ALL_SECTIONS,
    reaches={
        "script": Reach(
            replace("analysis/mass.py", "=1 - rest.var() / ", "=rest.var() / "),
            {"mass", "doubled"}, sections("mass", "frontmatter"), sections("doubled"),
            ("the line explains 24 %",),
        ),
        "far helper": Reach(
            replace("analysis/far.py", "n * factor", "n * factor * 2"),
            {"mass", "doubled"}, sections("mass", "frontmatter", "doubled"),
            words=("The slope b is 99.4 g", "Twice the slope is 198.7."),
        ),
        "refactored": Reach(
            replace("analysis/far.py", "n * factor", "factor * n"), {"mass"},
            after={"doubled", *sections("mass", "frontmatter", "doubled")},
        ),
        "engine": Reach(
            of_the_engine(replace("workings/figures.py", "MM = 1 / 25.4", "MM = 1 / 25.5")),
            {"bills", "mass"}, after={"doubled", *ALL_SECTIONS},
        ),
        "comment": Reach(append("analysis/penguins.py", "\n# A comment.\n")),
        "docstring": Reach(replace("analysis/bills.py", '"""How long the', '"""How long all the')),
        "comment above a record": Reach(
            replace("analysis/mass.py", "    return record(", "    # A comment.\n    return record(")
        ),
        "value": Reach(
            replace("config/default.yaml", "offset: 0", "offset: 1"), {"doubled"}, sections("doubled"),
            words=("Twice the slope is 100.4.",),
        ),
        "title": Reach(
            replace("config/default.yaml", '"Penguins"', '"All penguins"'),
            sections=sections("frontmatter"), words=("All penguins",),
        ),
        "unused value": Reach(
            replace("config/default.yaml", "unused: 1", "unused: 2"),
            words=("not committed, in config/default.yaml",),
        ),
        "prose": Reach(
            replace("templates/sections/bills.tex.j2", "The birds were", "All birds were"),
            sections=sections("bills"), words=("All birds were measured",),
        ),
        "partial": Reach(
            replace("templates/partial.tex.j2", "said", "whispered"),
            sections=sections("doubled"), words=("This is whispered",),
        ),
        "reference": Reach(
            replace("report/references.bib", "Ecological Sexual", "Sexual"),
            words=("‘Sexual Dimorphism",),
        ),
        "data": Reach(
            under_its_old_date(
                "data/penguins.csv", replace("data/penguins.csv", "Torgersen,39.1", "Torgersen,99.1")
            ),
            {"bills", "mass"}, sections("bills", "frontmatter"), {"doubled", *sections("mass", "doubled")},
            ("the bill is 44.1 mm long",),
        ),
        "package": Reach(upgrade("numpy"), {"bills", "mass"}, after={"doubled", *ALL_SECTIONS}),
    },
    lost=(["build/arrays/doubled.txt", "build/sections/bills.tex"], {"doubled", "section bills"}),
)  # fmt: skip

ALL = "jobs sections ledger page"
# What is changed, by functions or names of a subject's changes; the kinds of what computes and of what
# is restored, where `after` are the jobs and sections that find what they read as it was.
TABLE = {
    "nothing": ([], "", ""),
    "a script": (["script"], ALL, "after"),
    "a helper two imports away": (["far helper"], ALL, "after"),
    "a refactored helper": (["refactored"], "jobs ledger page", "after"),
    "the engine's code": (["engine"], ALL, "after"),
    "the engine's macros": ([MACROS], "pdf", ""),
    "comments, docstrings and layout, also of the engine": (
        ["comment", "docstring", reformat, of_the_engine(COMMENT)], "ledger", "page",
    ),
    "a comment above a record, committed": (
        ["comment above a record", lambda folder: commit(folder, "another")], "ledger page", "",
    ),
    "a config value that is used": (["value"], ALL, "after"),
    "one of the front page and one that is not used": (["title", "unused value"], "sections ledger page", ""),
    "a section, a partial and a reference": (["prose", "partial", "reference"], "sections ledger page", ""),
    "a data file under its old date": (["data"], ALL, "after"),
    "all dates": ([touch_everything], "", ""),
    "a fresh checkout": ([check_out_again], "", ""),
    "a package upgrade": (["package"], "jobs", "after ledger page"),
    "an upgrade of what fills the sections": ([upgrade("jinja2")], "every-section ledger web", "pdf"),
    "deleted .snakemake": ([remove(".snakemake")], "", "others"),
    "deleted .snakemake, and a value": ([remove(".snakemake"), "value"], ALL, "others"),
    "deleted build": ([remove("build")], "", "others"),
    "deleted build, and a value": ([remove("build"), "value"], ALL, "others"),
    "deleted build and .snakemake": ([remove("build", ".snakemake")], "", "others"),
    "deleted store": ([remove(".cache")], "", ""),
    "deleted store, and a value": ([remove(".cache"), "value"], ALL, "after"),
}  # fmt: skip
# Rows whose results are held against those of a clean copy.
DELETED = [f"deleted {what}, and a value" for what in (".snakemake", "build", "store")]
AFRESH = ["a helper two imports away", "a data file under its old date", *DELETED]
SLOW = {"deleted build and .snakemake", *DELETED}
ROWS = [pytest.param(row, marks=[pytest.mark.slow] if row in SLOW else []) for row in TABLE]


@pytest.fixture(scope="module")
def subject() -> Subject:
    return SCAFFOLD


@pytest.fixture(scope="module")
def afresh() -> dict[str, dict[str, str]]:
    """The results of a clean copy without a store, by the name of the change made there."""
    return {}


def change(subject: Subject, row: str, folder: Path) -> tuple[list[str], set[str], set[str]]:
    """Make the row's changes; words of the page, what is to compute and what to be restored."""
    changes, computes, restores = TABLE[row]
    reaches = [subject.reaches[c] if isinstance(c, str) else Reach(c) for c in changes]
    for reach in reaches:
        reach.make(folder)
    kinds = {
        kind: set().union(*(getattr(reach, kind) for reach in reaches))
        for kind in ("jobs", "sections", "after")
    }
    kinds |= {"every-section": subject.sections, "ledger": {"ledger"}}
    kinds |= {"page": {"page", "report"}, "web": {"page"}, "pdf": {"report"}}
    computed = set().union(*(kinds[kind] for kind in computes.split()))
    kinds["others"] = subject.all - computed
    restored = set().union(*(kinds[kind] for kind in restores.split())) - computed
    return [word for reach in reaches for word in reach.words], computed, restored


@pytest.mark.parametrize("row", ROWS)
def test_a_change_runs_just_what_it_must(subject, built, row):
    before, text = results(built), plain(page(built))
    words, computed, restored = change(subject, row, built)
    done = build(built)
    assert done, done.said[-3000:]
    assert (done.computed, done.restored) == (computed, restored), done.said[-3000:]
    for kind, jobs in (("computed", computed), ("restored", restored)):
        assert told(done, kind) == jobs or f"{kind}: {len(jobs)} jobs" in done.said
    if "report" in computed:
        now = plain(page(built))
        assert results(built) != before
        assert [word for word in words if plain(word) in text or plain(word) not in now] == []
    else:
        assert results(built) == before
    if computed | restored:
        done = build(built)
    assert "nothing to do" in done.said


@pytest.mark.slow
@pytest.mark.parametrize("row", AFRESH)
def test_a_changed_report_is_the_one_that_a_clean_copy_gives(subject, built, fresh, afresh, row):
    name = next(one for one in TABLE[row][0] if isinstance(one, str))
    if name not in afresh:
        subject.reaches[name].make(fresh)
        done = build(fresh)
        assert done and done.computed == subject.all, done.said[-3000:]
        afresh[name] = results(fresh)
    change(subject, row, built)
    assert build(built)
    assert results(built) == afresh[name]


@pytest.mark.parametrize("row", ["a script", "a section, a partial and a reference"])
def test_a_change_taken_back_is_restored(subject, built, row):
    before = results(built)
    _, computed, restored = change(subject, row, built)
    assert build(built).computed == computed
    assert results(built) != before
    git(built, "checkout", "-q", "--", ".")
    done = build(built)
    assert (done.computed, done.restored) == (set(), computed | restored), done.said[-3000:]
    assert results(built) == before


@pytest.mark.parametrize("shift", range(len(DAMAGES)))
def test_damage_everywhere_is_mended_from_the_store(built, shift):
    """Each third of the results is damaged in another way, also of what others were made from."""
    before = results(built)
    for place, name in enumerate(before):
        damage(name, DAMAGES[(place + shift) % len(DAMAGES)])(built)
    done = build(built)
    assert done and not done.computed, done.said[-3000:]
    assert done.said.count(": edited by hand, or cut off; it is made") >= len(before) // 2
    assert results(built) == before


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_result_is_made_again_without_a_store(subject, built, how):
    names, computed = subject.lost
    before = results(built)
    for name in names:
        damage(name, how)(built)
    remove(".cache")(built)
    if how != "deleted":
        said = build(built, "-n").said
        assert [
            n for n in names if f"{n}: edited by hand, or cut off; it is made" not in said
        ] == []
    done = build(built, *names)
    assert done and computed <= done.computed and not done.restored, done.said[-3000:]
    assert build(built)
    assert results(built) == before
