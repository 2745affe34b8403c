"""The options of Snakemake: what each does to a report, or in which words it is refused."""

from __future__ import annotations

import pytest

from workings.build import options
from workings.commands.reproduce import results
from workings.messages import InputError

from .running import build, told


@pytest.mark.parametrize(
    "words",
    [
        *("--touch", "--tou", "-t", "-nt", "--rerun-triggers mtime", "--rerun-triggers=mtime"),
        *("--allowed-rules report", "--ignore-incomplete", "--ii", "--consider-ancient mass=0"),
        *("--trust-io-cache", "--cache mass"),
    ],
)
def test_what_would_have_old_results_believed_is_refused(words):
    word = words.split()[0].partition("=")[0]
    with pytest.raises(InputError, match=f"^{word}: refused: an old result could pass"):
        options.check(["--cores", "2", *words.split()])


@pytest.mark.parametrize(
    "words", ["--configfile a.yaml --configfile b.yaml", "--config a=1 --config b=2"]
)
def test_what_is_taken_once_is_not_given_twice(words):
    with pytest.raises(
        InputError, match=r"^--config.*: given twice, of which Snakemake takes only the last"
    ):
        options.check(words.split())


@pytest.mark.parametrize(
    "words",
    [
        *("-n", "-j4", "-c", "--cores all", "--forceall", "-F", "-R mass", "--until mass", "-k"),
        *(
            "--configfile a.yaml b.yaml --config a=1",
            "-dtest",
            "--rerun-incomplete",
            "--omit-from mass",
        ),
    ],
)
def test_others_are_not(words):
    options.check(words.split())


def test_old_results_do_not_pass_by_any_option(built):
    page = (built / "report/report.pdf").read_bytes()
    failed = build(built, "--touch")
    assert not failed and "workings: --touch: refused" in failed.said
    assert "Traceback" not in failed.said
    assert (built / "report/report.pdf").read_bytes() == page


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (["--forcerun", "mass"], {"mass"}),
        (["--force", "build/arrays/doubled.txt"], {"doubled"}),
        (["--forceall", "build/arrays/doubled.txt"], {"mass", "doubled"}),
    ],
)
def test_what_is_forced_is_computed_and_what_follows_restored(built, given, computed):
    before = results(built)
    done = build(built, *given)
    assert done and told(done, "computed") == computed, done.said[-3000:]
    assert results(built) == before
    assert "nothing to do" in build(built).said


def test_records_that_are_thrown_away_cost_time_alone(built):
    before = results(built)
    assert build(built, "--cleanup-metadata", "build/measurements/mass.json")
    done = build(built)
    assert done and not done.computed and "mass" in done.restored, done.said[-3000:]
    assert results(built) == before
