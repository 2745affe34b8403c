"""The job translation: a network whose label is a known function of the shift."""

import numpy as np
import pytest
import torch
from torch import nn

from analysis import translation as job
from analysis.maths import network as cnn
from analysis.maths.translation import shift
from tests.report import studies
from workings.messages import InputError

CLASSIFIER = {"channels": [3, 4, 5], "kernels": [3, 3, 3], "pool": [2, 2, 1], "hidden": 8}
CONFIG = {"digit": 1, "example": 0, "shown": 4, "farthest": 6}


class Columns(nn.Module):
    """Label 1 while the ink's mean column is in first ... last, else 7 (and 0 with no ink)."""

    def __init__(self, first, last):
        super().__init__()
        self.first, self.last = first, last

    def forward(self, x):
        ink = x.sum(dim=(1, 2, 3))
        column = (x.sum(dim=(1, 2)) * torch.arange(x.shape[3])).sum(1) / ink.clamp(min=1e-6)
        logits = torch.zeros(len(x), 10)
        inside = (column >= self.first) & (column <= self.last) & (ink > 0)
        logits[inside, 1] = 5
        logits[~inside & (ink > 0), 7] = 5
        return logits


def stroke(column=13, first=4, last=24):
    image = np.zeros((1, 28, 28), dtype=np.float32)
    image[0, first : last + 1, column] = 1
    return image


def measured(first, last, image=None, config=CONFIG):
    image = stroke() if image is None else image
    p = job.probabilities_on_grid(nn.Sequential(Columns(first, last)), image, config["farthest"])
    return job.measure_digit(image, p, (26, 27), config)


def test_how_far_the_label_holds_in_each_direction():
    values = measured(11, 16)
    held = {name: d["held"] for name, d in values["directions"].items()}
    assert held == {"left": 2, "right": 3, "up": 6, "down": 6}
    assert values["directions"]["left"]["next_label"] == 7
    assert values["directions"]["up"]["next_label"] is None
    assert values["holds_in_all_directions_up_to"] == values["holds_in_the_square_up_to"] == 2
    assert values["holds_to_both_sides_up_to"] == 2
    assert values["shifts_with_the_label"] == 6 * 13
    assert values["other_labels"] == [{"label": 7, "shifts": 7 * 13}]


def test_left_and_right_up_and_down_are_not_mistaken_for_one_another():
    """The planted fault: the same network seen through a flipped digit gives the mirror image."""
    mirrored = measured(11, 16, stroke(column=27 - 13))
    assert mirrored["directions"]["left"]["held"] == 3
    assert mirrored["directions"]["right"]["held"] == 2


def test_a_label_wrong_from_the_start_holds_nowhere():
    values = measured(0, 1)
    assert {d["held"] for d in values["directions"].values()} == {-1}
    assert values["holds_in_the_square_up_to"] == -1


def test_lost_and_unread_ink_is_counted():
    values = measured(0, 27)
    up, down = values["directions"]["up"], values["directions"]["down"]
    # Rows 4 ... 24: six up lose two of 21, six down lose three, and two more lie on 26 and 27.
    assert up["ink_lost_there"] == pytest.approx(2 / 21)
    assert down["ink_lost_there"] == pytest.approx(5 / 21)
    # Two of the shifts up lose ink; down it is the two first that already reach row 26.
    assert values["shifts_that_lose_ink"] == 13 * (2 + 5)
    assert values["wrong_with_all_ink"] == 0


def test_grid_agrees_with_shifting_one_by_one():
    net = cnn.build(CLASSIFIER)
    cnn.initialise(net, torch.Generator().manual_seed(1))
    image = np.random.default_rng(0).random((1, 28, 28)).astype(np.float32)
    p = job.probabilities_on_grid(net, image, 2)
    for i, down in enumerate(range(-2, 3)):
        for j, right in enumerate(range(-2, 3)):
            one = cnn.predict(net, shift(image, down, right)[None])[0]
            np.testing.assert_allclose(p[i, j], one, atol=1e-6)


def test_the_whole_test_set_along_each_direction():
    images = np.stack([stroke(column) for column in (11, 12, 13, 14, 2)])
    true = np.ones(5, dtype=np.int64)
    along = job.along_directions(nn.Sequential(Columns(11, 16)), images, 4, (26, 27))
    values = job.measure_test_set(along, true)
    directions = values["directions"]
    assert values["accuracy"] == 4 / 5
    assert directions["left"]["accuracy"].tolist() == [0.8, 0.6, 0.4, 0.2, 0.0]
    assert directions["right"]["accuracy"].tolist() == [0.8, 0.8, 0.8, 0.6, 0.4]
    assert directions["left"]["farthest_within_one_point"] == 0
    assert directions["right"]["farthest_within_one_point"] == 2
    assert directions["left"]["median_held"] == 1.5  # of 0, 1, 2, 3: the fifth is wrong in place
    assert directions["left"]["first_shift_with_most_wrong"] == 3
    assert directions["up"]["first_shift_with_most_wrong"] is None
    assert directions["left"]["share_that_lose_ink_at_farthest"] == 1 / 5
    assert values["weakest_direction"] == "left"
    # Rows 4 … 24 moved down by 4 reach row 28, and by 2 the row 26, which nobody reads.
    assert (along["down"].lost[2] == 0).all() and (along["down"].unseen[2] > 0).all()
    assert directions["down"]["share_that_lose_ink_at_farthest"] == 1
    assert directions["down"]["accuracy_at_farthest_with_all_ink"] is None


def test_the_job_writes_its_files_and_refuses_an_example_that_is_not_there(
    tmp_path, trained, small_digits
):
    config = {"translation": CONFIG | {"farthest": 2}, "classifier": trained[0]}
    values = studies.run(job, tmp_path, config, small_digits, trained[1])
    assert values["one_digit"]["shifts"] == 25
    assert [at["shift"] for at in values["pictures"]] == [-4, 0, 4]
    config["translation"] = CONFIG | {"example": 3}
    with pytest.raises(InputError, match="from 0 to 2") as refused:
        studies.run(job, tmp_path, config)
    assert refused.value.key == "translation.example"
