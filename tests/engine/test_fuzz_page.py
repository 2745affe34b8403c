r"""Whatever stands in a template or was measured: the right page, or one sentence with its line.

100 examples each, the same every time; more and others with WORKINGS_EXAMPLES=2000.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workings.messages import InputError
from workings.page import letters, lint, template
from workings.page.tex import _SPECIAL, one_line

MORE = int(os.environ.get("WORKINGS_EXAMPLES", "0"))
drawn = settings(max_examples=MORE or 100, derandomize=not MORE, deadline=None)

MEASURED = {
    "job": {
        "x": 0.0125,
        "n": 12345,
        "text": "a_b & c",
        "none": None,
        "yes": True,
        "list": [3, -1, 2.5],
        "rows": [{"name": "a", "n": 1, "x": 0.5}, {"name": "b", "n": 2, "x": None}],
        "empty": [],
    },
    "seeds": {"count": 2, "spread": {"job": {"x": {"deviation": 0.001}}}},
}
CONFIG = {"a": 1, "b": "text"}
DERIVED = {"job": {"names": [["b", "bias"]], "parts": []}}

# -- templates -------------------------------------------------------------------------------------

WORDS = r"""
\VAR{ \BLOCK{ } + - * / ( ) [ ] { } ' " , . : | ~ ^ _ & % $ # \ \\ \% <# #> {{ {% < <= == != and or not in
is none defined true if else elif endif for endfor set include loop loop.last loop.index job job.x job.n
job.text job.none job.yes job.list job.rows job.empty job.rows[0] job.rows.1.x config.a config.b seeds.count
derivation.job row row.n digits(1) percent(1) points(0) unit('mm') of('bird') each each('name') exact dash
code tex spread length min max('n') matrix plural('a','b') comma line('a') equations claim otherwise endclaim
figure alt endfigure table head rows endtable align frontmatter endfrontmatter unprinted because wide 'c'
's.tex.j2' raw endraw macro call filter block 0 1 12 0.5 10**9 prose problem~2 \label{sec:s} \cref{fig:f}
\cite{k} \verb|x| \begin{verbatim} \end{verbatim} \begin{lstlisting} é Ω 数
"""
_words = st.sampled_from(WORDS.split())
_noise = st.text(
    st.sampled_from("{}[]()%#&$~^_\\'\"|<>+-*/=.,;:! \n\tab1é\u0301\u200b数\x00\ud7ff"), max_size=6
)
_soups = st.lists(_words | _noise | st.just(" ") | st.just("\n"), max_size=25).map("".join)

VALUES = """
job.x job.n job.text job.none job.yes job.list job.rows job.rows.0.n job.rows[1] job.empty config.a config.b job
nobody job.nothing row row.n row.x loop.index loop.first 1 0.5 -2 'a' 'mm' true none [1,'a'] (1,2)
"""
FILTERS = """
digits(1) digits(-1) percent(0) points(1) significant(2) scientific(3) exact printed unit('mm') unit(1) dash code
tex plural('is','are') of('bird') each each('n') comma matrix row spread length abs min max('n') equations formulas by_steps
line('a') upper
"""
SIGNS = "+ - * / < <= == != in and or ~ ** %"
_values, _filters, _signs = (st.sampled_from(words.split()) for words in (VALUES, FILTERS, SIGNS))
_expressions = st.recursive(
    _values,
    lambda inner: st.one_of(
        st.tuples(inner, _filters).map(" | ".join),
        st.tuples(inner, _signs, inner).map(" ".join),
        st.tuples(st.sampled_from(["not ", "-", "+"]), inner).map("".join),
        st.tuples(inner, inner).map("{0[0]}[{0[1]}]".format),
        st.tuples(inner, inner, inner).map("({0[0]} if {0[1]} else {0[2]})".format),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from(["none", "defined", "odd"])).map(" is ".join),
    ),
    max_leaves=5,
)
_pieces = st.recursive(
    st.one_of(
        st.sampled_from(["prose ", "\n", r"\% ", "& ", "\\\\\n", "~", "a_1 ", r"\emph{b} "]),
        _expressions.map(r"\VAR{{{0}}}".format),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map("".join),
        st.tuples(_expressions, inner, inner).map(
            r"\BLOCK{{ if {0[0]} }}{0[1]}\BLOCK{{ else }}{0[2]}\BLOCK{{ endif }}".format
        ),
        st.tuples(_expressions, inner).map(
            r"\BLOCK{{ for row in {0[0]} }}{0[1]}\BLOCK{{ endfor }}".format
        ),
        st.tuples(_expressions, inner).map("\\BLOCK{{ set row = {0[0]} }}\n{0[1]}".format),
        st.tuples(_expressions, inner).map(
            r"\BLOCK{{ claim 'c' if {0[0]} }}{0[1]}\BLOCK{{ endclaim }}".format
        ),
        st.tuples(_expressions, inner, inner).map(
            r"\BLOCK{{ claim 'd' if {0[0]} }}{0[1]}\BLOCK{{ otherwise }}{0[2]}\BLOCK{{ endclaim }}".format
        ),
        st.tuples(inner, inner).map(
            r"\BLOCK{{ figure 'f' }}{0[0]}\BLOCK{{ alt }}{0[1]}\BLOCK{{ endfigure }}".format
        ),
        st.tuples(_expressions, inner).map(
            r"\BLOCK{{ table 't' of {0[0]} }}{0[1]}\BLOCK{{ endtable }}".format
        ),
        inner.map("\\BLOCK{{ table 'u' }}T\\BLOCK{{ rows }}\n{0}\\BLOCK{{ endtable }}".format),
    ),
    max_leaves=8,
)


# A template that is right, and what a person reads of it in each turn of a loop over the rows.
RIGHT = {
    "prose ": "prose ", r"a\_b \& ": "a_b & ", r"\VAR{job.n}": r"12\,345|", r"\VAR{job.text}": "a_b & c|",
    r"\VAR{job.x | percent(1)}": r"1.2\,%|", r"\VAR{job.x | digits(3)}": "0.012|", r"\VAR{one.name}": "{name}|",
    r"\VAR{one.n | of('bird', 'birds')}": "{n}|~{birds}", r"\VAR{config.b}": "text|", r"\VAR{'x_y'}": "x_y",
    r"\VAR{job.rows | each('name')}": "a| and b|", r"\VAR{one.x | digits(1) | dash}": "{x}", "<# no #>": "",
    r"\VAR{one.name}\VAR{loop | comma}": "{name}|{comma}", r"\VAR{job.rows | max('n')}": "2|",
}  # fmt: skip
TURNS = [
    {"name": "a", "n": 1, "x": "0.5|", "birds": "bird", "comma": " and "},
    {"name": "b", "n": 2, "x": "–", "birds": "birds", "comma": ""},
]
CONDITIONS = {
    "job.x < 1": (True, True), "one.n > 1 and job.yes": (False, True), "one.x is none": (False, True),
    "not job.empty": (True, True), "job.list | length == one.n": (False, False), "job.none": (False, False),
    "'a' in [one.name, 2]": (True, False), "1 < one.n < 3 or job.rows | min('n') < one.n - 1": (False, True),
    "job.n / 5 - 2469 == 0 and -one.n < -1": (False, True), "loop.first or job.nothing is defined": (True, False),
}  # fmt: skip


def either(drawn: tuple) -> tuple:
    """An if around two parts; a part is a template and what it reads like in each turn."""
    condition, (yes, *says), (no, *other) = drawn
    said = [
        a if holds else b for holds, a, b in zip(CONDITIONS[condition], says, other, strict=True)
    ]
    return rf"\BLOCK{{ if {condition} }}{yes}\BLOCK{{ else }}{no}\BLOCK{{ endif }}", *said


_right = st.recursive(
    st.sampled_from(
        [(text, *(says.format(**turn) for turn in TURNS)) for text, says in RIGHT.items()]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(
            lambda parts: tuple(map("".join, zip(*parts, strict=True))) or ("",) * 3
        ),
        st.tuples(st.sampled_from([*CONDITIONS]), inner, inner).map(either),
    ),
    max_leaves=12,
)


@given(_right)
@drawn
def test_a_right_template_makes_the_right_page(tmp_path_factory, part):
    text, *says = part
    made = hold(
        tmp_path_factory.mktemp("t"), rf"\BLOCK{{ for one in job.rows }}{text}\BLOCK{{ endfor }}"
    )
    assert made is not None and read(made) == "".join(says)


def hold(folder: Path, text: str) -> str | None:
    """The section that the text makes, or None where a sentence with file and line refuses it."""
    file = folder / "s.tex.j2"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        template.needs("s.tex.j2", folder)
        lint.of_templates([file])
        return template.fill("s.tex.j2", MEASURED, CONFIG, DERIVED, "report", folder=folder).text
    except InputError as error:
        assert re.match(rf"{re.escape(str(file))}(:\d+)?: \S", str(error)), error
        assert "\n" not in str(error) and len(str(error)) < 900
        return None


@given(_soups | _pieces)
@drawn
def test_any_template_makes_a_section_or_is_refused_in_a_sentence(tmp_path_factory, text):
    hold(tmp_path_factory.mktemp("t"), text)


@given(st.text(st.characters(exclude_characters="\\%<\r", exclude_categories=["Cs"])))
@drawn
def test_prose_is_left_as_it_is(tmp_path_factory, text):
    made = hold(tmp_path_factory.mktemp("t"), text)
    assert made is not None and read(made) == read(unicodedata.normalize("NFC", text))


# -- what was measured -----------------------------------------------------------------------------

PLACES = r"""\VAR{job.text}@\VAR{job.text | code}@\VAR{job.list | each}@\VAR{job.list | each | code}@
\BLOCK{ claim 'c' if job.text == job.text and job.text in job.list }
Yes.
\BLOCK{ endclaim }
@
\BLOCK{ figure 'f' }
Caption of \VAR{job.text}.
\BLOCK{ alt }
\VAR{job.text} is what the picture shows, in forty letters or more.
\BLOCK{ endfigure }
@
\BLOCK{ table 't' of job.rows }
Table.
\BLOCK{ endtable }
@
\BLOCK{ table 'u' align 'l' }
Rows.
\BLOCK{ rows }
\BLOCK{ for row in job.rows }
\VAR{row.text} \\
\BLOCK{ endfor }
\BLOCK{ endtable }"""
# How many arguments a command of ours has, and which are read.
COMMANDS = {
    "measured": (3, [2]), "texttt": (1, [0]), "claim": (4, [1, 3]), "textfigure": (3, [1, 2]),
    "begin": (1, []), "end": (1, []), "ensuremath": (1, [0]), "midrule": (0, []), "allowbreak": (1, []),
    "unjoined": (1, []),
}  # fmt: skip
SPELLED = {tex: letter for letter, tex in _SPECIAL.items()}


def read(tex: str) -> str:
    """TeX of the engine's own making as a person reads it, row by row."""
    said, at = "", 0
    while at < len(tex):
        known = next((s for s in SPELLED if tex.startswith(s, at)), None)
        name = re.compile(r"\\([a-z]+)").match(tex, at)
        if known:
            said, at = said + SPELLED[known], at + len(known)
        elif tex.startswith(r"\\", at):
            said, at = said + "\n", at + 2
        elif tex.startswith(r"\setletter{", at):
            (codes, *_), at = arguments(tex, at + 10, 3)
            said += bytes.fromhex(codes).decode("utf-16-be")
        elif name and name[1] in COMMANDS:
            count, shown = COMMANDS[name[1]]
            found, at = arguments(tex, name.end(), count)
            said += "".join(
                f"{read(found[place])}|" if count > 1 else read(found[place]) for place in shown
            )
        else:
            said, at = said + tex[at].strip("{}"), at + 1
    return said


def arguments(tex: str, at: int, count: int) -> tuple[list[str], int]:
    found = []
    for _ in range(count):
        assert tex[at] == "{"
        depth, start = 0, at
        while True:
            if tex[at] == "\\":
                at += 1
            else:
                depth += {"{": 1, "}": -1}.get(tex[at], 0)
            at += 1
            if not depth:
                break
        found.append(tex[start + 1 : at - 1])
    return found, at


_letters = st.sampled_from(
    "{}[]()%#&$~^_\\'\"`|<>+-*/=.,;:!?@ \n\tabAZ019éłßĳµΩ²…“–\u0301\u0323\u200b\xa0ưự數\x00\x1f"
)
_texts = st.lists(
    st.text(_letters)
    | st.text()
    | st.sampled_from(
        [
            r"\input{x}",
            "--",
            "<<",
            "[1cm]",
            r"\\",
            r"\VAR{job.x}",
            "<# x #>",
            "^^M",
            "''",
            r"\verb|x|",
        ]
    ),
    max_size=6,
).map("".join)


@given(_texts)
@drawn
def test_any_measured_text_is_printed_as_it_is_or_refused_in_a_sentence(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("t")
    measured = {"job": {"text": text, "list": [text, text], "rows": [{"text": text}]}}
    (folder / "s.tex.j2").write_text(PLACES, encoding="utf-8")
    try:
        made = template.fill("s.tex.j2", measured, {}, folder=folder).text
    except InputError as error:
        assert re.search(
            r"s\.tex\.j2:\d+: .* holds .*\(U\+[0-9A-F]{4,6}\), which", str(error), re.DOTALL
        )
        assert letters.missing(letters.composed(text))
        return
    t = unicodedata.normalize("NFC", text)
    code = one_line(t)
    expected = (
        f"{t}|@{code}|@{t}| and {t}|@{code}| and {code}|@ Yes.|text ({t}|) "
        f"equals text ({t}|) and text ({t}|) is among list (2 items|)| @ {t} is what the picture shows, in forty letters or more.|Caption of {t}|.| @ "
        f"tTable.l text {t}| @ uRows.l {t}| "
    )
    assert one_line(read(made)) == one_line(expected)


@pytest.mark.parametrize("text", ["", "x"])
def test_the_reader_of_these_tests_reads(tmp_path, text):
    """A planted fault is seen: TeX that says something else is read as that."""
    assert read(r"a\_b \textbackslash{}{[}\measured{k}{s.1}{1\%}") == r"a_b \[1%|"
    assert read(r"\setletter{00650301}{\'{e}}{x} \\") == "e\u0301 \n"
    assert hold(tmp_path, f"{text}%") is None and hold(tmp_path, text) == text
