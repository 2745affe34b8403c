"""This report on its tiny configuration: what is in the PDF, and where each row of its ledger points."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
from pypdf import PdfReader
from pypdf.generic import IndirectObject

from tests.engine.changing import replace
from tests.engine.running import ROOT, build, page, plain
from tests.report.real import TITLE


def measured(folder: Path, job: str) -> dict:
    return json.loads((folder / f"build/measurements/{job}.json").read_text())


@pytest.fixture(scope="module")
def pdf(finished) -> PdfReader:
    return PdfReader(finished / "report/report.pdf")


@pytest.fixture(scope="module")
def links(pdf) -> list[str]:
    """Where each link inside the report goes."""
    found = []
    for leaf in pdf.pages:
        for annotation in leaf.get("/Annots", []):
            action = annotation.get_object().get("/A")
            action = action.get_object() if isinstance(action, IndirectObject) else action
            if action is not None and action.get("/S") == "/GoTo":
                found.append(str(action["/D"]))
    return found


@pytest.fixture(scope="module")
def words(finished) -> str:
    return plain(page(finished))


def rows_of(folder: Path) -> list[dict]:
    """Every row of the ledger that is no figure's."""
    ledger = json.loads((folder / "build/ledger.json").read_text())
    return [row for job in ledger["jobs"] for row in job["rows"]] + ledger["choices"]


# -- what is in the PDF ---------------------------------------------------------------------------


def test_the_measured_numbers_are_in_the_pdf(finished, words):
    assert "9.434827012614068" in words
    assert "9.437563229688841" in words
    occlusion, classifier = measured(finished, "occlusion"), measured(finished, "classifier")
    assert plain(f"{occlusion['lowest_probability']:.4f}") in words
    assert plain(f"gives {classifier['test_correct']} right labels of") in words
    assert plain(f"{100 * classifier['test_accuracy']:.2f} %") in words


def test_the_title_is_printed_letter_by_letter(words, pdf):
    assert plain(TITLE) in words
    assert pdf.metadata.title == TITLE


def test_every_link_inside_the_report_resolves(pdf, links):
    assert len(links) > 300
    assert set(links) - set(pdf.named_destinations) == set()


def test_every_printed_number_and_figure_links_to_its_row_and_that_to_its_first_place(
    finished, pdf, links
):
    names = {f"figure.{path.stem}" for path in (finished / "build/figures").glob("*.pdf")}
    assert len(names) > 8
    ends = {f"{kind}:{name}" for kind in ("use", "ledger") for name in names}
    for row in rows_of(finished):
        ends |= {f"ledger:{row['key']}", f"use:{row['uses'][0]['anchor']}"}
    assert ends - set(links) == set()
    for quotes in (finished / "build/quotes").glob("*.json"):
        ends |= {
            f"use:{quotes.stem}.{n}" for n in range(1, len(json.loads(quotes.read_text())) + 1)
        }
    assert ends - set(pdf.named_destinations) == set()


def test_results_and_ledger_are_attached_and_match(finished, pdf, tmp_path):
    report = str(finished / "report/report.pdf")
    listed = subprocess.run(["pdfdetach", "-list", report], capture_output=True, text=True).stdout
    subprocess.run(["pdfdetach", "-saveall", "-o", str(tmp_path), report], check=True)
    files = {p.name: p for p in (finished / "build/measurements").glob("*.json")}
    files["ledger.json"] = finished / "build/ledger.json"
    assert set(files) == {path.name for path in tmp_path.iterdir()}
    for name, path in files.items():
        assert name in listed and (tmp_path / name).read_bytes() == path.read_bytes(), name
    ledger = json.loads(files["ledger.json"].read_text())
    for job in ledger["jobs"]:
        for file in (job["measurements"], *job["inputs"]):
            data = (finished / file["path"]).read_bytes()
            assert file["sha256"] == hashlib.sha256(data).hexdigest()


def test_every_figure_has_its_alternative_text(finished, pdf):
    figures = re.findall(
        r"\\(?:text|wide)figure\{",
        "".join(path.read_text() for path in (finished / "build/sections").glob("*.tex")),
    )
    content = b"".join(page.get_contents().get_data() for page in pdf.pages)
    texts = re.findall(rb"/Alt\s*[(<]", content)
    assert len(texts) == len(figures) > 8


def test_fonts_are_embedded_and_the_file_is_clean(finished):
    report = str(finished / "report/report.pdf")
    rows = subprocess.run(["pdffonts", report], capture_output=True, text=True).stdout.splitlines()
    assert len(rows) > 3
    for row in rows[2:]:
        assert "Type 3" not in row, row
        embedded, subset, unicode = row.split()[-5:-2]
        assert (embedded, subset, unicode) == ("yes", "yes", "yes"), row
    check = subprocess.run(["qpdf", "--check", report], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr


def test_the_pdf_says_its_language_and_has_bookmarks_and_no_date(pdf):
    assert pdf.trailer["/Root"]["/Lang"] == "en-GB"
    assert len(pdf.outline) > 4
    assert "/CreationDate" not in pdf.metadata and "/ModDate" not in pdf.metadata


def test_measurements_hold_no_path_and_no_date(finished):
    for path in (finished / "build/measurements").glob("*.json"):
        text = path.read_text()
        assert str(finished) not in text
        assert not re.search(r"\d{4}-\d{2}-\d{2}", text)


# -- where the ledger points -----------------------------------------------------------------------


@cache
def putting(source: str) -> dict[int, list[ast.AST]]:
    """The keywords, indices and calls of `record` of a source, by their lines."""
    found: dict[int, list[ast.AST]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword | ast.Subscript | ast.Call):
            found.setdefault(node.lineno, []).append(node)
    return found


def named(key: str) -> list[str]:
    """The words of a key that are no places in a list."""
    return [word for word in key.split(".") if not word.isdigit()]


def records(key: str, source: str, line: int) -> bool:
    """Whether something in that line puts the key's value into a record, by its name or with others.

    By name: a keyword or an index is the key's last word. With others: a keyword is a word of the
    key, and holds what is no single value; or a mapping is spread, or handed to `record`.
    """
    names = named(key)
    for node in putting(source).get(line, []):
        match node:
            case ast.keyword(arg=name, value=value):
                if name in (None, names[-1]) or (
                    name in names and not isinstance(value, ast.Constant)
                ):
                    return True
            case ast.Subscript(slice=ast.Constant(value=name), ctx=ast.Store()):
                if name == names[-1]:
                    return True
            case ast.Call(func=ast.Name(id="record"), args=[_, *_]):
                return True
    return False


RECORDS = """
values = record(
    mean=found.mean(),
    rows=[record(**row) for row in found],
    **others,
)
values["share"] = ratio
figure.colorbar(place="orientation")
"""


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("job.mean", [3, 4, 5]),
        ("job.rows.0.mean", [3, 4, 5]),
        ("job.share", [4, 5, 7]),
        ("job.orientation", [4, 5]),
    ],
)
def test_only_a_line_that_records_the_key_counts(key, lines):
    assert [n for n in range(1, 9) if records(key, RECORDS, n)] == lines


def test_every_row_of_the_ledger_names_the_line_that_says_it(finished):
    ledger = json.loads((finished / "build/ledger.json").read_text())

    def text(row: dict) -> str:
        folder = ROOT if row["file"].startswith("workings/") else finished
        return (folder / row["file"]).read_text(encoding="utf-8")

    def line(row: dict) -> str:
        return text(row).split("\n")[row["line"] - 1]

    rows = [row for job in ledger["jobs"] for row in job["rows"]]
    assert [r for r in rows if not records(r["key"], text(r), r["line"])] == []
    by_name = [r for r in rows if named(r["key"])[-1] in line(r)]
    assert len(rows) > 700 and len(by_name) > 500
    figures = [row for job in ledger["jobs"] for row in job["figures"]]
    assert len(figures) > 8 and all("outputs." in line(row) for row in figures)
    choices = ledger["choices"]
    assert len(choices) > 30
    assert [r for r in choices if f"{named(r['key'])[-1]}:" not in line(r)] == []


# -- a build ---------------------------------------------------------------------------------------


def test_a_cold_build_is_told_in_few_lines_and_a_second_one_in_fewer(finished):
    assert len((finished.parent / "said").read_text().splitlines()) < 120
    again = build(finished).said
    assert "nothing to do" in again and len(again.splitlines()) < 12


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU here")
def test_the_device_of_auto_is_settled_before_any_job(finished):
    """Nothing is kept under `auto`: where there is no GPU, it is the same build as `cpu`."""
    said = {
        device: build(finished, "-n", "--config", f"classifier={{device: {device}}}").said
        for device in ("auto", "cuda")
    }
    jobs = re.findall(r"^(\w+): .*\(", said["auto"], re.MULTILINE)
    assert sorted(jobs) == ["ledger", "page", "report"]
    assert re.search(r"^classifier: .*device", said["cuda"], re.MULTILINE), said["cuda"]


def test_a_parameter_of_another_shape_is_refused(built):
    replace("config/default.yaml", "    W: [[1, -1], [0, 2]]", "    W: [[1, -1, 3], [0, 2, 3]]")(
        built
    )
    said = build(built).said
    assert re.search(r"config/default\.yaml:\d+: recurrence\.", said), said
    assert "2×3" in said and "Traceback" not in said


@pytest.mark.slow
def test_other_seeds_are_run_on_demand_and_their_deviation_is_printed(built):
    replace("tiny.yaml", "{report: false}", "{values: [5, 6], report: true}")(built)
    done = build(built)
    assert done, done.said[-3000:]
    seeds = measured(built, "seeds")
    assert [run["seed"] for run in seeds["runs"]] == [5, 6]
    assert not (built / "build/seeds/5/data").exists()  # no seed decides the digits
    first, second = (run["measurements"]["classifier"] for run in seeds["runs"])
    assert first != second
    deviation = 100 * seeds["spread"]["classifier"]["test_accuracy"]["deviation"]
    assert plain(f"± {deviation:.2f} %") in plain(page(built))
