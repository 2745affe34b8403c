"""The ledger lists every printed value once: where it is printed, and where it comes from."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from workings import measurements
from workings.measurements import origins_path
from workings.messages import InputError
from workings.page import ledger

SCRIPT = '''"""Count."""

from workings.measurements import record


def measure():
    values = record(
        rows=28,
        mean_grey=0.13,
    )
    values["maps"] = [record(size=n) for n in range(11)]
    return values


def main(config, inputs, outputs):
    save(outputs.figure)
'''


def quote(key: str, value) -> dict:
    return {"key": key, "value": value, "text": "…", "place": "templates/x.tex.j2:7"}


QUOTES = {
    "first": [quote("counted.rows", 28), quote("counted.mean_grey", 0.13)],
    "second": [quote("counted.maps.10.size", 10), quote("counted.rows", 28)],
    "third": [quote("counted.maps.9.size", 9), quote("config.counted.bin", 2.0)],
}
LABELLED = {"first": True, "second": True, "third": False}


def test_a_key_has_one_row_with_all_its_uses():
    rows = ledger.rows(QUOTES, LABELLED)
    assert [row["key"] for row in rows] == [
        "config.counted.bin",
        "counted.maps.9.size",  # 9 before 10
        "counted.maps.10.size",
        "counted.mean_grey",
        "counted.rows",
    ]
    printed = {"text": "…", "place": "templates/x.tex.j2:7", "labelled": True}
    assert rows[-1] == {
        "key": "counted.rows",
        "value": 28,
        "job": "counted",
        "uses": [
            {"anchor": "first.1", "section": "first", **printed},
            {"anchor": "second.2", "section": "second", **printed},
        ],
    }


def test_keys_with_numbers_and_words_in_one_place_are_sorted_all_the_same():
    mixed = {"s": [quote("a.b", 1), quote("a.1", 1), quote("a.1.x", 1), quote("a.b.2", 1)]}
    rows = ledger.rows(mixed, {"s": True})
    assert [row["key"] for row in rows] == ["a.b", "a.b.2", "a.1", "a.1.x"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Make the ledger of a small report: a job with an input and a figure, and a choice."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("jobs", "templates", "config", "build/measurements", "build/figures"):
        Path(name).mkdir(parents=True)
    script = Path("jobs/counted.py")
    script.write_text(SCRIPT)
    sys.modules.pop("jobs.counted", None)
    sys.modules.pop("jobs", None)
    importlib.invalidate_caches()
    values = importlib.import_module("jobs.counted").measure()
    Path("config/default.yaml").write_text("# chosen\ncounted:\n  bin: 2.0\n")
    Path("templates/x.tex.j2").write_text(
        "\\VAR{counted.rows}\\VAR{counted.mean_grey}\\VAR{counted.maps}"
    )
    Path("build/figures/counted.pdf").write_bytes(b"%PDF")
    Path("data.gz").write_bytes(b"data")
    for section, quoted in QUOTES.items():
        Path(f"{section}.json").write_text(json.dumps(quoted))
    Path("claims.json").write_text('[{"name": "c"}]')

    def made(repository=None, sha="", changed=(), shown=("counted",), **more):
        path = "build/measurements/counted.json"
        values.update(more)
        measurements.write(path, values)
        job = {
            "script": str(script), "inputs": ["data.gz"], "measurements": path,
            "figures": {"figure": "build/figures/counted.pdf"}, "configuration": {"counted": {"bin": 2.0}},
        }  # fmt: skip
        config = {
            "report": {"repository": repository},
            "commit": {"sha": sha, "date": "", "why": "outside a git repository", "changed": list(changed)},
            "places": {"files": ["config/default.yaml"], "given": {}},
            "jobs": {"counted": job}, "sections": LABELLED, "figures": list(shown),
        }  # fmt: skip
        inputs = SimpleNamespace(
            templates=["templates/x.tex.j2"],
            quotes=[f"{section}.json" for section in QUOTES],
            claims=["claims.json"],
        )
        outputs = SimpleNamespace(section="ledger.tex", ledger="ledger.json")
        ledger.main(config, inputs, outputs)
        return Path("ledger.tex").read_text(), json.loads(Path("ledger.json").read_text())

    return made


def test_every_quote_is_linked_there_and_back(run):
    text, _ = run()
    rows = [row["key"] for row in ledger.rows(QUOTES, LABELLED)]
    assert re.findall(r"\\ledgerrow\{(.*?)\}", text) == ["figure.counted", *rows[1:], rows[0]]
    anchors = [f"{s}.{n}" for s, quoted in QUOTES.items() for n in range(1, len(quoted) + 1)]
    assert sorted(re.findall(r"\\ledgeruse\{(.*?)\}", text)) == sorted(["figure.counted", *anchors])
    assert r"\ref*{sec:first}" in text and "sec:third" not in text  # which has no label
    assert r"mean\_" in text  # what is printed of a key is escaped


def test_a_job_has_its_script_lines_choices_inputs_and_results(run):
    text, whole = run()
    (job,) = whole["jobs"]
    data = hashlib.sha256(b"data").hexdigest()
    assert job["inputs"] == [{"path": "data.gz", "sha256": data}] and data[:12] in text
    place = "config/default.yaml:3"
    assert job["configuration"] == [{"key": "counted.bin", "value": "2.0", "place": place}]
    lines = {row["key"]: (row["file"], row["line"]) for row in job["rows"]}
    assert lines == {
        "counted.rows": ("jobs/counted.py", 8),
        "counted.mean_grey": ("jobs/counted.py", 9),
        "counted.maps.9.size": ("jobs/counted.py", 11),
        "counted.maps.10.size": ("jobs/counted.py", 11),
    }
    assert job["figures"][0]["line"] == 16
    (choice,) = whole["choices"]
    assert (choice["file"], choice["line"]) == ("config/default.yaml", 3)
    assert whole["claims"] == [{"name": "c"}]
    assert "outside a git repository" in text and "\\ledgerlink" not in text
    assert hashlib.sha256(Path("ledger.json").read_bytes()).hexdigest() in text.splitlines()[-1]


def test_a_line_follows_its_code_without_a_new_run(run):
    run()
    script = Path("jobs/counted.py")
    script.write_text(
        script.read_text().replace("    values =", "    # A comment.\n\n    values =")
    )
    assert ledger.recorded_at("counted.rows") == "jobs/counted.py:10"
    assert json.loads(origins_path("build/measurements/counted.json").read_text())


def test_with_a_repository_each_row_links_to_its_line_at_the_commit(run):
    text, _ = run("https://e.org/w/", "0123456789abcdef")
    assert r"\ledgerlink{https://e.org/w/blob/0123456789abcdef/jobs/counted.py\#L8}" in text
    assert r"config/default.yaml\#L3" in text
    assert "0123456789ab" in text and "with nothing changed" in text
    text, _ = run("https://e.org/w", "0123456789abcdef", ["jobs/counted.py 3f2a91c05d77"])
    assert "jobs/counted.py" not in "".join(re.findall(r"\\ledgerlink\{(.*?)\}", text))
    assert "changes that are not committed" in text


def test_a_figure_that_no_section_shows_has_no_row(run):
    assert "figure.counted" not in run(shown=())[0]


def test_a_measurement_that_is_printed_nowhere_is_refused_with_its_line(run):
    with pytest.raises(InputError, match=r"test_ledger\.py:\d+: .*'counted\.left_over'|left_over"):
        run(left_over=1)
    assert not Path("ledger.tex").exists()
