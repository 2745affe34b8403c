"""The colours of the ten labels."""

from __future__ import annotations

import pytest

from analysis import drawing
from tests.engine.test_figures import contrast


@pytest.mark.parametrize("label", range(10))
def test_the_digit_on_a_labels_colour_can_be_read(label):
    # WCAG 2.2: 3 : 1 for graphics and for large text
    assert contrast(drawing.LABELS(label), drawing.on_label(label)) >= 3.0
