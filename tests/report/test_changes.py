"""The table of changes on this report: the rows of tests/engine/test_changes.py, with its own names."""

from __future__ import annotations

import gzip

import pytest

from analysis.data.make_subset import read_idx, write_idx
from tests.engine.changing import (
    append,
    git,
    of_the_engine,
    replace,
    under_its_old_date,
    upgrade,
)
from tests.engine.running import CONFIG, build
from tests.engine.test_changes import (
    Reach,
    Subject,
    afresh,  # noqa: F401
    sections,
    test_a_change_runs_just_what_it_must,  # noqa: F401
    test_a_change_taken_back_is_restored,  # noqa: F401
    test_a_changed_report_is_the_one_that_a_clean_copy_gives,  # noqa: F401
    test_a_damaged_result_is_made_again_without_a_store,  # noqa: F401
    test_damage_everywhere_is_mended_from_the_store,  # noqa: F401
)

from .real import PARTIAL

pytestmark = pytest.mark.slow

# The jobs that look at the network, those that derive, and the others.
LOOKING = {
    *("filters", "feature_maps", "translation", "occlusion"),
    *("patch_colour", "atlas", "patch_search"),
}
JOBS = LOOKING | {
    *("digits", "classifier", "recurrence", "gradient_check", "originals"),
    *("gradient_lags", "echo_state", "training", "full_set"),
}
# What sums up, and reads the maps, the derivation and the training; and the other sections without a job.
SUMMARIES = ("frontmatter", "overview", "conclusion")
SECTIONS = sections(*JOBS, *SUMMARIES, "answers", "recurrence_lines", "built")
PARTS = {"atlas_part 1-of-1", "patch_search_part 1-of-1"}  # of those that look, of one part here
IMAGES = "analysis/data/train-images-idx3-ubyte.gz"
# What reaches the centres of the patches, and what prints it.
CENTRES = {"feature_maps", "occlusion", "patch_colour", "atlas"}
OCCLUDED = {"occlusion", "patch_colour", "atlas"}

REACHES = {
    "script": Reach(
        replace("analysis/digits.py", "images.mean() / 255.0", "images.mean() / 510.0"),
        {"digits"}, sections("digits"),
        {"classifier", *LOOKING, *PARTS, *sections("classifier", *LOOKING, *SUMMARIES)},
        ("the mean grey is 0.064",),
    ),
    "far helper": Reach(
        replace("analysis/maths/hot_spot.py", "start + (size - 1) / 2", "start + size / 2"),
        CENTRES, sections(*CENTRES, *SUMMARIES),
    ),
    "refactored": Reach(
        replace("analysis/maths/hot_spot.py", "start + (size - 1) / 2", "(size - 1) / 2 + start"),
        CENTRES, after=sections(*CENTRES, *SUMMARIES),
    ),
    "engine": Reach(
        of_the_engine(replace("workings/derive/typesetting.py", r'r"\top"', r'r"\dagger"')),
        {"recurrence"}, sections("recurrence", "recurrence_lines"),
        {"originals", "gradient_check", *sections("gradient_check", "originals", *SUMMARIES)}, ("†",),
    ),
    "comment": Reach(append("analysis/maths/network.py", "\n# A comment.\n")),
    "docstring": Reach(replace("analysis/maths/hot_spot.py", '"""The patch\'s centre', '"""The centre')),
    "comment above a record": Reach(
        replace("analysis/echo_state.py", "    return record(\n", "    # A comment.\n    return record(\n")
    ),
    "value": Reach(
        replace(CONFIG, "stride: 4", "stride: 5"), OCCLUDED | {"atlas_part 1-of-1"},
        sections(*OCCLUDED, "frontmatter", "overview"),
        words=("with a step of 5 pixels",),
    ),
    "title": Reach(
        replace("config/default.yaml", "A report rebuilt", "A write-up rebuilt"),
        sections=sections("frontmatter"), words=("A write-up rebuilt from source",),
    ),
    "unused value": Reach(
        append("config/default.yaml", "\nstore: {megabytes: 900}\n"),
        words=("not committed, in config/default.yaml",),
    ),
    "prose": Reach(
        replace("templates/sections/digits.tex.j2", "The pictures are", "The images are"),
        sections=sections("digits"), words=("The images are from MNIST",),
    ),
    "partial": Reach(
        replace(PARTIAL, "said", "whispered"), sections=sections("filters", "built"),
        words=("This is whispered in a partial.",),
    ),
    "reference": Reach(
        replace("report/references.bib", "Gradient-based learning", "Learning by gradients"),
        words=("Learning by gradients applied",),
    ),
    "data": Reach(
        under_its_old_date(
            "config/original.yaml", replace("config/original.yaml", "0.94921601", "0.94921701")
        ),
        {"originals"}, sections("originals", *SUMMARIES), words=("0.94921701",),
    ),
    "package": Reach(
        upgrade("torchvision"), {"digits"},
        after={
            *("classifier", *LOOKING, *PARTS),
            *sections("digits", "classifier", *LOOKING, *SUMMARIES),
        },
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def subject() -> Subject:
    lost = ["build/arrays/occlusion.npz", "build/sections/occlusion.tex"]
    return Subject(
        JOBS | PARTS | {"training_part 1-of-1"},
        SECTIONS,
        REACHES,
        (lost, {"occlusion", "section occlusion"}),
    )


def test_changed_data_without_its_sum_is_refused(built):
    """The first training image with ink for paper."""
    before = (built / "report/report.pdf").read_bytes()
    images = read_idx(gzip.decompress((built / IMAGES).read_bytes())).copy()
    images[0] = 255 - images[0]
    another = gzip.compress(write_idx(images), mtime=0)
    under_its_old_date(IMAGES, lambda folder: (folder / IMAGES).write_bytes(another))(built)
    failed = build(built)
    assert not failed and not failed.computed | failed.restored
    assert f"{IMAGES}: damaged: its sha256 is" in failed.said
    assert f"'git checkout {IMAGES}' brings it back" in failed.said
    assert "Traceback" not in failed.said
    git(built, "checkout", IMAGES)
    done = build(built)
    assert done and not done.computed, done.said[-3000:]
    assert (built / "report/report.pdf").read_bytes() == before
