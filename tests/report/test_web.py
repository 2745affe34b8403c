"""This report's web edition: everything of the PDF in one small file, and what can be explored in it."""

from __future__ import annotations

import json
import re
from collections import Counter

import numpy as np

from tests.engine.test_web import Elements, tokens
from tests.engine.webpage import words


def test_each_section_claim_figure_and_table_of_the_sections_is_on_the_page(finished):
    page = (finished / "report/report.html").read_text(encoding="utf-8")
    assert len(page.encode("utf-8")) < 6_000_000
    names = Counter(value for name, value in Elements(page).attributes if name == "id")
    assert set(names.values()) == {1}
    expected = set()
    for file in (finished / "build/sections").glob("*.tex"):
        text = file.read_text(encoding="utf-8")
        expected |= set(re.findall(r"\\label\{(sec:\w+)\}", text))
        for kind, command in (("fig", "(?:text|wide)figure"), ("claim", "(?:refuted)?claim"),
                              ("tab", r"begin\{(?:long)?measuredtable\}")):  # fmt: skip
            expected |= {f"{kind}:{name}" for name in re.findall(rf"\\{command}\{{(\w+)\}}", text)}
    assert len(expected) > 60 and expected <= names.keys()


def test_every_number_of_the_sections_is_printed_on_the_page(finished):
    page = (finished / "report/report.html").read_text(encoding="utf-8")
    said = tokens(words(page))
    for file in (finished / "build/quotes").glob("*.json"):
        for quote in json.loads(file.read_text(encoding="utf-8")):
            text = quote["text"].replace("{,}", ",")
            if re.fullmatch(r"-?\d+(\.\d+)?", text):
                assert said[text.lstrip("-")] > 0, quote


def test_the_patch_that_is_moved_shows_what_the_maps_hold(finished):
    explored = json.loads((finished / "build/explore/occlusion.json").read_text())
    maps = np.load(finished / "build/arrays/occlusion.npz")
    first, *others = explored["choices"]
    assert len(others) >= 9 and explored["rows"] == maps["starts"].tolist()
    p = np.array(next(iter(first["values"].values())))
    np.testing.assert_allclose(p, maps["p_true"], rtol=1e-4, atol=1e-6)
    assert first["labels"] == maps["predicted"].tolist()
