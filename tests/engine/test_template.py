r"""Templates print what was measured, linked and escaped; nothing missing, nothing executed."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workings.messages import InputError
from workings.page import letters, lint, template
from workings.page.tex import _SPECIAL, TeX, anchor, code, escape

MEASURED = {
    "job": {
        "loss": 9.4348,
        "count": 12345,
        "one": 1,
        "share": 0.943,
        "gain": 0.012,
        "word": r"50 % of \input{x} & $y_1$",
        "holds": True,
        "nothing": None,
        "vector": [1, -2],
        "matrix": [[1.0, 0.5], [0.0, 2.0]],
        "empty": [],
        "digits_of_old": "0.4300",
        "items": [{"name": "left", "n": 3, "x": 0.25}, {"name": "right", "n": 1, "x": None}],
        "symbol": r"\alpha_1",
        "which": "count",
        "odd } key": 7,
        "long": list(range(400)),
    },
    "other": {"value": 2},
    "seeds": {
        "count": 4,
        "spread": {"job": {"share": {"deviation": 0.002}, "one": {"deviation": 0.0}}},
    },
}
CONFIG = {"job": {"bin": 2, "rate": 0.05, "name": r"Ann & \Bob"}}
DERIVED = {
    "job": {
        "names": [["b", "the bias & more"]],
        "parts": [
            {
                "heading": r"Of \(b\)",
                "note": "",
                "lines": [
                    {"name": "a_0", "key": "count", "rows": ["a &= b", "&= 1"], "whole": "a = b"},
                    {"name": "rule", "key": None, "rows": ["h &= a"], "whole": "h = a"},
                ],
            }
        ],
        "tables": [
            {
                "name": "forward.b",
                "caption": "By steps.",
                "height": 2,
                "head": ["t", "-1", "0"],
                "rows": [
                    {"label": "x_{t}", "cells": [None, {"tex": "7", "key": None}]},
                    {
                        "label": "h_{t}",
                        "cells": [{"tex": "0", "key": None}, {"tex": "1", "key": "count"}],
                    },
                ],
            }
        ],
    }
}


def fill(folder: Path, text: str, **partials: str) -> template.Filled:
    """`text` as the template sections/s.tex.j2, filled."""
    (folder / "sections").mkdir(exist_ok=True)
    for name, content in {"sections/s": text, **partials}.items():
        (folder / f"{name}.tex.j2").write_text(content, encoding="utf-8")
    return template.fill("sections/s.tex.j2", MEASURED, CONFIG, DERIVED, folder=folder)


def refusal(folder: Path, text: str, **partials: str) -> str:
    with pytest.raises(InputError) as caught:
        fill(folder, text, **partials)
    return str(caught.value).replace(f"{folder}/", "")


# -- letters ---------------------------------------------------------------------------------------


def test_what_tex_would_act_on_is_escaped():
    assert escape("& % $ # _ { } ~ ^ \\") == (
        r"\& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    joined = "a -- b, <<c>>\n d"  # T1 would make a dash, and “”
    assert escape(joined).replace(r"\unjoined{}", "|") == "a -|- b, <|<c>|> d"
    assert escape(TeX(r"\emph{x}")) == r"\emph{x}"
    assert code("a_b.c") == r"\texttt{a\_\allowbreak{}b\allowbreak{}.\allowbreak{}c}"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x17E, exclude_categories=["Cc"])))
def test_an_escaped_text_reads_back(text):
    read, place = "", 0
    text = "".join(letter for letter in text if not letters.missing(letter))
    back, text = escape(text), unicodedata.normalize("NFC", text)
    spelled = {tex: letter for letter, tex in _SPECIAL.items()} | {r"\unjoined{}": ""}
    while place < len(back):
        found = next((s for s in spelled if back.startswith(s, place)), None)
        assert found or back[place] not in _SPECIAL  # no special is left alone
        read, place = read + spelled.get(found, back[place]), place + len(found or "x")
    assert read == text
    assert not set(anchor(text)) & set("\\{}%#$&~^_ ") - {"_"}


def test_a_letter_that_the_typeface_lacks_is_named(tmp_path):
    said = refusal(tmp_path, "one\n\\VAR{job.loss | digits(1) | unit('数')}")
    assert said.startswith(
        "sections/s.tex.j2:2: '9.4 数' holds '数' (U+6570), which pdfLaTeX cannot"
    )
    assert said.endswith("set `report.engine` to lualatex, which can")
    for unit in ("Ω", "μm", "kg·m²", "s⁻¹"):
        assert unit in fill(tmp_path, rf"\VAR{{job.loss | digits(1) | unit('{unit}')}}").text


# -- printing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        ("job.count", r"<job.count|12\,345>"),
        ("job.word", r"<job.word|50 \% of \textbackslash{}input\{x\} \& \$y\_1\$>"),
        ("config.job.bin | unit('mm')", r"<config.job.bin|2\,mm>"),
        ("config.job.name", r"<config.job.name|Ann \& \textbackslash{}Bob>"),
        ("job.loss | digits(2)", "<job.loss|9.43>"),
        ("job.loss | unit('°C') | digits(1)", r"<job.loss|9.4\,°C>"),
        ("job.loss | digits(1) | unit('%')", r"<job.loss|9.4\,\%>"),
        ("job.loss | digits(1) | unit('m s^-2')", r"<job.loss|9.4~m s\ensuremath{^{-2}}>"),
        ("job.loss | significant(2)", "<job.loss|9.4>"),
        ("job.loss | exact", "<job.loss|9.4348>"),
        ("job.gain | scientific(2)", r"<job.gain|\ensuremath{1.2 \times 10^{-2}}>"),
        ("job.share | percent(1)", r"<job.share|94.3\,\%>"),
        ("job.gain | points(1)", "<job.gain|1.2~percentage points>"),
        ("job.gain | points(0)", "<job.gain|1~percentage point>"),
        ("job.digits_of_old | printed", "<job.digits_of_old|0.4300>"),
        ("job.share | percent(1) | spread",
         r"<job.share|94.3\,\%>\,\ensuremath{\pm}\,<seeds.spread.job.share.deviation|0.2\,\%>"),
        ("job.share | points(1) | spread", r"<job.share|94.3>\,\ensuremath{\pm}\,"
         "<seeds.spread.job.share.deviation|0.2~percentage points>"),
        ("job.one | spread", r"<job.one|1>\,\ensuremath{\pm}\,<seeds.spread.job.one.deviation|0.0>"),
        ("job.loss | spread | digits(1)", "<job.loss|9.4>"),  # no other seeds measured it
        ("job.one | of('bird')", "<job.one|1>~bird"),
        ("job.count | of('bird')", r"<job.count|12\,345>~birds"),
        ("job.items | of('child', 'children')", "<job.items|2>~children"),
        ("job.vector | plural('pixel')", "pixels"),
        ("job.one | plural('is', 'are')", "is"),
        ("job.vector | each", r"<job.vector.0|1> and <job.vector.1|\ensuremath{-2}>"),
        ("job.items | each('name')", "<job.items.0.name|left> and <job.items.1.name|right>"),
        ("job.matrix.0 | digits(2) | each", "<job.matrix.0.0|1.00> and <job.matrix.0.1|0.50>"),
        ("job.matrix | matrix | digits(1)",
         r"<job.matrix|\begin{bmatrix} 1.0 & 0.5 \\ 0.0 & 2.0 \end{bmatrix}>"),
        ("job.vector | matrix", r"<job.vector|\begin{bmatrix} 1 \\ \ensuremath{-2} \end{bmatrix}>"),
        ("job.vector | row", r"<job.vector|\begin{bmatrix} 1 & \ensuremath{-2} \end{bmatrix}>"),
        ("job.which | code", r"<job.which|\texttt{count}>"),
        ("'a.b' | code", r"\texttt{a\allowbreak{}.\allowbreak{}b}"),
        ("job.symbol | tex", r"\alpha_1"),
        ("job.items.1.x | digits(2) | dash", "–"),
        ("job.items[0].x | digits(2) | dash", "<job.items.0.x|0.25>"),
        ("job.vector[-1]", r"<job.vector.1|\ensuremath{-2}>"),
        ("job[job.which]", r"<job.count|12\,345>"),
        ("job.matrix.1 | max | digits(1)", "<job.matrix.1.1|2.0>"),
        ("job.items | min('n')", "<job.items.1.n|1>"),
        ("job.loss | digits(1) if job.nothing is not none else 'none & none'", r"none \& none"),
        ("derivation.job.names.0.1", r"the bias \& more"),
        ("derivation.job.parts[0].heading | tex", r"Of \(b\)"),
        ("derivation.job | line('a_0')", r"\derivationline{job.a_0}{a\_0}"),
        ("job['odd } key']", "<job.odd=20==7d==20=key|7>"),  # a key is a link's name, never TeX
    ],
)  # fmt: skip
def test_what_is_printed(tmp_path, expression, printed):
    filled = fill(tmp_path, rf"\VAR{{{expression}}}")
    for number, quote in enumerate(filled.quotes, 1):
        link = rf"\measured{{{anchor(quote['key'])}}}{{s.{number}}}{{{quote['text']}}}"
        assert link in filled.text
        filled = template.Filled(
            filled.text.replace(link, f"<{anchor(quote['key'])}|{quote['text']}>"),
            filled.quotes,
            [],
        )
    assert filled.text == printed


def test_a_quote_says_what_where_and_in_which_order(tmp_path):
    filled = fill(
        tmp_path,
        "\\VAR{job.count}\n\\BLOCK{ include 'more.tex.j2' }\n\\VAR{job.matrix.0 | digits(0) | each}",
        more="\\VAR{job.loss | digits(1)} ",
    )
    keys = ["job.count", "job.loss", "job.matrix.0.0", "job.matrix.0.1"]
    assert [quote["key"] for quote in filled.quotes] == keys
    assert filled.quotes[0]["value"] == 12345
    places = [quote["place"].removeprefix(f"{tmp_path}/") for quote in filled.quotes]
    assert places == ["sections/s.tex.j2:1", "more.tex.j2:1", *["sections/s.tex.j2:3"] * 2]


def test_names_decide_and_go_through_lists_by_their_raw_values(tmp_path):
    text = fill(
        tmp_path,
        r"\BLOCK{ set limit = config.job.bin }"
        r"\BLOCK{ for item in job.items }\BLOCK{ if item.n > limit - 1 and not item.name == 'right' }"
        r"\VAR{item.name} \BLOCK{ elif item.x is none }none\BLOCK{ endif }"
        r"\BLOCK{ if not loop.last }, \BLOCK{ endif }\BLOCK{ endfor }"
        r"\BLOCK{ for part, word in [(job.vector, 'v'), (job.empty, 'e')] }"
        r"\BLOCK{ if part and -2 in part and part | length == 2 } \VAR{word}\BLOCK{ endif }"
        r"\BLOCK{ endfor }"
        r"\BLOCK{ if job.nowhere is defined or nobody is defined }!\BLOCK{ endif }"
        r"\BLOCK{ if job.holds and job.vector == [1, -2] and 'nothing' in job }.\BLOCK{ endif }",
    ).text
    assert text == r"\measured{job.items.0.name}{s.1}{left} , none v."


@pytest.mark.parametrize(
    ("items", "printed"),
    [("['a']", "a"), ("['a', 'b']", "a and b"), ("'a', 'b', 'c'", "a, b and c")],
)
def test_a_loop_lists_in_words(tmp_path, items, printed):
    loop = rf"\BLOCK{{ for x in {items} }}\VAR{{x}}\VAR{{loop | comma}}\BLOCK{{ endfor }}"
    assert fill(tmp_path, loop).text == printed


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a\n\\BLOCK{ if true }\n<# no #>\nb\n \\BLOCK{ endif }\nc", "a\nb\nc"),
        ("a \\BLOCK{ if true }b\\BLOCK{ endif }\nc", "a b\nc"),
        ("a \\BLOCK{ if '}' or\n true }b\\BLOCK{ endif }<# } #>\nc", "a b\nc"),
        ("a\n\\BLOCK{ for x in 'b', 'c' }\\VAR{x}\\BLOCK{ endfor }\nd", "a\nbc\nd"),
        ("a \\BLOCK{ if true }b\\BLOCK{ endif -}\nc", "a bc"),
    ],
)
def test_a_line_that_holds_more_than_blocks_keeps_its_end(tmp_path, text, printed):
    assert fill(tmp_path, text).text == printed


@pytest.mark.parametrize(
    "listing",
    [
        "\\begin{verbatim}\n\\VAR{job.x} \\BLOCK{ if } 50 % <# #>\n  \\end{verbatim}",
        '\\begin{lstlisting}[language=C]\nprintf("%d", 12);\n\\end{lstlisting}',
        "\\verb|\\VAR{x} %|",
        "\\verb*+50%+",
        "\\lstinline[language=C]!a % 12!",
    ],
)
def test_a_listing_is_printed_as_it_stands(tmp_path, listing):
    text = f"{listing} of\n\n{listing}\n\\BLOCK{{ if true }}\nc\n\\BLOCK{{ endif }}\n"
    assert fill(tmp_path, text).text == f"{listing} of\n\n{listing}\nc\n"
    assert lint.of_templates([tmp_path / "sections/s.tex.j2"]) == []


def test_a_derivation_is_printed_with_the_names_of_its_lines(tmp_path):
    measured = {**MEASURED, "job": {"lines": {"count": 1}}}
    (tmp_path / "s.tex.j2").write_text(r"\VAR{derivation.job.parts[0].lines | equations}")
    assert template.fill("s.tex.j2", measured, {}, DERIVED, folder=tmp_path).text == (
        "{\\hfuzz=\\marginparsep\n\\begin{align*}\n"
        "a &= b \\linename{job.a_0}{\\measured{job.lines.count}{s.1}{a\\_0}} \\\\*\n&= 1 \\\\[3pt]\n"
        "h &= a \\linename{job.rule}{rule}\n\\end{align*}}"
    )


@pytest.mark.parametrize(
    ("expression", "printed"),
    [
        (
            "parts[0].lines | formulas",
            "\\(\\measured{job.lines.count}{s.1}{a = b}\\),\n\\(h = a\\)",
        ),
        (
            "tables[0] | by_steps",
            "\\Needspace{6\\baselineskip}\n"
            "\\begin{longmeasuredtable}{job_forward_b}{By steps.}{lll}\n"
            "\\(t\\) & \\(-1\\) & \\(0\\) \\\\ \\midrule\n\\endhead\n"
            "\\(x_{t}\\) &  & \\(7\\) \\\\ \\addlinespace[2pt]\n"
            "\\(h_{t}\\) & \\(0\\) & \\(\\measured{job.lines.count}{s.1}{1}\\) \\\\\n"
            "\\end{longmeasuredtable}",
        ),
    ],
)
def test_a_derivation_is_printed_in_a_sentence_and_by_steps(tmp_path, expression, printed):
    measured = {**MEASURED, "job": {"lines": {"count": 1}}}
    (tmp_path / "s.tex.j2").write_text(rf"\VAR{{derivation.job.{expression}}}")
    assert template.fill("s.tex.j2", measured, {}, DERIVED, folder=tmp_path).text == printed


def test_the_abstract_gets_its_title_block(tmp_path):
    (tmp_path / "s.tex.j2").write_text(
        "\\BLOCK{ frontmatter }\nOf \\VAR{job.one}.\n\\BLOCK{ endfrontmatter }\n"
    )
    text = template.fill("s.tex.j2", MEASURED, {}, title_block="<{}>".format, folder=tmp_path).text
    assert text == "<Of \\measured{job.one}{s.1}{1}.>\n"


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("job.loss", "'job.loss': the number 9.4348 needs its digits: digits(2), "),
        ("job.loss | percent", "'job.loss': the number 9.4348 needs its digits"),
        ("job.loss | percent(1) | unit('mm')", "a number in percent has no unit 'mm' besides"),
        (
            "job.count - other.value",
            "12343 was computed in the template, so that it has no key; record",
        ),
        ("job.vector | length", "2 was computed in the template"),
        ("12", "the bare number 12 has no key; record it in the job"),
        ("job.holds", "'job.holds' is true; decide by it between two wordings: if"),
        ("job.nothing", "'job.nothing' has no value; say what stands there: job.nothing | dash"),
        ("job.vector", "'job.vector' is a list of 2 items; print it with each, matrix or row"),
        ("job.items.0", "'job.items.0' holds name, n, x; print one of them"),
        ("job.word | digits(1)", "is not a number"),
        ("job.empty | each", "'job.empty' is empty, of which '| each' has nothing to say; ask if"),
        ("job.lose", "no 'job.lose': did you mean 'loss'? 'job' has loss, count"),
        ("jobb.loss", "no 'jobb': did you mean 'job'?"),
        ("job.vector.7", "no 'job.vector.7': 'job.vector' is a list of 2 items, counted from 0"),
        ("job.loss.x", "'job.loss' is the single value 9.4348"),
        ("config.job.bim", "no 'config.job.bim': did you mean 'bin'?"),
        ("job.items | each('nam')", "no 'job.items.0.nam': did you mean 'name'?"),
        ("job.nowhere > 1", "no 'job.nowhere'"),
        ("job.word > 1", "where a number is needed"),
        ("job.holds + 1", "'job.holds' is True, where a number is needed"),
        ("job.loss / (job.one - 1)", "9.4348 and 0 make no number: float division by zero"),
        ("job.which == 2", "'job.which' is 'count', which cannot be the same as 2"),
        ("job.loss | digts(1)", "no filter 'digts': did you mean 'digits'?"),
        ("job.loss | digits(1, 2)", "digits() takes from 1 to 2 positional arguments but 3"),
        ("job.loss is even", "no test 'is even'"),
        ("'of ' ~ job.loss", "templates have no ~: write the texts side by side"),
        ("'%s' % job.loss", "templates have no mod"),
        ("job.one if job.holds", "an if inside \\VAR{…} needs its else"),
        ("config.job.name | tex", "is not TeX that a job made"),
        ("'a' | digits(1)", "'a' is no measurement and no choice, which '| digits' is for"),
        (
            "derivation.job | line('a_1')",
            "the derivation 'job' has no line 'a_1': did you mean 'a_0'?",
        ),
        ("job.vector | comma", "[1, -2] is no loop, which '| comma' is for"),
        ("job | line('a')", "'job' is not of a derivation, which '| line' is for"),
    ],
)
def test_bad_input_is_one_message_with_its_line(tmp_path, expression, message):
    said = refusal(tmp_path, f"one\n\\VAR{{{expression}}}")
    assert said.startswith("sections/s.tex.j2:2: ") and message in said and "\n" not in said


@pytest.mark.parametrize(
    "expression",
    [
        "job.__class__", "job.loss.__class__.__mro__", "job.raw", "job['key']", "'a'.join",
        "'{0.__class__}'.format", "[1].append", "self", "self.__init__", "caller", "cycler",
        "range", "lipsum", "loop", "job.loss.shaped", "job.items | attr('raw')",
        "job.items | map(attribute='raw')", "job.items()", "range(3)", "job.vector[0:1]",
        "2 ** 100", "{'a': 1}", "job.vector[job]",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "where", [r"\VAR{<>}", r"\BLOCK{ for x in job.vector }\VAR{<>}\BLOCK{ endfor }"]
)
def test_the_insides_of_python_are_out_of_reach(tmp_path, where, expression):
    refusal(tmp_path, where.replace("<>", expression))


@pytest.mark.parametrize(
    "expression",
    ["loop.index", "loop.cycle(1, 2)", "loop.__class__", "loop.cycle.__self__", "loop.cycle"],
)
def test_a_loop_counts_but_prints_nothing_of_its_own(tmp_path, expression):
    refusal(tmp_path, rf"\BLOCK{{ for x in job.vector }}\VAR{{{expression}}}\BLOCK{{ endfor }}")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("set x }a\\BLOCK{ endset", "set with an end: write the text where it is printed"),
        ("macro m() }a\\BLOCK{ endmacro", "templates have no macro"),
        ("import 'q' as q", "templates have no import"),
        ("extends 'q'", "templates have no extends"),
        ("do job.loss", "unknown tag 'do'"),
        ("set config = 1", "'config' has its meaning already"),
        ("for in in job.vector }\\BLOCK{ endfor", "'in' is a word of the templates"),
        ("include 'sections/s.tex.j2'", "sections/s.tex.j2 includes itself, and has no end"),
        ("include '../q.tex.j2'", "include takes the name of a file below the templates"),
        ("include job.word", "include takes the name of a file"),
        ("include 'gone.tex.j2'", "there is no template gone.tex.j2 to include"),
        ("unprinted job.lost because 'x'", "no 'job.lost': did you mean 'loss'?"),
        ("unprinted job.vector[job.one] because 'x'", "unprinted takes the whole key"),
        ("figure 'a b' }c\\BLOCK{ alt }d\\BLOCK{ endfigure", "'a b' is no name"),
        ("claim 'c' if job.loss > 1 }a\\BLOCK{ endfigure", "endclaim"),
        ("if job.loss > 1 }a\\BLOCK{ otherwise", "unknown tag 'otherwise'"),
        ("if job.loss > ", "unexpected"),
    ],
)
def test_a_block_that_is_none_is_refused_with_its_line(tmp_path, block, message):
    said = refusal(tmp_path, f"one\n\\BLOCK{{ {block} }}\n")
    assert said.startswith("sections/s.tex.j2:2: ") and message in said


@pytest.mark.parametrize("word", ["in", "is", "not", "and", "if", "else", "true", "none"])
def test_a_word_of_the_language_is_told_to_be_none_for_a_name(tmp_path, word):
    said = refusal(tmp_path, f"one\n\\VAR{{{word}.mean | digits(1)}}")
    assert f"sections/s.tex.j2:2: '{word}' is a word of the templates, and cannot be a name" in said
    measured = {"job": {word: 1}}  # but what a job measures may be called so
    (tmp_path / "t.tex.j2").write_text(rf"\VAR{{job.{word}}}")
    assert f"{{job.{word}}}" in template.fill("t.tex.j2", measured, {}, folder=tmp_path).text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"\VAR{range(10 * 1000000000)}", "templates have no calls"),
        (r"\VAR{10**9}", "templates have no pow"),
        (r"\VAR{'x' * 1000000000}", "this is 'x', where a number is needed"),
        (r"\BLOCK{ set a = 'x' }\BLOCK{ set a = a + a }", "this is 'x', where a number is needed"),
        (r"\BLOCK{ set a = 10 }" + 20 * r"\BLOCK{ set a = a * a }", "is too large a number"),
        (r"\BLOCK{ set a = 10 / 3 }" + 20 * r"\BLOCK{ set a = a * a }", "too large a number"),
        (4 * r"\BLOCK{ for x in job.long }" + "x" + 4 * r"\BLOCK{ endfor }", "100000 turns"),
        (
            2 * r"\BLOCK{ for x in job.long }" + r"\VAR{job.long | each}" + 2 * r"\BLOCK{ endfor }",
            "prints more than 20000 values",
        ),
        (
            30 * r"\BLOCK{ for x in job.vector }" + "x" + 30 * r"\BLOCK{ endfor }",
            "too deeply nested",
        ),
        (r"\VAR{" + 5000 * "(" + "1" + 5000 * ")" + "}", "too deeply nested"),
        (r"\VAR{job" + 5000 * ".a" + "}", "too deeply nested"),
        (5000 * r"\BLOCK{ if true }" + 5000 * r"\BLOCK{ endif }", "too deeply nested"),
        (
            r"\(\VAR{job.long | row}\)",
            "is too large for a formula, which has room for 50 rows and 20",
        ),
    ],
)
def test_what_has_no_end_is_told_in_a_sentence(tmp_path, text, message):
    assert message in refusal(tmp_path, text)


def test_the_line_of_an_error_is_that_of_the_partial_it_is_in(tmp_path):
    said = refusal(
        tmp_path,
        "\\BLOCK{ for item in job.items }\n\\BLOCK{ include 'p.tex.j2' }\n\\BLOCK{ endfor }",
        p="\\VAR{item.n}\n\n\\VAR{item.m}",
    )
    assert said.startswith("p.tex.j2:3: no 'job.items.0.m'")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (b"One \\% is right,\n50% is not.", 2, "a bare % begins a comment in TeX"),
        (b"A line ends \\\\% here.", 1, "a bare %"),
        (b"one\ntwo d\xe9g", 2, "not UTF-8 text"),
        (b"a\n\\VAR{job.loss", 2, "unexpected end of template"),
        (b"a\n\\VAR{job.loss } }\\BLOCK{ if x }", 2, "endif"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_with_its_line(tmp_path, text, line, message):
    (tmp_path / "t.tex.j2").write_bytes(text)
    with pytest.raises(InputError, match=rf"t\.tex\.j2:{line}: ") as caught:
        template.partials("t.tex.j2", tmp_path)
    assert message in str(caught.value)


# -- what a section depends on ---------------------------------------------------------------------


def test_what_a_section_needs_is_read_from_its_template_and_partials(tmp_path):
    for name, text in {
        "a": r"three.x \VAR{two.x | digits(1) | spread} \BLOCK{ for row in two.rows }"
        r"\BLOCK{ include 'p.tex.j2' }\BLOCK{ endfor } <# \VAR{six.z} #>",
        "p": r"\BLOCK{ set c = config.a.b } \VAR{config.one[c].x}"
        "\n"
        r"\BLOCK{ figure 'f' }c \VAR{one.x}\BLOCK{ alt }a\BLOCK{ endfigure }"
        r"\BLOCK{ claim 'c' if one.y > 2 * eight.q }a\BLOCK{ endclaim }"
        r"\VAR{derivation.seven | line(nine[two.k])}"
        r"\BLOCK{ unprinted ten.x because 'drawn' }",
    }.items():
        (tmp_path / f"{name}.tex.j2").write_text(text)
    found = template.needs("a.tex.j2", tmp_path)
    assert [Path(p).name for p in template.partials("a.tex.j2", tmp_path)] == [
        "a.tex.j2",
        "p.tex.j2",
    ]
    assert found.jobs["one"] == f"{tmp_path}/p.tex.j2:2"
    assert sorted(found.jobs) == ["eight", "nine", "one", "seeds", "seven", "ten", "two"]
    assert (list(found.derivations), list(found.config)) == (["seven"], ["a.b", "one"])
    assert found.figures == {"f": f"{tmp_path}/p.tex.j2:2"}


def test_the_examples_of_the_documentation_are_templates(tmp_path):
    page = (Path(__file__).parents[2] / "docs/templates.md").read_text(encoding="utf-8")
    examples = re.findall(r"```latex\n(.*?)```", page, re.DOTALL)
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections/shared.tex.j2").touch()
    for number, example in enumerate(examples):
        (tmp_path / f"{number}.tex.j2").write_text(example, encoding="utf-8")
        assert template.needs(f"{number}.tex.j2", tmp_path).jobs
        assert lint.of_templates([tmp_path / f"{number}.tex.j2"]) == []
    species = [
        {"name": "Adelie", "birds": 12, "mean": 38.8},
        {"name": "?", "birds": 1, "mean": None},
    ]
    lengths = {"birds": 13, "mean": 43.9, "outliers": [{"name": "N1"}], "difference": 8.7}
    lengths |= {"gentoo": {"mean": 47.5}, "adelie": {"mean": 38.8}, "species": species}
    filled = template.fill(
        "0.tex.j2", {"lengths": lengths}, {"lengths": {"bin": 2}}, folder=tmp_path
    )
    assert (
        len(examples) == 3 and filled.claims[0]["holds"] and r"1}~bird lie further" in filled.text
    )
