"""The patch search: which images, what is counted, and squares that brute force finds too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis import patch_search, patch_search_part
from analysis.data import storage
from analysis.maths import network as cnn
from analysis.maths.occlusion import FlippingPatch, SizeSweep, occlude_dense
from analysis.patch_search import Searched, measure, passed_over
from tests.report import studies
from workings import measurements
from workings.messages import InputError

# -- which images ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "per_class", "passed"),
    [
        ([3, 7, 17, 27], 2, 4),  # the first 3, and all 7s but the last
        ([20], 2, 0),  # after the last that is needed
        ([5, 15, 25, 35], 2, 4),  # a class that is never right
        ([3, 20, 37], None, 3),  # all images: all wrong ones
    ],
)
def test_wrongly_labelled_images_before_the_last_that_is_chosen(wrong, per_class, passed):
    labels = np.tile(np.arange(10), 4)
    given = labels.copy()
    given[wrong] = (labels[wrong] + 1) % 10
    assert passed_over(labels, given, per_class) == passed


# -- what is counted -------------------------------------------------------------------------------


def flip(label: int, size: int) -> FlippingPatch:
    return FlippingPatch(size, row=3, column=4, label=label, p=0.75, positions=2)


SEARCHED = [
    Searched(0, 6, flip(4, 9)),
    Searched(1, 6, flip(0, 4)),
    Searched(2, 6, None, recomputed=5),
    Searched(3, 1, flip(7, 3)),
    Searched(4, 0, flip(4, 20)),
    Searched(5, 1, None, recomputed=1),
]


def test_the_counts_of_a_search_made_by_hand():
    reached = [{"label": 4, "smallest": 9, "squares": 3}]
    values = measure(SEARCHED, 7, 0, 20, 6, reached)
    assert (values["searched"], values["flipped"], values["share_flipped"]) == (6, 4, 4 / 6)
    assert values["passed_over_as_wrongly_labelled"] == 7
    assert values["positions_evaluated_again"] == 6
    assert (values["smallest"], values["median"], values["largest_needed"]) == (3, 6.5, 20)
    assert values["presumed"] == [
        {"label": 4, "digits": 1},
        {"label": 0, "digits": 1},
    ]
    assert (values["digit_searched"], values["digit_flipped"], values["never"]) == (3, 2, 2)
    assert (values["images_at_the_smallest"], values["squares"]) == (
        1,
        28**2 + sum(n**2 for n in range(9, 28)),
    )
    assert (values["easiest"], values["hardest"]) == ([1], [0])  # medians 3 and 20
    assert values["most_frequent_move"] == {"from": 0, "to": 4, "images": 1}
    assert (values["most_frequent_new_label"], values["most_frequent_new_label_count"]) == (4, 2)
    assert values["moves"].sum() == 4 and values["moves"][0, 4] == values["moves"][1, 7] == 1
    assert values["classes"][6] == {
        "label": 6, "searched": 3, "flipped": 2, "never": 1, "smallest": 4, "median": 6.5, "largest": 9,
    }  # fmt: skip
    assert values["classes"][2]["searched"] == 0 and values["classes"][2]["median"] is None
    assert values["share_of_the_area"] == (6.5 / 28) ** 2
    assert values["own"] == {
        "searched": True, "flips": True, "size": 9, "row": 3, "column": 4,
        "new_label": 4, "new_probability": 0.75, "positions": 2, "reached": reached,
        "presumed": [reached[0], {"label": 0, "smallest": None, "squares": 0}],
        "squares_that_change": 3,
    }  # fmt: skip


def test_the_search_beside_squares_at_random_and_the_margin():
    three = [
        Searched(0, 6, flip(4, 2), margin=1.0, by_chance=(False, False, True, True)),
        Searched(1, 6, flip(4, 3), margin=2.0, by_chance=(False, False, False, True)),
        Searched(2, 1, flip(4, 4), margin=5.0, by_chance=(False, False, False, True)),
    ]
    blank = np.eye(10)[6]
    values = measure(three, 0, 0, 4, 6, [], blank)
    assert values["blank"] == {"label": 6, "probability": 1.0, "images": 2}
    rows = [(row["side"], row["smallest"], row["chance"]) for row in values["by_side"]]
    assert rows == [(1, 0, 0), (2, 1 / 3, 0), (3, 2 / 3, 1 / 3), (4, 1, 1)]
    assert (values["search_at_median"], values["chance_at_median"]) == (2 / 3, 1 / 3)
    assert values["side_where_chance_is_half"] == 4
    assert values["rank_correlation"] == pytest.approx(1.0)


def test_the_rank_correlation_is_spearmans():
    random = np.random.default_rng(0)
    a, b = random.normal(size=50), random.integers(1, 6, 50)
    assert patch_search._rank_correlation(list(a), b) == pytest.approx(spearmanr(a, b).statistic)


def test_a_random_square_of_each_side_lies_inside():
    image = np.ones((1, 28, 28), np.float32)
    covered = patch_search_part.at_random(image, 28, np.random.default_rng(0))
    assert [int((c == 0).sum()) for c in covered] == [side**2 for side in range(1, 29)]
    assert (image == 1).all()


@pytest.mark.parametrize(
    ("six", "own"),
    [(2, {"searched": True, "flips": False, "reached": []}), (99, {"searched": False})],
)
def test_a_digit_that_never_flips_or_was_not_searched(six, own):
    values = measure(SEARCHED, 0, six, 20, 6, [])["own"]
    assert {key: values[key] for key in own} == own
    assert all(p["squares"] == 0 for p in values.get("presumed", []))


def test_equal_medians_are_equally_easy_and_a_class_that_never_flips_is_hardest():
    searched = [
        Searched(0, 6, flip(4, 5)), Searched(1, 3, flip(5, 5)),
        Searched(2, 8, flip(2, 7)), Searched(3, 7, None),
    ]  # fmt: skip
    values = measure(searched, 0, 0, 12, 6, [])
    assert (values["easiest"], values["hardest"]) == ([3, 6], [7])


def test_a_presumed_label_is_not_the_digits_own():
    values = measure(SEARCHED, 0, 4, 20, 0, [])
    assert [p["label"] for p in values["presumed"]] == [4]
    assert [p["label"] for p in values["own"]["presumed"]] == [4]


def test_nothing_flips_at_all(tmp_path):
    never = [Searched(i, i % 10, None) for i in range(20)]
    values = measure(never, 0, 6, 12, 6, blank=np.eye(10)[1])
    assert (values["flipped"], values["share_flipped"]) == (0, 0.0)
    assert values["smallest"] is values["median"] is values["largest_needed"] is None
    assert values["own"]["flips"] is False and values["easiest"] == values["hardest"]
    measurements.write(tmp_path / "m.json", values)  # and no NaN among them
    text = studies.fill("patch_search", patch_search=measurements.read(tmp_path / "m.json"))
    assert "{No black patch turns any" in text and "A blank is a" in text
    figure = patch_search.draw(never, np.zeros((20, 1, 28, 28)), 6, 12)
    patch_search.figures.save(figure, tmp_path / "f.pdf")
    patch_search.figures.save(patch_search.draw_moves(values["moves"]), tmp_path / "m.pdf")
    patch_search.figures.save(
        patch_search.draw_margin(never, values["by_side"]), tmp_path / "g.pdf"
    )


# -- against brute force ---------------------------------------------------------------------------


def smallest_by_brute_force(network, image, label, largest):
    """(size, positions that flip, the flipping positions of highest new probability), or None."""
    for size in range(1, largest + 1):
        map_ = occlude_dense(network, image, label, patch=size)
        flips = map_.predicted != map_.clean.argmax()
        if flips.any():
            best = np.where(flips, map_.p_max, -1.0)
            row, column = np.unravel_index(best.argmax(), best.shape)
            return size, int(flips.sum()), row, column, map_.predicted[row, column], best.max()
    return None


@pytest.mark.parametrize("index", [6, 8])
def test_brute_force_gives_the_same_labels_anywhere(trained, small_digits, index):
    image = small_digits["test_images"][index][None] / np.float32(255)
    label = int(small_digits["test_labels"][index])
    expected: dict[int, dict] = {}
    for size in (3, 9, 14, 28):
        map_ = occlude_dense(trained[1], image, label, patch=size)
        for new in map_.predicted[map_.predicted != map_.clean.argmax()].tolist():
            entry = expected.setdefault(new, {"label": new, "smallest": size, "squares": 0})
            entry["squares"] += 1
    assert expected  # so that the comparison says something
    reached = patch_search.anywhere(SizeSweep(trained[1], sizes=(3, 9, 14, 28))(image, label))
    assert {entry["label"]: entry for entry in reached} == expected


# -- the whole job ---------------------------------------------------------------------------------


@pytest.fixture
def job(tmp_path, trained, small_digits):
    """Run the job in a folder of its own."""

    def run(folder=tmp_path, of: int = 2, **changes) -> dict:
        config = {
            "patch_search": {"per_class": None, "largest": 12, "seed": 1, **changes},
            "classifier": trained[0],
            "occlusion": {"digit": 6, "example": 1},
        }
        return studies.run_divided(
            patch_search, patch_search_part, folder, config, small_digits, trained[1], of
        )

    return run


@pytest.mark.parametrize("per_class", [1, None])
def test_the_whole_job(job, trained, small_digits, per_class):
    values, network, data = job(per_class=per_class), trained[1], studies.scaled(small_digits)
    images, labels = data.test_images, data.test_labels
    given = cnn.predict(network, images).argmax(1)
    chosen = storage.rightly_labelled(labels, given, per_class)
    if given[16] == 6 and 16 not in chosen:
        chosen.append(16)  # the digit of the other sections
    brute = {i: smallest_by_brute_force(network, images[i], int(labels[i]), 12) for i in chosen}
    assert values["searched"] == len(chosen)
    assert values["flipped"] == sum(b is not None for b in brute.values())
    assert values["smallest"] == min(b[0] for b in brute.values() if b)
    moves = np.zeros((10, 10), int)
    for i, found in brute.items():
        if found:
            moves[labels[i], found[4]] += 1
    assert np.array_equal(values["moves"], moves)
    if 16 in chosen and brute[16]:
        assert values["own"]["size"] == brute[16][0]
        assert values["own"]["positions"] == brute[16][1]
        assert min(r["smallest"] for r in values["own"]["reached"]) == brute[16][0]


def test_the_number_of_parts_changes_no_byte(job, tmp_path):
    made = []
    for of in (1, 3, 200):  # more parts than images
        job(tmp_path / str(of), of)
        files = studies.Files(tmp_path / str(of)).all().items()
        made.append({name: data for name, data in files if not name.startswith("part")})
    assert made[0] == made[1] == made[2]


def test_a_network_that_is_always_wrong_is_refused(job, small_digits, monkeypatch):
    wrong = np.eye(10)[(small_digits["test_labels"].astype(int) + 1) % 10]
    monkeypatch.setattr(cnn, "predict", lambda network, images: wrong)
    with pytest.raises(InputError, match="the network labels no test image rightly") as caught:
        job(per_class=2)
    assert caught.value.key == "classifier.epochs"
