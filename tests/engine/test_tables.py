r"""Tables hold any text, know their cells and columns, and break over pages when they are long."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workings.messages import InputError
from workings.page import letters, template
from workings.page.tex import escape

HOSTILE = [
    "[2pt] & \\\\",
    "*",
    "a\nb\n\nc",
    "{",
    "\\end{tabular}",
    "50 % $x$ #1 ~^_",
    "}{",
    r"a\_b \% \\ \{",
]
MEASURED = {
    "job": {
        "texts": [{"text": text, "n": n} for n, text in enumerate(HOSTILE)],
        "records": [
            {"species": "Adelie", "mean_mm": 38.791, "n": 12, "rare": False, "note": None},
            {"species": "Gentoo", "mean_mm": 47.5, "n": 12345, "rare": True, "note": None},
        ],
        "ragged": [{"a": 1}, {"b": 1}],
        "many": [{"n": n} for n in range(31)],
        "numbers": [1, 2],
        "share": 0.5,
    }
}
ALT = "A line falls from nine to one over the ten epochs of the training."


def fill(folder: Path, text: str, measured: dict = MEASURED) -> str:
    (folder / "s.tex.j2").write_text(text, encoding="utf-8")
    return template.fill("s.tex.j2", measured, {}, folder=folder).text


def body(table: str) -> list[str]:
    """The lines of a table with the numbers of its quotes left out."""
    return re.sub(r"\\measured\{[\w.]+\}\{s\.\d+\}", "", table).splitlines()


def test_a_table_of_rows(tmp_path):
    text = fill(
        tmp_path,
        r"""\BLOCK{ table 't' }
The \emph{counts}, \VAR{job.share | percent(0)}.
\BLOCK{ head }
species & \multicolumn{2}{c}{\(a \& b\)} \\
\BLOCK{ rows }
\BLOCK{ for r in job.records }
\VAR{r.species} & \VAR{r.mean_mm | digits(1)} & {\VAR{r.n} & \\} \\
\BLOCK{ endfor }
\midrule
all & \VAR{job.records | length if false else '–'} & \\
\BLOCK{ endtable }

Next""",
    )
    assert body(text) == [
        r"\begin{measuredtable}{t}{The \emph{counts}, {50\,\%}.}{lrl}",
        r"species & \multicolumn{2}{c}{\(a \& b\)} \\ \midrule",
        r"{Adelie} & {38.8} & {{12} & \\} \\",
        r"{Gentoo} & {47.5} & {{12\,345} & \\} \\",
        r"\midrule all & – &  \\",
        r"\end{measuredtable}",
        "",
        "Next",
    ]


def test_a_table_of_records(tmp_path):
    plain = fill(tmp_path, r"\BLOCK{ table 't' of job.records | digits(2) }C.\BLOCK{ endtable }")
    assert body(plain) == [
        r"\begin{measuredtable}{t}{C.}{lrrll}",
        r"species & mean mm & n & rare & note \\ \midrule",
        r"{Adelie} & {38.79} & {12} & {no} & – \\",
        r"{Gentoo} & {47.50} & {12\,345} & {yes} & – \\",
        r"\end{measuredtable}",
    ]
    text = r"\BLOCK{ table 't' align 'lrrcc' of job.records | digits(2) }C.\BLOCK{ head }a&b&c&d&\\\BLOCK{ endtable }"
    said = body(fill(tmp_path, text))
    assert said[0].endswith("{lrrcc}") and said[1] == r"a & b & c & d &  \\ \midrule"


def test_a_long_table_breaks_over_pages(tmp_path):
    text = fill(tmp_path, r"\BLOCK{ table 't' of job.many }C.\BLOCK{ endtable }")
    assert text.startswith("\\begin{longmeasuredtable}{t}{C.}{r}\nn \\\\ \\midrule\n\\endhead\n")
    assert text.endswith("\\end{longmeasuredtable}\n") and text.count(r"\measured{") == 31


def test_any_text_stays_in_its_cell(tmp_path):
    rows = fill(
        tmp_path,
        "\\BLOCK{ table 't' }C.\\BLOCK{ rows }\\BLOCK{ for t in job.texts }\n"
        "\\VAR{t.text} & \\VAR{t.n} \\\\\n\\BLOCK{ endfor }\\BLOCK{ endtable }",
    )
    records = fill(tmp_path, r"\BLOCK{ table 't' of job.texts }C.\BLOCK{ endtable }")
    assert body(rows)[0] == body(records)[0] == r"\begin{measuredtable}{t}{C.}{lr}"
    expected = [rf"{{{escape(text)}}} & {{{n}}} \\" for n, text in enumerate(HOSTILE)]
    assert body(rows)[1:-1] == body(records)[2:-1] == expected


@given(st.lists(st.text(st.characters(max_codepoint=0x17E, exclude_categories=["Cc"])), min_size=1))
def test_any_list_of_texts_has_a_row_for_each(tmp_path_factory, texts):
    texts = ["".join(each for each in text if not letters.missing(each)) for text in texts]
    measured = {"job": {"texts": [{"a": text, "b": text} for text in texts]}}
    made = fill(
        tmp_path_factory.mktemp("t"),
        "\\BLOCK{ table 't' align 'll' }C.\\BLOCK{ rows }\\BLOCK{ for t in job.texts }\n"
        "\\VAR{t.a} & \\VAR{t.b} \\\\\n\\BLOCK{ endfor }\\BLOCK{ endtable }",
        measured,
    )
    assert len(made.splitlines()) == len(texts) + 2


def test_a_cell_that_looks_like_an_argument_is_guarded(tmp_path):
    rows = [r"a \\", r"[x] \\", r"* \\", r"\midrule", r"[0, 1) \\", r"\cmidrule(lr){1-1} *p \\"]
    rows += [r"\midrule[1pt] b \\"]
    text = "\n".join([r"\BLOCK{ table 't' }C.\BLOCK{ rows }", *rows, r"\BLOCK{ endtable }"])
    guarded = [
        r"a \\",
        r"{}[x] \\",
        r"{}* \\",
        r"\midrule {}[0, 1) \\",
        r"\cmidrule(lr){1-1} {}*p \\",
    ]
    assert body(fill(tmp_path, text))[1:-1] == [*guarded, r"\midrule[1pt] b \\"]


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("}C.\\BLOCK{ rows }\na & b \\\\\n\na \\\\\n", 5, "the row “a” has 1 cells, the first one 2"),
        ("}C.\\BLOCK{ head }\na \\\\\n\\BLOCK{ rows }\\BLOCK{ for t in job.texts }\nb & \\VAR{t.n} \\\\\n"
         "\\BLOCK{ endfor }", 5, "has 2 cells, the first one 1"),
        ("}C.\\BLOCK{ rows }\na \\\\ b \\\\\n", 2, "a row ends with \\\\ at the end of its line"),
        ("}C.\\BLOCK{ rows }\na & b\n", 2, "the row “b” ends without \\\\"),
        ("}C.\\BLOCK{ rows }", 2, "has no rows; decide with an if"),
        ("}C.", 2, "give it either rows or `of` a list of records"),
        ("of job.records }C.\\BLOCK{ rows }a \\\\\n", 2, "give it either rows or `of`"),
        ("of job.numbers }C.", 2, "of takes a list of records that a job recorded"),
        ("of job.ragged }C.", 2, "'job.ragged.1' holds b, the first record a"),
        ("of job.records }C.", 2, "'job.records.0.mean_mm': the number 38.791 needs its digits"),
    ],
)  # fmt: skip
def test_a_table_that_is_none_is_refused_with_its_line(tmp_path, table, line, message):
    with pytest.raises(InputError, match=rf"s\.tex\.j2:{line}: ") as caught:
        fill(tmp_path, f"one\n\\BLOCK{{ table 't' {table}\\BLOCK{{ endtable }}")
    assert message in str(caught.value)


def test_a_figure_says_what_it_shows(tmp_path):
    plain = r"a_b & c \% # of x^2 ~ {braces} \backslash"  # of which only the % needs its backslash
    figure = (
        "\\BLOCK{ figure 'f'<> }\nThe  \\VAR{job.share | percent(1)}.\n\\BLOCK{ alt }\n" + plain
    )
    figure += "\n  \\VAR{job.share | percent(1)}, \\VAR{job.texts[-1].text}.\\BLOCK{ endfigure }\n"
    described = escape(plain.replace("\\%", "%") + f" 50.0 %, {HOSTILE[-1]}.")
    caption = r"The \measured{job.share}{s.1}{50.0\,\%}."
    for wide, command in (("", "textfigure"), (" wide", "widefigure")):
        text = fill(tmp_path, figure.replace("<>", wide))
        assert text == f"\\{command}{{f}}{{{described}}}{{{caption}}}\n"


@pytest.mark.parametrize("alt", ["", "x" * 39, "a " + " " * 60 + "b"])
def test_a_figure_without_a_description_is_refused(tmp_path, alt):
    text = "\\BLOCK{ figure 'f' }c\\BLOCK{ alt }<>\\BLOCK{ endfigure }"
    with pytest.raises(InputError, match="the alternative text of the figure 'f' has"):
        fill(tmp_path, text.replace("<>", alt))
    fill(tmp_path, text.replace("<>", "x" * 40))
