"""The ledger lists every printed number once: where it is printed, and where it comes from."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from workings.messages import InputError
from workings.page import ledger

ROOT = Path(__file__).parents[2]


def quote(key: str, value) -> dict:
    return {"key": key, "value": value, "text": "…", "place": "templates/x.tex.j2:7"}


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
    printed = {"text": "…", "place": "templates/x.tex.j2:7"}
    assert rows[1] == {
        "key": "digits.rows",
        "value": 28,
        "job": "digits",
        "uses": [
            {"anchor": "digits.1", "section": "digits", **printed},
            {"anchor": "occlusion.2", "section": "occlusion", **printed},
            {"anchor": "built.2", "section": "built", **printed},
        ],
    }


def test_keys_with_numbers_and_words_in_one_place_are_sorted_all_the_same():
    mixed = {"s": [quote("a.b", 1), quote("a.1", 1), quote("a.1.x", 1), quote("a.b.2", 1)]}
    assert [row["key"] for row in ledger.rows(mixed)] == ["a.b", "a.b.2", "a.1", "a.1.x"]


def test_a_long_value_is_cut():
    assert ledger.raw([1] * 5) == "[1, 1, 1, 1, 1]"
    cut = ledger.raw(list(range(100)))
    assert len(cut) == ledger.LONGEST and cut.endswith(" …")
    assert ledger.raw("é") == '"é"' and ledger.raw(True) == "true"


def test_a_link_names_commit_file_and_line():
    assert ledger.link("https://e.org/w/", "abc", "analysis/a.py", 3) == (
        "https://e.org/w/blob/abc/analysis/a.py#L3"
    )
    assert ledger.link(None, "abc", "analysis/a.py", 3) == ""
    assert ledger.link("https://e.org/w", "", "analysis/a.py", 3) == ""


# -- the whole job ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A small project: two jobs, one with an input, a figure, and the ledger's own template."""
    monkeypatch.chdir(tmp_path)
    for name in ("analysis/maths", "templates/sections", "build/measurements", "build/figures"):
        Path(name).mkdir(parents=True)
    Path("analysis/digits.py").write_text(
        'values = {\n    "rows": 28,\n    "mean_grey": 0.13,\n}\n'
        "def main(config, inputs, outputs):\n    save(outputs.figure)\n"
    )
    Path("analysis/occlusion.py").write_text('values["maps"] = [1]\n')
    Path("templates/sections/ledger.tex.j2").write_text(
        (ROOT / "templates/sections/ledger.tex.j2").read_text()
    )
    Path("build/measurements/digits.json").write_text('{"rows": 28, "mean_grey": 0.13}')
    Path("build/measurements/occlusion.json").write_text('{"maps": [0, 1, 2]}')
    Path("build/figures/digits.pdf").write_bytes(b"%PDF")
    Path("data.gz").write_bytes(b"data")
    for section, quoted in QUOTES.items():
        Path(f"{section}.json").write_text(json.dumps(quoted))
    Path("claims.json").write_text('[{"name": "c"}]')
    return tmp_path


def run(repository: str | None = None, sha: str = "", changed: list[str] | None = None):
    inputs = SimpleNamespace(
        templates=["templates/sections/ledger.tex.j2"],
        quotes=[f"{section}.json" for section in QUOTES],
        claims=["claims.json"],
        measurements=["build/measurements/digits.json", "build/measurements/occlusion.json"],
        figures=["build/figures/digits.pdf"],
        digits=["data.gz"],
        occlusion=[],
    )
    outputs = SimpleNamespace(section="ledger.tex", ledger="ledger.json")
    built = {"sha": sha, "changed": changed or []}
    ledger.main({"report": {"repository": repository}, "commit": built}, inputs, outputs)
    return Path("ledger.tex").read_text(), json.loads(Path("ledger.json").read_text())


def test_every_quote_is_linked_there_and_back(folder):
    text, _ = run()
    rows = re.findall(r"\\ledgerrow\{(.*?)\}", text)
    assert rows == ["figure.digits", *(r["key"] for r in ledger.rows(QUOTES))]
    anchors = [f"{s}.{n}" for s, quoted in QUOTES.items() for n in range(1, len(quoted) + 1)]
    assert sorted(re.findall(r"\\ledgeruse\{(.*?)\}", text)) == sorted(["figure.digits", *anchors])
    assert r"mean\_" in text  # what is printed of a key is escaped


def test_a_job_has_its_script_lines_inputs_and_results(folder):
    text, whole = run()
    digits, occlusion = whole["jobs"]
    data = hashlib.sha256(b"data").hexdigest()
    assert digits["inputs"] == [{"path": "data.gz", "sha256": data}] and occlusion["inputs"] == []
    assert data[:12] in text and "no input files" in text
    lines = {row["key"]: (row["file"], row["line"]) for row in digits["numbers"]}
    assert lines == {
        "digits.rows": ("analysis/digits.py", 2),
        "digits.mean_grey": ("analysis/digits.py", 3),
    }
    assert [row["line"] for row in occlusion["numbers"]] == [1, 1]
    assert digits["figures"][0]["line"] == 6
    assert whole["claims"] == [{"name": "c"}]
    assert "outside a git repository" in text and "\\href" not in text
    assert hashlib.sha256(Path("ledger.json").read_bytes()).hexdigest() in text.splitlines()[-1]


def test_with_a_repository_each_row_links_to_its_line_at_the_commit(folder):
    text, _ = run("https://e.org/w", "0123456789abcdef")
    assert r"\ledgerlink{https://e.org/w/blob/0123456789abcdef/analysis/digits.py\#L2}" in text
    assert "0123456789ab" in text and "with nothing changed" in text
    text, _ = run("https://e.org/w", "0123456789abcdef", ["analysis/digits.py 3f2a91c05d77"])
    assert "analysis/digits.py" not in "".join(re.findall(r"\\ledgerlink\{(.*?)\}", text))
    assert "changes that are not committed" in text


def test_the_ledger_refuses_what_the_lint_finds(folder):
    Path("build/measurements/occlusion.json").write_text('{"maps": [0], "left_over": 1}')
    with pytest.raises(InputError, match=r"'occlusion.left_over' is quoted nowhere"):
        run()
    assert not Path("ledger.tex").exists()
