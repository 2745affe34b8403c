"""The bibliography is read as BibTeX's grammar has it, and what would print wrong has its line."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workings.page import bibliography, bibtex, log

RIGHT = r"""@inproceedings {spaced,
  author = {Ada Example}, title = {A title}, booktitle = "A {"}book{"}", year = 2001}
   @article(parens, author = {Lưu Nguyễn}, title = {50\,\% of $x_1$}) @misc{second, title={T}},
@string{who = "Cy"} @preamble{{\providecommand{\noopsort}[1]{}}} @comment{commented, title={T}} Words {between}, a). ,
@ARTICLE{with:alias, IDS = {one_alias, other}, AUTHOR = who # { Example}, TITLE = {T}, MONTH = jan}
@online{bare, title = {A page}, url = {https://example.org/a_b%20c#d&e}, abstract = {a & b},}
"""

# biber takes all between % and the end of a line as a comment, where no other word or value stands.
COMMENTED = r"""% @misc{out, title={T}}, from ada@example.org }
50% @misc{halfway, title={T}} word%and @misc{joined, title={T}}
@comment{ @misc{inside, title={T}} a@b } @Comment( @misc(round, title={T}) )
@string{Who = "X"} @misc{fields, % a comment } {
  title = {T}, % another @misc{nested, title={T}}
  % year = {1},
  author = wHO}
@misc(paren, title={A}, % c )
  month = Jan)
  %@misc{glued, title={T}}
@ misc {last, title={T}}%@misc{afterlast, title={T}}
"""


def check(folder: Path, text: str, biber: bool = True, engine: str = "pdflatex"):
    (folder / "r.bib").write_text(text, encoding="utf-8")
    keys, found = bibliography.check([folder / "r.bib", folder / "none.bib"], biber, engine)
    return keys, [f"{place}: {message}".removeprefix(f"{folder}/") for place, message in found]


def test_what_biber_reads_is_read(tmp_path):
    keys = {"spaced", "parens", "second", "with:alias", "one_alias", "other", "bare"}
    assert check(tmp_path, "\ufeff" + RIGHT) == (keys, [])
    assert check(tmp_path, RIGHT.replace("\n", "\r\n")) == (keys, [])


def test_comments_are_those_of_biber_and_bibtex_reads_what_biber_does(tmp_path):
    file, copy = tmp_path / "r.bib", tmp_path / "copy.bib"
    file.write_text(COMMENTED, encoding="utf-8")
    keys, found = bibliography.check([file], True, "pdflatex")
    assert (keys, found) == ({"halfway", "joined", "fields", "paren", "last"}, [])

    subprocess.run(
        ["biber", "--tool", "--output-file=o.bib", file],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert set(re.findall(r"(?m)^@\w+\{(\w+),", (tmp_path / "o.bib").read_text())) == keys

    copy.write_text(bibtex.for_bibtex(COMMENTED), encoding="utf-8")
    assert copy.read_text().count("\n") == COMMENTED.count("\n")
    (tmp_path / "r.aux").write_text("\\citation{*}\n\\bibdata{copy}\n\\bibstyle{plain}\n")
    subprocess.run(["bibtex", "r"], cwd=tmp_path, check=True, capture_output=True)
    assert set(re.findall(r"bibitem\{(\w+)", (tmp_path / "r.bbl").read_text())) == keys


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("@misc{a, title={T}}\n\n@misc{a, title={T}}", 3, "the key 'a' is that of r.bib:1 already"),
        ("@misc{a, title={T}}\n@misc{b, ids={a}, title={T}}", 2, "the key 'a' is that of r.bib:1"),
        ("\n@misc{a,\n title = {T\n}\n\n@misc{b, title={T}}", 6, "'}' expected, in what begins in line 2"),
        ("@misc{a, title = {T", 1, "premature end of file, in what begins in line 1"),
        ("@misc{a,\n title = {T}}, year = {2001}}", 2, "what begins in line 1 is closed before its end"),
        ("@misc{a, title = {T}}}\n author = {B}}\n@misc{b, title={T}}", 1, "what begins in line 1 is closed"),
        ("@misc(a, title = {T)}), year = 2001)", 1, "what begins in line 1 is closed before its end"),
        ("\n@misc{a, title = {T}, Title = {}}", 2, "'a': its title stands twice; keep one"),
        ("@misc{a, title = nobody}", 1, "undefined string: nobody"),
        ("@misc{a, year = 2001}", 1, "'a': it has neither an author nor a title"),
        ("\n@misc{a,\n title = {Profit & loss}}", 2, r"its title has a bare &, which TeX would act on; write \&"),
        (r"@misc{a, title = {50 % of \# and # of a_b}}", 1, r"its title has a bare %"),
        ("@misc{a, title = {50 $ a year}}", 1, r"its title has a bare $"),
        ("@misc{a, title={T}, abstract = {50 %}}", 1, "its abstract has a bare %"),
        (r"@misc{a, title = {\input{/etc/passwd}}}", 1, r"its title has \input, which no reference needs"),
        (r"@misc{a, title = {T}, note = {$^^5cinput x$}}", 1, "its note has ^^, which no"),
        ("@misc{a, title = {T\\}}", 1, r"its title has a \ before a brace that would close it"),
        (r"@misc{a, title={T\bibitem{b}}}", 1, r"its title has \bibitem, which no"),
        (r"@misc{a, title={T\def\x{1}}}", 1, r"its title has \def, which no"),
        (r"@preamble{{\input x}} @misc{a, title={T}}", 1, r"'@preamble': its preamble has \input, which"),
        ("@misc{a, title = {王}}", 1, "its title: '王' holds '王' (U+738B), which pdfLaTeX cannot print"),
    ],
)  # fmt: skip
def test_what_would_print_wrong_has_its_line(tmp_path, text, line, message):
    _, found = check(tmp_path, text)
    assert [said for said in found if said.startswith(f"r.bib:{line}: ") and message in said.replace(
        f"{tmp_path}/", "")]  # fmt: skip


def test_bibtex_knows_no_other_keys_and_leaves_abstracts_alone(tmp_path):
    keys, found = check(
        tmp_path, "@misc{a, ids={b}, title={T}, abstract={50 % of 王}}", biber=False
    )
    assert keys == {"a"} and len(found) == 1 and "which biber knows and BibTeX does not" in found[0]
    assert check(tmp_path, "@misc{a, title={王}}", engine="lualatex") == ({"a"}, [])


def test_the_entry_that_tex_or_bibtex_stopped_at_has_its_line(tmp_path):
    (tmp_path / "r.bib").write_text("@misc{a, title={T}}\n\n@misc{b, title={T}}\n")
    bbl, blg = tmp_path / "report.bbl", tmp_path / "report.blg"
    bbl.write_text("\\bibitem{a}\nT\n\\bibitem[{L (2001)}]{b}\nT \\oops\n")
    blg.write_text('Warning--empty year in a\nName 1 in "B," has a comma at the end for entry b\n')
    assert [bibliography.begun(bbl, line) for line in (0, 2, 4)] == ["", "a", "b"]
    assert bibliography.refused(blg) == ("b", 'Name 1 in "B," has a comma at the end')
    assert bibliography.refused(tmp_path / "none.blg") == ("", "")
    files = [tmp_path / "r.bib"]
    assert bibliography.told("b", files) == f"{tmp_path}/r.bib:3: the entry 'b'"
    assert bibliography.told("b", files, "no") == f"{tmp_path}/r.bib:3: no"
    assert bibliography.told("c", files) == "the entry 'c'"


def test_what_a_reader_would_stumble_over_has_its_entry(tmp_path):
    """Under biblatex the log says which entry was begun; what BibTeX made is looked up."""
    bib, shell, bbl = (tmp_path / f"report.{kind}" for kind in ("bib", "tex", "bbl"))
    bib.write_text("@misc{a, title={T}}\n\n@misc{b, title={T}}\n")
    shell.write_text("Words.\n\\printbibliography\nMore.\n")
    bbl.write_text("\\bibitem{a}\nT\n\\bibitem{b}\nT\n")
    wide = "Overfull \\hbox (9.5pt too wide) in paragraph at lines {0}--{0}\n"
    sets = "workings ends /workings.sty\nworkings sets a\nworkings sets b\n"
    said = sets + wide.format(2) + wide.format(3)
    assert log.complaints(said, shell, bbl, [bib]) == [
        f"{bib}:3: the entry 'b': a line is 9.5 pt too wide",
        f"{shell}:3: a line is 9.5 pt too wide",
    ]
    said = f"workings ends /workings.sty\nworkings begins /report.bbl\n{wide.format(2)}workings ends /report.bbl\n"
    assert log.complaints(said, shell, bbl, [bib]) == [
        f"{bib}:1: the entry 'a': a line is 9.5 pt too wide"
    ]


def test_a_file_in_another_encoding_is_told(tmp_path):
    (tmp_path / "r.bib").write_bytes(b"@misc{a,\n title={\xe9}}")
    assert bibliography.check([tmp_path / "r.bib"], True, "pdflatex") == (
        set(), [(f"{tmp_path}/r.bib:2", "not UTF-8 text; save the file as UTF-8")]
    )  # fmt: skip


def test_bibtex_is_given_names_that_it_does_not_cut():
    text = '@misc{é, AUTHOR = {Łukasz "Ó" and {Ünit} Bo and d’É}, editor="Ægir", title={Éa}}'
    assert bibtex.for_bibtex(text) == (
        r'@misc{é, AUTHOR = {{\relax Ł}ukasz "{\relax Ó}" and {Ünit} Bo and d’É}, '
        r"editor={{\relax Æ}gir}, title={Éa}}"
    )


@given(st.text(st.sampled_from('@{}(),="#%\\\n ab1')))
def test_any_text_is_read_or_told(tmp_path_factory, text):
    check(tmp_path_factory.mktemp("b"), "@misc{a, title={T}}\n" + text)
