"""The ledger lists every printed value once: where it is printed, and where it comes from."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from workings import config
from workings.build import fingerprint
from workings.messages import InputError
from workings.page import ledger
from workings.page.web.source import arguments

from .changing import commit, git


def quote(key: str, value) -> dict:
    more = {"number": None, "place": "templates/x.tex.j2:7", "format": {}}
    return {"key": key, "value": value, "text": "…"} | more


QUOTES = {
    "lengths": [quote("lengths.birds", 28), quote("lengths.mean_bill", 43.9)],
    "mass": [quote("mass.maps.10", 3), quote("lengths.birds", 28), quote("config.mass.bin", 2)],
    "last": [quote("mass.maps.9", 0), quote("lengths.birds", 28)],
}
CHOSEN = {
    "config.lengths.bin": 1,
    "config.mass.bin": 2,
    "config.mass.seed": 3,
    "config.report.date": None,
}
LABELLED = {"lengths": True, "mass": False, "last": True}
SCRIPT = """
from workings.measurements import record, write

def main(config, inputs, outputs):
    values = record(
        birds=28,
    )
    values["mean_bill"] = 43.9
    write("build/measurements/lengths.json", values)
    save(outputs.figure)
    save(outputs.other)
"""


def line_of(text: str, file: str = "analysis/lengths.py") -> int:
    lines = Path(file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_key_has_one_row_with_all_its_uses():
    rows = ledger.rows(QUOTES, LABELLED)
    assert [row["key"] for row in rows] == [
        "config.mass.bin", "lengths.birds", "lengths.mean_bill", "mass.maps.9", "mass.maps.10",
    ]  # fmt: skip
    printed = {"text": "…", "place": "templates/x.tex.j2:7", "format": {}}
    assert rows[1] == {
        "key": "lengths.birds",
        "value": 28,
        "job": "lengths",
        "uses": [
            {"anchor": "lengths.1", "section": "lengths", "labelled": True, **printed},
            {"anchor": "mass.2", "section": "mass", "labelled": False, **printed},
            {"anchor": "last.2", "section": "last", "labelled": True, **printed},
        ],
    }
    mixed = {"s": [quote("a.b", 1), quote("a.1", 1), quote("a.1.x", 1), quote("a.b.2", 1)]}
    rows = ledger.rows(mixed, {"s": True})
    assert [row["key"] for row in rows] == ["a.b", "a.b.2", "a.1", "a.1.x"]


# -- the whole job ---------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def report(in_folder) -> Path:
    """A small report: two jobs, the first recorded by its script, with an input and two figures."""
    for known in (fingerprint.reached, fingerprint._parsed, config._composed):
        known.cache_clear()  # as in a build of its own
    for name in ("analysis", "config", "build/measurements", "build/origins", "build/figures"):
        Path(name).mkdir(parents=True)
    Path("analysis/lengths.py").write_text(SCRIPT)
    Path("analysis/mass.py").write_text("def main(config, inputs, outputs): ...\n")
    spec = importlib.util.spec_from_file_location("lengths", "analysis/lengths.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(NameError):  # there is no `save`; the measurements are written
        module.main({}, None, SimpleNamespace(figure=""))
    Path("build/measurements/mass.json").write_text(json.dumps({"maps": list(range(11))}))
    Path("build/origins/mass.json").write_text("{}")
    Path("config/default.yaml").write_text("lengths:\n  bin: 1\nmass: {bin: 1, seed: 1}\n")
    Path("mine.yaml").write_text("mass:\n  bin: 2\n")
    Path("t.tex.j2").write_text("\\BLOCK{ unprinted mass.maps because 'too many' }")
    Path("build/figures/lengths.pdf").write_bytes(b"%PDF")
    Path("data.gz").write_bytes(b"data")
    return in_folder


def run(
    repository: str | None = None,
    quotes: dict = QUOTES,
    language: str = "en",
    form: str = "short",
    **built,
) -> tuple[str, dict]:
    """What the job `ledger` writes: the section, and the whole."""
    for section, quoted in quotes.items():
        Path(f"{section}.json").write_text(json.dumps(quoted))
    Path("claims.json").write_text('[{"name": "c"}]')
    figures = {"figure": "build/figures/lengths.pdf", "other": "build/figures/not_shown.pdf"}
    jobs = {
        name: {
            "script": f"analysis/{name}.py", "measurements": f"build/measurements/{name}.json",
            "inputs": inputs, "figures": drawn, "configuration": chosen,
        }
        for name, inputs, drawn, chosen in (
            ("lengths", ["data.gz"], figures, {"lengths": {"bin": 1}}), ("mass", [], {}, {})
        )
    }  # fmt: skip
    given = {
        "jobs": jobs, "sections": LABELLED, "figures": ["lengths"], "page": True, "report": {"ledger": form, "repository": repository, "language": language, "engine": "pdflatex"},
        "commit": {"sha": "", "date": "", "why": "without git", "changed": []} | built,
        "places": {
            "files": ["config/default.yaml", "mine.yaml"],
            "given": {"mass": {"seed": 3}},
        },
    }  # fmt: skip
    ledger.main(
        given,
        SimpleNamespace(
            templates=["t.tex.j2"], quotes=[f"{s}.json" for s in quotes], claims=["claims.json"]
        ),
        SimpleNamespace(section="ledger.tex", ledger="ledger.json"),
    )
    return Path("ledger.tex").read_text(), json.loads(Path("ledger.json").read_text())


def test_a_job_has_its_script_lines_inputs_choices_and_results():
    text, whole = run()
    rows = re.findall(r"\\ledgervalue\{(.*?)\}\{(.*?)\}", text)
    keys = [row["key"] for row in ledger.rows(QUOTES, LABELLED)]
    assert [key for key, _ in rows] == ["figure.lengths", *keys[1:3], keys[0], *keys[3:]]
    assert dict(rows)["lengths.birds"] == "lengths.1"  # where it is printed first
    uses = ["figure.lengths", "lengths.1", "mass.2", "last.2", "lengths.2", "last.1", "mass.1"]
    assert re.findall(r"\\ledgeruse\{(.*?)\}", text) == uses  # of the two maps one in each section
    assert r"\ref*{sec:lengths}" in text and r"\ref*{sec:mass}" not in text  # it has no label
    lengths, mass = whole["jobs"]
    data = hashlib.sha256(b"data").hexdigest()
    assert lengths["inputs"] == [{"path": "data.gz", "sha256": data}] and mass["inputs"] == []
    assert data[:12] in text and "no input files" in text
    assert {row["key"]: (row["file"], row["line"]) for row in lengths["rows"]} == {
        "lengths.birds": ("analysis/lengths.py", line_of("birds=")),
        "lengths.mean_bill": ("analysis/lengths.py", line_of("mean_bill")),
    }
    assert {(row["file"], row["line"]) for row in mass["rows"]} == {("analysis/mass.py", None)}
    choice = {"key": "lengths.bin", "value": "1", "place": "config/default.yaml:2"}
    assert lengths["configuration"] == [choice]
    (figure,) = lengths["figures"]  # the other is not shown
    assert (figure["name"], figure["line"]) == ("lengths", line_of("outputs.figure"))
    assert whole["claims"] == [{"name": "c"}]
    assert "built without git" in text and "\\href" not in text and "\\ledgerlink" not in text
    assert hashlib.sha256(Path("ledger.json").read_bytes()).hexdigest() in text.splitlines()[-1]


def test_the_line_is_the_present_one_though_a_comment_was_put_above():
    run()
    script = Path("analysis/lengths.py")
    script.write_text(script.read_text().replace("    values[", "    # new\n\n    values["))
    _, whole = run()
    assert whole["jobs"][0]["rows"][1]["line"] == line_of("mean_bill") == 10
    script.write_text(script.read_text().replace("    values[", "    x = values = 1; values["))
    with pytest.raises(InputError, match="its code is not that which recorded"):
        run()


def test_a_choice_is_traced_to_the_file_that_made_it():
    quotes = {"lengths": QUOTES["lengths"], "mass": [quote("mass.maps", [])]}
    text, whole = run(quotes=quotes | {"last": [quote(*choice) for choice in CHOSEN.items()]})
    defaults = (config.ENGINE / "defaults.yaml").read_text().splitlines()
    (date,) = (n for n, line in enumerate(defaults, 1) if line.startswith("  date:"))
    assert {row["key"]: (row["file"], row["line"]) for row in whole["choices"]} == {
        "config.lengths.bin": ("config/default.yaml", 2),
        "config.mass.bin": ("mine.yaml", 2),
        "config.mass.seed": ("--config", None),
        "config.report.date": ("workings/defaults.yaml", date),
    }
    text = bare(text)  # those of a job stand in its block, and the others at the end
    assert (
        r"\ledgerchoices\textttmine.yaml\textttbin~\ledgervalueconfig.mass.binlast.22~\texttt:2;"
        in text
    )
    assert r"\textttseed~\ledgervalueconfig.mass.seedlast.33~\texttt--config" in text
    assert r"\ledgerchoices\textttworkings/defaults.yaml\textttreport.date" in text


def bare(text: str) -> str:
    """TeX without its braces and places to break a line."""
    return re.sub(r"\\(allowbreak|unjoined)\{\}|[{}]", "", text)


def shown(text: str) -> list[tuple[str, str]]:
    """The key and the values of each line that is printed of the job `mass`."""
    text, found = text.partition(r"\ledgerjob{\texttt{mass}}")[2], []
    for line in re.finditer(r"\\ledgerline", text):
        (key, values, _, _), _ = arguments(text, line.end(), 4)
        values = bare(re.sub(r"\\ledgervalue\{.*?\}\{.*?\}", "", values))
        found.append((bare(key).removeprefix(r"\texttt"), values.replace(r"\textquotedbl", "'")))
    return found


MANY = [0.123456789, 1e9 / 7, -2e-9, 3.0, *range(100)]
LINES = [quote(f"mass.maps.{n}", value) for n, value in enumerate(MANY[:4])]
LINES += [quote("mass.maps.12", "left"), quote("mass.all", MANY), quote("mass.maps.1", MANY[1])]


@pytest.mark.parametrize(
    ("form", "lines"),
    [
        ("short", [("all", "[0.123457, 1.42857e+08, -2e-09, 3, 0, …"),
                   ("maps.0,1,2,3,12", "0.123457, 1.42857e+08, -2e-09, 3, 'left'")]),
        ("full", [("all", json.dumps(MANY)), *((f"maps.{n}", f"{MANY[n]}") for n in range(4)),
                  ("maps.12", "'left'")]),
        ("none", []),
    ],
)  # fmt: skip
def test_each_form_prints_its_part_and_all_of_it_is_attached(form, lines):
    text, whole = run(quotes={"lengths": QUOTES["lengths"], "mass": LINES, "last": []}, form=form)
    assert len(whole["jobs"][1]["rows"]) == 6 and r"\attachresult{build/ledger.json}" in text
    assert shown(text) == lines


def test_a_number_has_the_languages_mark_and_the_sum_of_a_file_stands_once():
    text, _ = run(language="de")
    assert "{43,9}" in text
    assert bare(text).count(hashlib.sha256(b"data").hexdigest()[:12]) == 1


def test_a_link_names_commit_file_and_line_where_the_commit_has_the_code():
    commit(Path(), "first")
    sha = git(Path(), "rev-parse", "HEAD").strip()
    text, whole = run("https://e.org/w/", sha=sha)
    link = f"https://e.org/w/blob/{sha}/analysis/lengths.py#L{line_of('birds=')}"
    assert whole["jobs"][0]["rows"][0]["link"] == link
    assert f"\\ledgerlink{{{link}}}" in text.replace(r"\#", "#")
    assert sha[:12] in text and "with nothing changed" in text
    text, whole = run("https://e.org/w", sha=sha, changed=["analysis/lengths.py 3f2a91c05d77"])
    assert "lengths.py" not in "".join(re.findall(r"\\ledgerlink\{(.*?)\}", text))
    assert whole["jobs"][0]["changed"] == ["analysis/lengths.py"]
    assert "changes that are not committed" in text


def test_the_ledger_refuses_what_the_lint_finds():
    Path("t.tex.j2").write_text("")
    with pytest.raises(InputError, match=r"build/measurements/mass\.json:1: .*'mass\.maps.*' is"):
        run(quotes={"lengths": QUOTES["lengths"]})
    assert not Path("ledger.tex").exists()
