"""The ledger lists every printed number once, with every place where it is printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

from analysis import ledger


def quote(key: str, value) -> dict:
    return {"key": key, "value": value, "text": "…"}


QUOTES = {
    "digits": [quote("digits.rows", 28), quote("digits.mean_grey", 0.13)],
    "occlusion": [quote("occlusion.maps.10", 3), quote("digits.rows", 28)],
    "built": [quote("occlusion.maps.9", True), quote("digits.rows", 28)],
}


def test_a_key_has_one_row_with_all_its_uses():
    rows = ledger.rows(QUOTES)
    assert [row["key"] for row in rows] == [
        "digits.mean_grey",
        "digits.rows",
        "occlusion.maps.9",  # 9 before 10
        "occlusion.maps.10",
    ]
    assert rows[1] == {
        "key": "digits.rows",
        "value": "28",
        "job": "digits",
        "uses": [
            {"anchor": "digits.1", "section": "digits"},
            {"anchor": "occlusion.2", "section": "occlusion"},
            {"anchor": "built.2", "section": "built"},
        ],
    }
    assert rows[2]["value"] == "true"


def test_keys_with_numbers_and_words_in_one_place_are_sorted_all_the_same():
    mixed = {"s": [quote("a.b", 1), quote("a.1", 1), quote("a.1.x", 1), quote("a.b.2", 1)]}
    assert [row["key"] for row in ledger.rows(mixed)] == ["a.b", "a.b.2", "a.1", "a.1.x"]


def test_a_long_value_is_cut():
    assert ledger.raw([1] * 5) == "[1, 1, 1, 1, 1]"
    cut = ledger.raw(list(range(100)))
    assert len(cut) == ledger.LONGEST and cut.endswith(" …")
    assert ledger.raw("é") == '"é"'


def test_every_quote_is_linked_there_and_back(in_root, tmp_path):
    paths = []
    for section, quoted in QUOTES.items():
        paths.append(tmp_path / f"{section}.json")
        paths[-1].write_text(json.dumps(quoted))
    outputs = SimpleNamespace(section=tmp_path / "ledger.tex")
    ledger.main({}, SimpleNamespace(quotes=list(map(str, paths))), outputs)
    text = Path(outputs.section).read_text()
    assert re.findall(r"\\ledgerrow\{(.*?)\}", text) == [r["key"] for r in ledger.rows(QUOTES)]
    anchors = [f"{s}.{n}" for s, quoted in QUOTES.items() for n in range(1, len(quoted) + 1)]
    assert sorted(re.findall(r"\\ledgeruse\{(.*?)\}", text)) == sorted(anchors)
    assert r"mean\_" in text  # what is printed of a key is escaped
