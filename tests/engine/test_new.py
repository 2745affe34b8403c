"""`workings new` lays a report down whatever it is called, and refuses what could not work."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml
from jinja2 import nodes

from workings import classes, cli, config
from workings.commands import new
from workings.page import document, template

pytestmark = pytest.mark.usefixtures("in_folder")
CLASSES = [name for name in classes.CLASSES if "[" not in name]
HOSTILE = "\"Bills\": 100 % of #1 & {x} 'y' \\ @authors@ – Łódź"


@pytest.mark.parametrize("name", CLASSES)
def test_a_report_in_each_class_says_its_class_sections_and_references(name, monkeypatch):
    assert cli.main(["new", "penguins", "--class", name]) == 0
    monkeypatch.chdir("penguins")
    read = document.read(Path("report/report.tex"))
    assert read.name == name
    assert list(read.sections) == ["frontmatter", "bills", "mass", "ledger"]
    assert read.references == [Path("report/references.bib")] and read.references[0].is_file()
    known = {"title": "Penguins", "authors": ["The author"], "keywords": ["penguins"]}
    report = config.load().values["report"]
    assert {key: report[key] for key in known} == known
    left = [file for file in Path().rglob("*") if file.is_file() and b"@title" in file.read_bytes()]
    assert left == []


def test_a_title_and_authors_with_any_signs_come_back_as_they_were():
    given = ["--title", HOSTILE, "--author", HOSTILE, "--author", "[B, C]"]
    assert cli.main(["new", "r", *given]) == 0
    report = yaml.safe_load(Path("r/config/default.yaml").read_text(encoding="utf-8"))["report"]
    assert (report["title"], report["authors"]) == (HOSTILE, [HOSTILE, "[B, C]"])
    assert Path("r/README.md").read_text(encoding="utf-8").startswith(f"# {HOSTILE}\n")


def test_no_sentence_of_the_scaffold_needs_english():
    """Only English can leave out the plural."""
    templates = [*new.SCAFFOLD.rglob("*.tex.j2")]
    counted = [
        each
        for file in templates
        for each in template.parse(file).find_all(nodes.Filter)
        if each.name in ("of", "plural")
    ]
    assert counted and all(len(each.args) == 2 for each in counted)


def test_what_git_would_heed_is_dotted_and_nothing_is_left_out(capsys):
    Path("empty").mkdir()
    assert cli.main(["new", "empty"]) == 0
    assert capsys.readouterr().out.endswith("now: cd empty && snakemake --cores 4\n")
    laid = {str(path.relative_to("empty")) for path in Path("empty").rglob("*") if path.is_file()}
    stored = {
        str(path.relative_to(new.SCAFFOLD))
        for path in new.SCAFFOLD.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    dotted = {path for path in laid if path.startswith(".")}
    assert {".gitignore", ".gitattributes", ".github/workflows/report.yml"} == dotted
    assert {path.removeprefix(".") for path in laid} == stored
    assert all(path.stat().st_mode & stat.S_IWUSR for path in Path("empty").rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["full"], "full: there is something already; name a folder that is new or empty"),
        (["full/a.txt"], "full/a.txt: there is something already"),
        (["two words"], "'two words': TeX and make cannot work in a folder whose name holds spaces"),
        (["über"], "'über': TeX and make cannot work"),
        (["r", "--class", "articel"], "--class articel: did you mean 'article'? known are scrartcl,"),
        (["r", "--class", "elsarticle[5p]"], "--class elsarticle[5p]: did you mean 'elsarticle'?"),
        (["r", "--title", "עברית"], "--title: 'עברית' holds 'ע' (U+05E2), which is written from right"),
        (["r", "--author", "Ada", "--author", "A\x07"], "--author: 'A\\x07' holds '\\x07' (U+0007)"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_and_leaves_nothing(arguments, message, capsys):
    Path("full").mkdir()
    Path("full/a.txt").touch()
    assert cli.main(["new", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"workings: {message}")
    assert [str(path) for path in Path().rglob("*")] == ["full", "full/a.txt"]


@pytest.mark.parametrize(
    ("folder", "title"), [("my-first_report", "My first report"), ("a/b.c/bills", "Bills")]
)
def test_a_title_is_made_of_the_folders_name(folder, title):
    assert cli.main(["new", folder]) == 0
    assert f'\n  title: "{title}"\n' in Path(folder, "config/default.yaml").read_text()
