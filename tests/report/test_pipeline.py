"""The whole pipeline on a tiny configuration, in a folder of its own, down to the PDF."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader
from pypdf.generic import IndirectObject

from tests.engine.changing import append, commit, damage, replace, touch_everything
from tests.engine.running import CONFIG, build, page, plain, planned
from tests.report.real import TITLE


@pytest.fixture
def built(tiny_report, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_report, tmp_path / "copy", symlinks=True))


def measured(folder: Path, job: str) -> dict:
    return json.loads((folder / f"build/measurements/{job}.json").read_text())


@pytest.fixture(scope="module")
def pdf(tiny_report) -> PdfReader:
    return PdfReader(tiny_report / "report/report.pdf")


@pytest.fixture(scope="module")
def words(tiny_report) -> str:
    return plain(page(tiny_report))


# What is in the PDF


def test_the_measured_numbers_are_in_the_pdf(tiny_report, words):
    assert "9.434827012614068" in words
    assert "9.437563229688841" in words
    occlusion, classifier = measured(tiny_report, "occlusion"), measured(tiny_report, "classifier")
    assert plain(f"{occlusion['lowest_probability']:.4f}") in words
    assert plain(f"gives {classifier['test_correct']} right labels of") in words
    assert plain(f"{100 * classifier['test_accuracy']:.2f} %") in words


def test_the_title_is_printed_letter_by_letter(words, pdf):
    assert plain(TITLE) in words
    assert pdf.metadata.title == TITLE


def test_every_link_inside_the_report_resolves(pdf):
    targets = set(pdf.named_destinations)
    links = [link for page in pdf.pages for link in internal_links(page)]
    assert len(links) > 300
    assert {link for link in links if link not in targets} == set()


def test_every_printed_number_links_to_its_row_and_back(tiny_report, pdf):
    targets = set(pdf.named_destinations)
    links = {link for page in pdf.pages for link in internal_links(page)}
    for quotes in (tiny_report / "build/quotes").glob("*.json"):
        for number, quote in enumerate(json.loads(quotes.read_text()), 1):
            use, row = f"use:{quotes.stem}.{number}", f"ledger:{quote['key']}"
            assert {use, row} <= targets and {use, row} <= links


def test_every_figure_links_to_its_row_and_back(tiny_report, pdf):
    targets = set(pdf.named_destinations)
    links = {link for page in pdf.pages for link in internal_links(page)}
    names = [path.stem for path in (tiny_report / "build/figures").glob("*.pdf")]
    assert len(names) > 8
    for name in names:
        assert {f"use:figure.{name}", f"ledger:figure.{name}"} <= targets & links


def test_results_and_ledger_are_attached_and_match(tiny_report, pdf, tmp_path):
    report = str(tiny_report / "report/report.pdf")
    listed = subprocess.run(["pdfdetach", "-list", report], capture_output=True, text=True).stdout
    subprocess.run(["pdfdetach", "-saveall", "-o", str(tmp_path), report], check=True)
    files = {p.name: p for p in (tiny_report / "build/measurements").glob("*.json")}
    files["ledger.json"] = tiny_report / "build/ledger.json"
    assert set(files) == {path.name for path in tmp_path.iterdir()}
    for name, path in files.items():
        assert name in listed
        assert hashlib.sha256((tmp_path / name).read_bytes()).digest() == (
            hashlib.sha256(path.read_bytes()).digest()
        ), name
    ledger = json.loads(files["ledger.json"].read_text())
    for job in ledger["jobs"]:
        for file in (job["measurements"], *job["inputs"]):
            data = (tiny_report / file["path"]).read_bytes()
            assert file["sha256"] == hashlib.sha256(data).hexdigest()


def test_every_number_has_the_line_that_records_it(tiny_report):
    for job in json.loads((tiny_report / "build/ledger.json").read_text())["jobs"]:
        for row in [*job["numbers"], *job["figures"]]:
            text = (tiny_report / row["file"]).read_text().split("\n")
            assert row["line"] and text[row["line"] - 1].strip(), row


def internal_links(page) -> list[str]:
    found = []
    for annotation in page.get("/Annots", []):
        action = annotation.get_object().get("/A")
        action = action.get_object() if isinstance(action, IndirectObject) else action
        if action is not None and action.get("/S") == "/GoTo":
            found.append(str(action["/D"]))
    return found


def test_every_figure_has_its_alternative_text(tiny_report, pdf):
    figures = re.findall(
        r"\\(?:text|wide)figure\{",
        "".join(path.read_text() for path in (tiny_report / "build/sections").glob("*.tex")),
    )
    content = b"".join(page.get_contents().get_data() for page in pdf.pages)
    texts = re.findall(rb"/Alt\s*[(<]", content)
    assert len(texts) == len(figures) > 8


def test_fonts_are_embedded_and_the_file_is_clean(tiny_report):
    report = str(tiny_report / "report/report.pdf")
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


def test_measurements_hold_no_path_and_no_date(tiny_report):
    for path in (tiny_report / "build/measurements").glob("*.json"):
        text = path.read_text()
        assert str(tiny_report) not in text
        assert not re.search(r"\d{4}-\d{2}-\d{2}", text)


# What runs again


def test_the_second_run_does_nothing(tiny_report):
    assert "Nothing to be done" in build(tiny_report).said


def test_touching_everything_runs_nothing(built):
    touch_everything(built)
    assert planned(built) == set()


def test_a_comment_runs_nothing_and_a_helper_only_its_jobs(built):
    helper = "workings/derive/checks.py"
    append(helper, "\n# A comment.\n")(built)
    assert planned(built) == set()
    append(helper, "\nANOTHER = 1\n")(built)
    assert planned(built) == {
        *("gradient_check", "originals", "section", "frontmatter", "ledger", "report"),
    }


def test_a_config_value_runs_only_its_jobs(built):
    replace(CONFIG, "stride: 4", "stride: 5")(built)
    assert planned(built) == {
        *("occlusion", "patch_colour", "atlas", "section", "frontmatter", "ledger", "report"),
    }
    assert '"config occlusion.stride = 5"' in build(built, "-n").said.replace("'", '"')


def test_a_word_of_prose_sets_only_its_section_and_the_page(built):
    replace("templates/sections/digits.tex.j2", "The pictures are", "The images are")(built)
    assert planned(built) == {"section", "ledger", "report"}
    run = build(built)
    assert run, run.said[-3000:]
    text = page(built)
    assert "The images are" in text


FILL = """
from types import SimpleNamespace
from workings.page import section
from workings import workflow
quoted = workflow._quoted("occlusion", workflow.JOBS)
inputs = SimpleNamespace(
    template=quoted.templates, measurements=quoted.measurements, derivations=quoted.derivations
)
outputs = SimpleNamespace(section="filled.tex", quotes="quotes.json", claims="claims.json")
section.main({"report": {"claims": "fail"}}, inputs, outputs)
"""


def test_one_changed_value_changes_exactly_its_occurrences(built):
    """A section filled from a measurement with another value."""
    path = built / "build/measurements/occlusion.json"
    values = json.loads(path.read_text())
    values["lowest_highest_probability"] = 0.123456
    path.write_text(json.dumps(values))
    subprocess.run([sys.executable, "-c", FILL], cwd=built, check=True)
    before = (built / "build/sections/occlusion.tex").read_text()
    after = (built / "filled.tex").read_text()
    changed = [(a, b) for a, b in zip(before.split("\n"), after.split("\n"), strict=True) if a != b]
    assert len(changed) == 1
    assert "0.1235" in changed[0][1]


def test_a_result_that_was_cut_off_is_said_and_restored(built):
    name = "build/arrays/occlusion.npz"
    before = (built / name).read_bytes()
    damage(name, "truncated")(built)
    assert f"{name}: edited by hand, or cut off" in build(built, "-n").said
    run = build(built)
    assert "Nothing to be done" in run.said, run.said[-3000:]
    assert (built / name).read_bytes() == before


def test_a_commit_sets_the_ledger_and_the_page_and_a_clean_clone_the_same_lines(built):
    commit(built, "first")
    assert planned(built) == {"ledger", "report"}
    run = build(built)
    assert run, run.said[-3000:]
    first = json.loads((built / "build/ledger.json").read_text())
    assert first["commit"] and first["changed"] == []
    script = built / "analysis/occlusion.py"
    script.write_text("# A comment.\n" + script.read_text())
    assert planned(built) == set()
    commit(built, "second")
    assert planned(built) == {"ledger", "report"}
    assert build(built, "build/ledger.json")
    second = json.loads((built / "build/ledger.json").read_text())
    before, after = (
        [
            row["line"]
            for job in ledger["jobs"]
            for row in job["numbers"]
            if row["file"] == "analysis/occlusion.py"
        ]
        for ledger in (first, second)
    )
    assert after == [line + 1 for line in before] != []


def test_other_seeds_are_run_on_demand_and_their_deviation_is_printed(built):
    (built / "seeds.yaml").write_text("seeds: {values: [5, 6], report: true}\n")
    run = build(built, config=["seeds.yaml"])
    assert run, run.said[-3000:]
    seeds = measured(built, "seeds")
    assert [r["seed"] for r in seeds["runs"]] == [5, 6]
    first, second = (r["measurements"]["classifier"] for r in seeds["runs"])
    assert (first["seed"], second["seed"]) == (5, 6) and first != second
    text = page(built)
    deviation = 100 * seeds["spread"]["classifier"]["test_accuracy"]["deviation"]
    assert plain(f"± {deviation:.2f} %") in plain(text)
    assert planned(built) == {"section", "frontmatter", "ledger", "report"}  # without them


# What a person gets wrong


def refused(folder: Path, **options) -> str:
    """Run into an error: no traceback, a non-zero exit, and the last good report as it was."""
    report = folder / "report/report.pdf"
    before = report.read_bytes()
    run = build(folder, **options)
    assert not run
    assert "Traceback" not in run.said
    assert report.read_bytes() == before
    return run.said


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("occlusion: {patch: 40}", "occlusion.patch: 40; expected a whole number of pixels from 1"),
        ("occlusion: {digit: 12}", "occlusion.digit: 12; expected a whole number from 0 to 9"),
        ("occlusion: {pach: 4}", "occlusion.pach: unknown key; did you mean 'patch'?"),
        ("classifier: {epochs: 0}", "classifier.epochs: 0; expected a whole number from 1"),
        ("classifier: {rate: -0.1}", "classifier.rate: -0.1; expected a number above 0"),
        ("recurrence: {cell: h = x}", "recurrence.loss: missing; expected a text"),
        ("classifier: {epochs: many}", "classifier.epochs: 'many'; expected a whole number"),
        ("report: {author: Ωmega}", "report.author: 'Ωmega' holds 'Ω' (U+03A9), which the"),
    ],
)
def test_a_wrong_value_is_refused_with_file_line_and_key(tiny_report, wrong, expected):
    (tiny_report / "wrong.yaml").write_text(f"# one line above\n{wrong}\n")
    output = refused(tiny_report, config=["wrong.yaml"])
    assert f"wrong.yaml:2: {expected}" in " ".join(output.split())


def test_a_parameter_of_another_shape_is_refused(built):
    default = (built / "config/default.yaml").read_text()
    assert "    W: [[1, -1], [0, 2]]" in default
    wrong = default.replace("W: [[1, -1], [0, 2]]", "W: [[1, -1, 3], [0, 2, 3]]")
    (built / "config/default.yaml").write_text(wrong)
    output = refused(built)
    assert "config/default.yaml:" in output and "recurrence" in output
    assert "2×3" in output or "2 x 3" in output or "(2, 3)" in output


def test_a_truncated_data_file_is_refused(built):
    data = built / "analysis/data/train-images-idx3-ubyte.gz"
    data.write_bytes(data.read_bytes()[:1000])
    output = refused(built)
    assert "train-images-idx3-ubyte.gz: damaged" in output


def test_a_missing_tex_is_said(built, tmp_path):
    append("report/references.bib", "% changed\n")(built)
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in ("bash", "sh", "env"):
        (bare / program).symlink_to(shutil.which(program))
    output = refused(built, path=str(bare))
    assert "latexmk, pdflatex, biber: not installed" in output


def test_a_missing_measurement_names_the_templates_line(built):
    template = built / "templates/sections/digits.tex.j2"
    lines = template.read_text().splitlines()
    lines.insert(4, r"\VAR{num('digits.trainning_images')}")
    template.write_text("\n".join(lines))
    output = refused(built)
    assert "templates/sections/digits.tex.j2:5: no measurement 'digits.trainning_images'" in output
    assert "did you mean 'training_images'?" in output


def test_an_error_of_tex_names_the_template(built):
    append("templates/sections/digits.tex.j2", "\n\\undefinedcommand\n")(built)
    output = refused(built)
    assert "templates/sections/digits.tex.j2" in output and "Undefined control sequence" in output


def test_an_undefined_reference_is_refused(built):
    append("templates/sections/digits.tex.j2", "\nSee \\cref{fig:nowhere}.\n")(built)
    assert "reference to nothing: fig:nowhere" in refused(built)


def test_a_claim_that_broke_says_all_and_can_be_reported(built):
    template = built / "templates/sections/digits.tex.j2"
    line = len(template.read_text().splitlines()) + 2
    said = (
        r"\VAR{claim('small', 'digits.rows < 20 and digits.columns < 20', 'The digits are small.')}"
    )
    template.write_text(f"{template.read_text()}\n{said}\n")
    output = refused(built)
    assert (
        f"templates/sections/digits.tex.j2:{line}: the claim 'small' does not hold: “The digits are "
        "small.” rests on the predicate `digits.rows < 20 and digits.columns < 20`, where "
        "digits.rows is 28" in output
    )
    (built / "reported.yaml").write_text("report: {claims: report}\n")
    run = build(built, config=["reported.yaml"])
    assert run, run.said[-3000:]
    words = page(built)
    assert "The digits are small." in words and "refuted" in words


def test_a_typed_digit_and_a_gone_citation_are_refused_before_anything_runs(built):
    append("templates/sections/digits.tex.j2", "\nOf 97 images \\parencite{nobody2020}.\n")(built)
    output = refused(built)
    assert "the digits 97 are typed" in output
    assert "the citation 'nobody2020' is not in report/references.bib" in output
    assert "Finished jobid" not in output


def test_a_full_disk_is_said_and_the_build_goes_on_afterwards(built):
    """build/ on a small file system that is full, and later is not."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    replace(CONFIG, "stride: 4", "stride: 1")(built)  # more positions, more to write
    folder, aside = built / "build", built / "aside"
    folder.rename(aside)
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let a test mount a file system")
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        subprocess.run(["dd", "if=/dev/zero", f"of={folder}/ballast", "bs=4k"], capture_output=True)
        output = refused(built)
        assert "no room left on the disk" in output
        (folder / "ballast").unlink()
        assert build(built)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
