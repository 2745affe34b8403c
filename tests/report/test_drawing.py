"""The colours of labels and of what is lost; many small pictures as one."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import drawing
from tests.engine.test_figures import contrast


@pytest.mark.parametrize("label", range(10))
def test_the_digit_on_a_labels_colour_can_be_read(label):
    # WCAG 2.2: 3 : 1 for graphics and for large text
    assert contrast(drawing.LABELS(label), drawing.on_label(label)) >= 3.0


def test_a_montage_puts_each_picture_in_its_place():
    pictures = np.random.default_rng(0).random((5, 2, 3))
    picture = drawing.montage(drawing.in_rows(pictures, rows=2, columns=3), gap=2)
    assert picture.shape == (2 * 4 - 2, 3 * 5 - 2)
    for n in range(5):
        i, j = 4 * (n // 3), 5 * (n % 3)
        np.testing.assert_array_equal(picture[i : i + 2, j : j + 3], pictures[n])
    assert np.isfinite(picture).sum() == pictures.size


def test_what_is_lost_is_darker_the_more_of_it():
    light = drawing.DROP(np.linspace(0, 1, 50))[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(light) < 0).all() and light[0] == pytest.approx(1) and light[-1] < 0.15
