"""The bills: against a table that can be worked out by hand."""

import numpy as np
import pytest

from analysis import bills


def test_means_counts_and_the_longest():
    species = np.array(["Adelie", "Gentoo", "Adelie", "Gentoo"])
    found = bills.measure(species, np.array([38.0, 47.0, 40.0, 49.0]))
    assert found["birds"] == 4
    assert found["mean"] == 43.5
    assert [(kind["species"], kind["birds"], kind["mean"]) for kind in found["species"]] == [
        ("Adelie", 2, 39.0),
        ("Gentoo", 2, 48.0),
    ]
    assert found["species"][0]["deviation"] == pytest.approx(np.sqrt(2))
    assert found["longest"]["species"] == "Gentoo"
    assert found["difference"] == 9.0
