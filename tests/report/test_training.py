"""The job `training`, and the closing section that rests on it."""

import re

import pytest

from analysis import training, training_part
from analysis.maths import recurrent_cells as rc
from analysis.maths.shares import wilson
from analysis.maths.training import Outcome, Recall
from analysis.training_part import Choice
from tests.report import studies
from workings.messages import InputError

SMALL = {
    "delays": [8, 3],
    "repeats": 2,
    "validation": 1,
    "validation_updates": 20,
    "rates": [0.02, 0.001],
    "starts": {"vanilla": [1.0, "identity"], "gated": ["orthogonal"]},
    "parameters": 150,
    "bias": 1,
    "drive": 1.0,
    "symbols": 2,
    "distractors": 2,
    "updates": 30,
    "batch": 16,
    "clip": 1.0,
    "check_every": 10,
    "stop_at": 0.03,
    "test_sequences": 100,
    "echo_state": {
        "units": 20,
        "spectral_radii": [0.9],
        "leak": 1.0,
        "density": 0.5,
        "input_scalings": [0.1, 0.5],
        "ridge": 1e-8,
        "sequences": 200,
    },
    "seed": 1,
}


def run(folder, of: int = 2, **changes):
    """The measurements of a run with the small configuration and some `changes`."""
    config = {"training": SMALL | changes}
    return studies.run_divided(training, training_part, folder, config, of=of)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return run(tmp_path_factory.mktemp("training"))


def test_every_network_is_measured(measured):
    for task in ("adding", "recall"):
        rows = measured[task]["models"]
        assert [row["model"] for row in rows] == ["vanilla", "LSTM", "GRU", "echo state"]
        for row in rows:
            assert [point["delay"] for point in row["points"]] == [3, 8]
            assert all(len(point["errors"]) == 2 for point in row["points"])
            assert row["multiplications"] > 0
        for row in rows[:3]:
            task_inputs, outputs = (2, 1) if task == "adding" else (4, 2)
            assert row["trained"] == rc.count(row["model"], row["units"], task_inputs, outputs)
            assert 10 <= row["updates"] <= 30
        assert rows[3]["updates"] == 0
    assert measured["adding"]["models"][3]["trained"] == 21
    assert measured["recall"]["models"][3]["trained"] == 42


def test_the_number_of_parts_changes_no_byte(tmp_path, measured):
    made = []
    for of in (1, 3, 20):  # more parts than settings
        assert run(tmp_path / str(of), of) == measured
        files = studies.Files(tmp_path / str(of)).all().items()
        made.append({name: data for name, data in files if not name.startswith("part")})
    assert made[0] == made[1] == made[2]


def test_a_setting_depends_on_nothing_else(tmp_path, measured):
    more = run(tmp_path, delays=[3, 8, 5])
    for task in ("adding", "recall"):
        for row, longer in zip(measured[task]["models"], more[task]["models"], strict=True):
            own = {point["delay"]: point["errors"] for point in longer["points"]}
            assert [own[point["delay"]] for point in row["points"]] == [
                point["errors"] for point in row["points"]
            ]


def outcome(error: float) -> Outcome:
    return Outcome(error, 10, 100, 1000, 1e-4, 1e-2)


def test_the_choice_is_made_on_networks_that_are_not_reported(monkeypatch):
    """The recipe that most validation networks learn with wins, then that of the lower median error."""
    base = Recall(2, 2).baseline
    errors = {  # of the validation networks, over the baseline
        Choice("orthogonal", 0.1): [0.05, 0.9, 0.9],
        Choice("orthogonal", 0.2): [0.05, 0.8, 0.9],
        Choice(1.0, 0.1): [0.2, 0.2, 0.2],
        Choice(1.0, 0.2): [0.9, 0.9, 0.9],
    }
    asked = []

    def networks(config, setting, wanted, sort):
        asked.append((sort, wanted))
        return [outcome(errors[c][r % 3] * base) for c, r in wanted]

    monkeypatch.setattr(training_part, "networks", networks)
    config = SMALL | {
        "validation": 3, "repeats": 4, "rates": [0.1, 0.2],
        "starts": {"vanilla": [1.0], "gated": ["orthogonal", 1.0]},
    }  # fmt: skip
    found = training_part.run_setting(config, training_part.Setting("recall", 8, "GRU"))
    assert (found.choice, found.tried) == (Choice("orthogonal", 0.2), 4)
    assert [sort for sort, _ in asked] == [training_part.VALIDATION, training_part.REPORTED]
    assert asked[1][1] == [(found.choice, repeat) for repeat in range(4)]


def test_no_reported_network_was_a_validation_network():
    setting, choice = training_part.Setting("recall", 3, "GRU"), Choice("orthogonal", 0.02)
    first, second = (
        training_part.networks(SMALL, setting, [(choice, 0)], sort)
        for sort in (training_part.VALIDATION, training_part.REPORTED)
    )
    assert first != second


def test_a_verdict_needs_intervals_that_lie_apart():
    def row(*solved):
        points = [
            {"delay": d, "low": wilson(k, 10, 0.95)[0], "high": wilson(k, 10, 0.95)[1]}
            for d, k in zip((10, 30, 60), solved, strict=True)
        ]
        return {"points": points}

    pair = training._compare("GRU", "vanilla", {"GRU": row(5, 9, 0), "vanilla": row(4, 2, 9)})
    assert (pair["more"], pair["less"]) == ([30], [60])


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"parameters": 50, "symbols": 40}, "parameters", "nearest"),
        ({"delays": [3, 5000], "test_sequences": 100_000}, "test_sequences", "in memory at once"),
        ({"delays": [3, 5000], "batch": 10_000}, "batch", "in memory at once"),
        (
            {"echo_state": SMALL["echo_state"] | {"density": 1e-9}},
            "echo_state.density",
            "no recurr",
        ),
    ],
)
def test_what_the_schema_cannot_see_is_explained(tmp_path, changes, key, words):
    with pytest.raises(InputError, match=words) as error:
        run(tmp_path, **changes)
    assert error.value.key == f"training.{key}"


def won(measured, **tasks):
    """The measurements as they would be, had so many networks of each model learnt each task, and had
    the intervals of both gated cells lain above the vanilla cell's at the delays `above`."""
    turned = {**measured}
    for task, (numbers, above) in tasks.items():
        by = {
            model: {**row, "solved": number}
            for (model, row), number in zip(
                measured[task]["by_model"].items(), numbers, strict=True
            )
        }
        pairs = [
            {"model": model, "than": "vanilla", "more": above, "less": []}
            for model in ("LSTM", "GRU")
        ]
        turned[task] = measured[task] | {
            "by_model": by, "models": list(by.values()), "pairs": pairs,
            "pairs_apart": 2 * bool(above), "gates_above": above, "gates_below": [],
            "fewest_solved_by_gates": min(numbers[1:3]),
        }  # fmt: skip
    return turned


LAGS = {
    "vanilla_that_vanish_or_explode": 1,
    "largest_w_earlier": 0.9,
    "vanilla_vanishing": [0.5],
    "vanilla_exploding": [],
    "gated": 4,
    "gated_better": 2,
}
ECHO = {"best": {"share": 0.5}}


def full(above: list[int], apart: list[dict]) -> dict:
    """What is read of the full study, had both gated cells learnt adding more often at these delays."""
    rows = [
        {"task": task, "model": model, "solved": [20, 3]}
        for task in ("adding", "recall")
        for model in ("vanilla", "LSTM")
    ]
    study = {"delays": [10, 200], "longest_delay": 200, "networks": 20, "rows": rows}
    return {"training": study | {"gates_above_on_adding": above, "apart_on_recall": apart}}


def answers(measured, above=(), **lags):
    return studies.fill(
        "answers", training=measured, gradient_lags=LAGS | lags, echo_state=ECHO,
        full_set=full(list(above), []),
    )  # fmt: skip


def test_the_answers_follow_the_measurement(measured):
    both = answers(won(measured, adding=([0, 4, 4, 0], [8]), recall=([1, 2, 4, 2], [3])))
    assert "Gates help on both tasks" in both
    one = answers(won(measured, adding=([0, 4, 4, 0], [8]), recall=([3, 2, 4, 2], [])))
    assert "Gates help on the adding problem" in one
    other = answers(won(measured, adding=([4, 4, 4, 0], []), recall=([0, 2, 4, 2], [8])))
    assert "Gates help on delayed recall" in other
    none = answers(won(measured, adding=([4, 0, 0, 0], []), recall=([4, 0, 0, 0], [])))
    assert r"\claim{gates_help}{Not that" in none and "gives up too much" in none
    assert "In the full study" not in none and "In the full study" in answers(measured, [200])
    all_of_it = answers(won(measured, adding=([4, 4, 4, 4], []), recall=([4, 4, 4, 4], [])))
    assert "enough for both tasks" in all_of_it
    soft = answers(measured, vanilla_that_vanish_or_explode=0, vanilla_vanishing=[])
    assert r"\claim{recurrent_weights_hard}{Not here" in soft and "The evidence" not in soft


def test_the_section_follows_the_measurement(measured):
    text = studies.fill(
        "training",
        training=won(measured, adding=([0, 4, 4, 0], [8]), recall=([3, 2, 4, 2], []))
        | {
            "learnt_though_vanished": [{"model": "GRU", "task": "adding"}],
            "least_gain_when_learnt": 20.0,
        },
        full_set=full([100, 200], [{"model": "LSTM", "more": [30], "less": [60, 200]}]),
    )
    words = " ".join(re.sub(r"\\measured\{[^{}]*\}\{[^{}]*\}\{([^{}]*)\}", r"\1", text).split())
    assert "the GRU learns more often than the vanilla cell at 8 steps." in words
    assert "no two intervals lie apart" in text and "There is a delay at which both" in text
    assert "had vanished at the start for" in text and "Training opens the path" in text
    assert "longer delays tell: at 100 and 200 steps" in words
    apart = "the LSTM learns it more often at 30 steps and less often at 60 and 200 steps."
    assert apart in words
    text = studies.fill(
        "training",
        training=won(measured, adding=([0, 4, 0, 0], []), recall=([4, 2, 2, 2], []))
        | {"learnt_though_vanished": [], "least_gain_when_learnt": None},
        full_set=full([], []),
    )
    assert "There, too, at no delay" in text and "it depends on the cell" not in text
    assert "At no delay do both" in text and "had vanished" not in text
