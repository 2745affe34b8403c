"""The table of changes on the real report: what each kind of change computes, restores and leaves.

The report lies in a git repository, as a clone does, so its ledger names every file of the commit
that was changed: where a row changes one, the ledger and the page are made again for that alone.
"""

from __future__ import annotations

import functools
import gzip
import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.data.make_subset import read_idx, write_idx
from tests.engine.changing import (
    DAMAGES,
    Change,
    append,
    both,
    check_out_again,
    commit,
    damage,
    git,
    remove,
    replace,
    touch_everything,
    under_its_old_date,
)
from tests.engine.running import CONFIG, build, page, plain
from workings.build.store import sum_of
from workings.commands.reproduce import results
from workings.workflow import JOBS, SECTIONS

pytestmark = pytest.mark.slow


def sections(*names: str) -> set[str]:
    return {f"section {name}" for name in names}


NOTHING: set[str] = set()
PAGE = {"report"}
LEDGER = {"ledger", "report"}  # the ledger names the changed file, and the page prints it
ALL = {*JOBS, *sections(*SECTIONS), *LEDGER}

# The jobs that look at the network, and the sections that quote them.
LOOKING = {"filters", "feature_maps", "translation", "occlusion", "patch_colour", "atlas", "patch_search"}  # fmt: skip
OF_THE_NETWORK = {"classifier", *LOOKING, *sections("classifier", *LOOKING, "frontmatter")}

PARTIAL = "templates/partials/source.tex.j2"
IMAGES = "analysis/data/train-images-idx3-ubyte.gz"
SUMS = "analysis/data/SHA256SUMS"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_report) -> Path:
    """The report, committed and built; with a partial, since its own sections have none."""
    folder = tmp_path_factory.mktemp("committed") / "report"
    shutil.copytree(tiny_report, folder, symlinks=True)
    (folder / PARTIAL).parent.mkdir()
    (folder / PARTIAL).write_text("This is said in a partial.\n")
    for section in ("filters", "built"):
        append(
            f"templates/sections/{section}.tex.j2",
            f"\n\\BLOCK{{ include '{PARTIAL.removeprefix('templates/')}' }}\n",
        )(folder)
    commit(folder, "all")
    done = build(folder)
    assert done, done.said[-3000:]
    assert (done.computed, done.restored) == (sections("filters", "built") | LEDGER, NOTHING)
    return folder


@pytest.fixture
def built(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy", symlinks=True))


def upgrade(package: str) -> Change:
    """Another version of the package is found first; what it does is the same."""

    def change(folder: Path) -> None:
        installed = importlib.metadata.distribution(package)
        new = folder / f"site/{package}-999.dist-info"
        shutil.copytree(installed.locate_file(f"{package}-{installed.version}.dist-info"), new)
        text = (new / "METADATA").read_text(encoding="utf-8")
        changed = text.replace(f"\nVersion: {installed.version}\n", "\nVersion: 999\n")
        assert changed != text
        (new / "METADATA").write_text(changed, encoding="utf-8")

    return change


def reformat(folder: Path) -> None:
    """All code, in much shorter lines."""
    command = [sys.executable, "-m", "ruff", "format", "-q", "--line-length", "60", "analysis"]
    subprocess.run(command, cwd=folder, check=True)
    assert git(folder, "diff", "--stat", "--", "analysis")


def another_image(folder: Path) -> None:
    """The first training image with ink for paper."""
    images = read_idx(gzip.decompress((folder / IMAGES).read_bytes())).copy()
    images[0] = 255 - images[0]
    (folder / IMAGES).write_bytes(gzip.compress(write_idx(images), mtime=0))


def its_sum(folder: Path) -> None:
    """What `make_subset.py` writes beside the images."""
    lines = (folder / SUMS).read_text().splitlines()
    name = Path(IMAGES).name
    lines = [f"{sum_of(folder / IMAGES)}  {name}" if name in line else line for line in lines]
    (folder / SUMS).write_text("\n".join(lines) + "\n")


STRIDE = replace(CONFIG, "stride: 4", "stride: 5")
STRIDED = {
    *("occlusion", "patch_colour", "atlas"),
    *sections("occlusion", "patch_colour", "atlas", "frontmatter"),
}
GREY = replace("analysis/digits.py", "images.mean() / 255.0", "images.mean() / 510.0")
TRANSPOSED = replace("workings/derive/typesetting.py", r"\top", r"\dagger")
IMAGE = both(under_its_old_date(IMAGES, another_image), under_its_old_date(SUMS, its_sum))

# What changed: the change, the jobs that compute, those that are restored, words of the page.
# Without words the page is the same, to the byte.
TABLE = {
    "nothing": (lambda folder: None, NOTHING, NOTHING, []),
    "a script": (
        GREY,
        {"digits", *sections("digits"), *LEDGER},
        OF_THE_NETWORK,
        ["the mean grey is 0.06"],
    ),
    "a helper two imports away": (
        TRANSPOSED,
        {"recurrence", "gradient_check", "gradient_lags", "training", *sections("recurrence"), *LEDGER},
        {"originals", *sections("gradient_check", "originals", "gradient_lags", "training", "answers", "frontmatter")},
        ["†"],
    ),
    "a helper that only another job imports": (
        replace("analysis/maths/comparison.py", '"misprint"', '"slip of print"'),
        {"originals", *sections("originals"), *LEDGER},
        NOTHING,
        ["slip of print"],
    ),
    "a comment": (append("analysis/maths/network.py", "\n# A comment.\n"), NOTHING, NOTHING, []),
    "a docstring": (
        replace("analysis/maths/hot_spot.py", '"""The patch\'s centre', '"""The centre'),
        NOTHING, NOTHING, [],
    ),
    "reformatting": (reformat, NOTHING, NOTHING, []),
    "a config value that is used": (STRIDE, STRIDED | LEDGER, NOTHING, ["with a step of 5 pixels"]),
    "a config value of the front page": (
        replace("config/default.yaml", "A report rebuilt", "A write-up rebuilt"),
        sections("frontmatter") | LEDGER, NOTHING, ["A write-up rebuilt from source"],
    ),
    "a config value that is not used": (
        append(CONFIG, "seeds: {values: [21, 22]}\nstore: {megabytes: 900}\n"), NOTHING, NOTHING, [],
    ),
    "one that is not used, in a file of the commit": (
        replace("config/default.yaml", "values: [11, 12, 13]", "values: [21, 22]"),
        LEDGER, NOTHING, ["not committed, in config/default.yaml"],
    ),
    "a section": (
        replace("templates/sections/digits.tex.j2", "The pictures are", "The images are"),
        sections("digits") | LEDGER, NOTHING, ["The images are from MNIST"],
    ),
    "a partial": (
        replace(PARTIAL, "said", "whispered"),
        sections("filters", "built") | LEDGER, NOTHING, ["This is whispered in a partial."],
    ),
    "a style file": (
        append("report/workings.sty", "\n\\AtEndDocument{The very end.}\n"),
        LEDGER, NOTHING, ["The very end."],
    ),
    "a bibliography entry": (
        replace("report/references.bib", "Gradient-based learning", "Learning by gradients"),
        LEDGER, NOTHING, ["Learning by gradients applied"],
    ),
    "a data file under its old date": (
        under_its_old_date(
            "config/original.yaml", replace("config/original.yaml", "0.94921601", "0.94921701")
        ),
        {"originals", *sections("originals"), *LEDGER}, NOTHING, ["0.94921701"],
    ),
    "an image under its old date, with its sum": (
        IMAGE,
        # The small network is fooled by no patch before and by none after.
        {"digits", *sections("digits"), *OF_THE_NETWORK, *LEDGER} - sections("patch_search"),
        sections("patch_search"), [f"not committed, in {SUMS}, {IMAGES}"],
    ),
    "all dates": (touch_everything, NOTHING, NOTHING, []),
    "a fresh checkout": (check_out_again, NOTHING, NOTHING, []),
    "a package upgrade": (
        upgrade("jsonschema"), {"originals"}, {*sections("originals"), *LEDGER}, [],
    ),
    "an upgrade of what fills the sections": (
        upgrade("jinja2"), {*sections(*SECTIONS), "ledger"}, PAGE, [],
    ),
    "a refactored helper": (
        replace("analysis/maths/hot_spot.py", "start + (size - 1) / 2", "(size - 1) / 2 + start"),
        {"occlusion", "patch_colour", "atlas", *LEDGER},
        sections("occlusion", "patch_colour", "atlas", "frontmatter"),
        ["changed: analysis/maths/hot_spot.py"],
    ),
    "deleted .snakemake": (remove(".snakemake"), NOTHING, ALL, []),
    "deleted .snakemake, and a value": (
        both(remove(".snakemake"), STRIDE), STRIDED | LEDGER, ALL - STRIDED - LEDGER,
        ["with a step of 5 pixels"],
    ),
    "deleted build": (remove("build"), NOTHING, NOTHING, []),
    "deleted build, and a value": (
        both(remove("build"), STRIDE), STRIDED | LEDGER, NOTHING, ["with a step of 5 pixels"],
    ),
    "deleted build and .snakemake": (remove("build", ".snakemake"), NOTHING, ALL, []),
    "deleted store": (remove(".cache"), NOTHING, NOTHING, []),
    "deleted store, and a value": (
        both(remove(".cache"), STRIDE), STRIDED | LEDGER, NOTHING, ["with a step of 5 pixels"],
    ),
}  # fmt: skip

# Rows whose report is held against one built from nothing, after this change of its sources.
AFRESH = {
    "a helper two imports away": TRANSPOSED,
    "a config value that is used": STRIDE,
    "an image under its old date, with its sum": IMAGE,
    "deleted .snakemake, and a value": STRIDE,
    "deleted build, and a value": STRIDE,
    "deleted store, and a value": STRIDE,
}


@pytest.fixture(scope="module")
def afresh(finished, tmp_path_factory) -> Callable[[Change], dict[str, str]]:
    """The results of a clean copy without a store, after a change; each is built once."""

    @functools.cache
    def built_afresh(change: Change) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("clean") / "report"
        generated = shutil.ignore_patterns("build", ".snakemake", ".cache", "report.pdf")
        shutil.copytree(finished, folder, ignore=generated)
        change(folder)
        done = build(folder)
        assert done and done.computed == ALL, done.said[-3000:]
        return results(folder)

    return built_afresh


@pytest.mark.parametrize("change", TABLE)
def test_a_change_runs_just_what_it_must(built, afresh, change):
    make, computed, restored, words = TABLE[change]
    before, text = results(built), plain(page(built))
    make(built)
    done = build(built)
    assert done, done.said[-3000:]
    assert (done.computed, done.restored) == (computed, restored), done.said[-3000:]
    if words:
        assert [word for word in words if plain(word) in text] == []
        assert [word for word in words if plain(word) not in plain(page(built))] == []
    else:
        assert results(built) == before
    if change in AFRESH:
        assert results(built) == afresh(AFRESH[change])
    assert "Nothing to be done" in build(built).said


@pytest.mark.parametrize(
    "change", ["a script", "a config value that is used", "a partial", "a style file"]
)
def test_a_change_taken_back_is_restored(built, change):
    make, computed, restored, _ = TABLE[change]
    before = results(built)
    make(built)
    assert build(built).computed == computed
    assert results(built) != before
    git(built, "checkout", "-q", "--", ".")
    done = build(built)
    assert (done.computed, done.restored) == (NOTHING, computed | restored), done.said[-3000:]
    assert results(built) == before


def test_changed_data_without_its_sum_is_refused(built):
    before = (built / "report/report.pdf").read_bytes()
    under_its_old_date(IMAGES, another_image)(built)
    failed = build(built)
    assert not failed
    assert (failed.computed, failed.restored) == (NOTHING, NOTHING)
    assert f"{IMAGES}: damaged: its sha256 is" in failed.said
    assert f"'git checkout {IMAGES}' brings it back" in failed.said
    assert "Traceback" not in failed.said
    assert (built / "report/report.pdf").read_bytes() == before
    git(built, "checkout", IMAGES)
    done = build(built)
    assert done and done.computed == NOTHING, done.said[-3000:]
    assert (built / "report/report.pdf").read_bytes() == before


# One result of each kind.
GENERATED = [
    "build/data/digits.npz",
    "build/model/classifier.safetensors",
    "build/arrays/occlusion.npz",
    "build/measurements/occlusion.json",
    "build/figures/occlusion.pdf",
    "build/derivations/recurrence.json",
    "build/sections/occlusion.tex",
    "build/quotes/occlusion.json",
    "build/claims/occlusion.json",
    "build/ledger.json",
    "report/report.pdf",
]


def test_every_kind_of_result_is_damaged_below(finished):
    assert {str(Path(name).parent) for name in results(finished)} == {
        str(Path(name).parent) for name in GENERATED
    }


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("name", GENERATED)
def test_a_damaged_result_comes_back_from_the_store(built, name, how):
    before = results(built)
    damage(name, how)(built)
    assert results(built) != before
    if how != "deleted":
        assert f"{name}: edited by hand, or cut off" in build(built, "-n").said
    done = build(built)
    assert "Nothing to be done" in done.said, done.said[-3000:]
    assert results(built) == before


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(
    ("name", "computed"),
    [
        ("build/arrays/occlusion.npz", {"occlusion"}),
        ("build/sections/occlusion.tex", sections("occlusion")),
        ("report/report.pdf", PAGE),
    ],
)
def test_a_damaged_result_is_made_again_without_a_store(built, name, how, computed):
    before = results(built)
    damage(name, how)(built)
    remove(".cache")(built)
    done = build(built, name)
    assert done and (done.computed, done.restored) == (computed, NOTHING), done.said[-3000:]
    assert build(built)
    assert results(built) == before


def test_damage_everywhere_at_once(built):
    """Also of what others were made from; a third of all results for each kind of damage."""
    before = results(built)
    for place, name in enumerate(before):
        damage(name, DAMAGES[place % 3])(built)
    done = build(built)
    assert "Nothing to be done" in done.said, done.said[-3000:]
    assert results(built) == before


def test_what_changed_since_a_commit_is_told_without_computing_that_again(built):
    GREY(built)
    assert build(built)
    commit(built, "halve the grey")
    assert build(built)
    kept = sorted((built / ".cache").rglob("*"))
    asked = [sys.executable, "-m", "workings.page.diff", "HEAD~1", "--config", CONFIG]
    told = subprocess.run(asked, cwd=built, capture_output=True, text=True)
    assert told.returncode == 1, told.stderr[-2000:]
    assert "moved: 1\n  digits.mean_grey: " in told.stdout
    assert "  digits: " in told.stdout.partition("sentences that cite what moved: ")[2]
    assert (built / "build/diff/report.pdf").exists()
    assert sorted((built / ".cache").rglob("*")) == kept
