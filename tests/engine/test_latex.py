r"""Templates are strict: nothing missing, nothing unescaped, nothing executed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workings.measurements import Measurements
from workings.messages import InputError
from workings.page import latex
from workings.page.latex import TeX, escape

SPECIALS = "& % $ # _ { } ~ ^ \\"
MEASURED = {
    "job": {
        "loss": 9.4348,
        "count": 12345,
        "share": 0.943,
        "word": r"50 % of \input{x} & $y_1$",
        "holds": True,
        "fails": False,
        "vector": [1, -2],
        "matrix": [[1.0, 0.5], [0.0, 2.0]],
        "empty": [],
    }
}
ALT = "A line falls from nine to one over the ten epochs of the training."


def fill(tmp_path: Path, text: str, **partials: str) -> tuple[str, list[dict]]:
    """`text` as the template sections/job.tex.j2, filled from MEASURED."""
    (tmp_path / "sections").mkdir(exist_ok=True)
    (tmp_path / "sections/job.tex.j2").write_text(text, encoding="utf-8")
    for name, partial in partials.items():
        (tmp_path / f"{name}.tex.j2").write_text(partial, encoding="utf-8")
    section = latex.Section("job", Measurements(MEASURED))
    return latex.fill("sections/job.tex.j2", section, tmp_path)


def refusal(tmp_path: Path, text: str, **partials: str) -> str:
    with pytest.raises(InputError) as caught:
        fill(tmp_path, text, **partials)
    return str(caught.value).replace(f"{tmp_path}/", "")


# -- letters ---------------------------------------------------------------------------------------


def test_the_ten_specials_are_escaped():
    assert escape(SPECIALS) == (
        r"\& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )


@given(st.text(st.characters(min_codepoint=32, max_codepoint=0x17E, exclude_categories=["Cc"])))
def test_an_escaped_text_reads_back(text):
    back = escape(text)
    spelled = {value: key for key, value in latex._SPECIAL.items()}
    read, place = "", 0
    while place < len(back):
        found = next((s for s in spelled if back.startswith(s, place)), None)
        assert found or back[place] not in latex._SPECIAL  # no special is left alone
        read, place = read + spelled.get(found, back[place]), place + len(found or "x")
    assert read == text


def test_a_letter_that_the_typeface_lacks_is_named():
    with pytest.raises(InputError, match=r"holds '数' \(U\+6570\)"):
        escape("Die Zahl 数")


@pytest.mark.parametrize("text", ["Übergröße – naïve “œuvre” Łódź 10 €", "l’été … ‘x’ „y“"])
def test_accented_letters_and_quotes_pass(text):
    assert escape(text) == text


# -- values ----------------------------------------------------------------------------------------


def test_a_number_is_linked_and_recorded(tmp_path):
    text, quotes = fill(tmp_path, r"Loss \VAR{num('job.loss', digits=2)}.")
    assert text == r"Loss \measured{job.loss}{job.1}{9.43}."
    place = f"{tmp_path}/sections/job.tex.j2:1"
    assert quotes == [{"key": "job.loss", "value": 9.4348, "text": "9.43", "place": place}]


def test_quotes_come_in_the_order_of_print(tmp_path):
    text, quotes = fill(
        tmp_path,
        r"\VAR{num('job.count')} \VAR{text('job.word')} \BLOCK{ include 'more.tex.j2' }"
        r"\VAR{matrix('job.vector')} \VAR{num('job.count')}",
        more=r"\VAR{num('job.loss', digits=1)} ",
    )
    assert [q["key"] for q in quotes] == [
        "job.count", "job.word", "job.loss", "job.vector", "job.count",
    ]  # fmt: skip
    for place, quote in enumerate(quotes, 1):
        assert rf"\measured{{{quote['key']}}}{{job.{place}}}{{{quote['text']}}}" in text


def test_a_measured_text_that_looks_like_tex_prints_literally(tmp_path):
    text, _ = fill(tmp_path, r"\VAR{text('job.word')} \VAR{value('job.word')}")
    literal = r"50 \% of \textbackslash{}input\{x\} \& \$y\_1\$"
    assert text == rf"\measured{{job.word}}{{job.1}}{{{literal}}} {literal}"


def test_a_value_to_decide_with_is_not_a_quote(tmp_path):
    text, quotes = fill(
        tmp_path, r"\BLOCK{ if value('job.loss') > 5 }high\BLOCK{ else }low\BLOCK{ endif }"
    )
    assert (text, quotes) == ("high", [])


def test_a_vector_and_a_matrix(tmp_path):
    text, _ = fill(tmp_path, r"\VAR{matrix('job.matrix', digits=1)}")
    assert r"\begin{bmatrix} 1.0 & 0.5 \\ 0.0 & 2.0 \end{bmatrix}" in text
    text, _ = fill(tmp_path, r"\VAR{matrix('job.vector')} \VAR{matrix('job.vector', row=true)}")
    assert r"\begin{bmatrix} 1 \\ \ensuremath{-2} \end{bmatrix}" in text
    assert r"\begin{bmatrix} 1 & \ensuremath{-2} \end{bmatrix}" in text


def test_a_series_is_in_words(tmp_path):
    text, quotes = fill(tmp_path, r"\VAR{series('job.matrix.0', digits=1)}")
    assert text == (
        r"\measured{job.matrix.0.0}{job.1}{1.0} and \measured{job.matrix.0.1}{job.2}{0.5}"
    )
    assert [q["value"] for q in quotes] == [1.0, 0.5]


def test_plain_has_no_markup(tmp_path):
    text, quotes = fill(tmp_path, r"\VAR{plain('job.count')} \VAR{plain('job.loss', digits=1)}")
    assert (text, quotes) == ("12 345 9.4", [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (r"\VAR{num('job.word')}", "'job.word': '50 % of"),
        (r"\VAR{num('job.vector')}", "'job.vector': [1, -2] is not a number"),
        (r"\VAR{num('job.holds')}", "'job.holds': True is not a number"),
        (r"\VAR{num('job.loss')}", "'job.loss': the number 9.4348 needs digits=…"),
        (r"\VAR{num('job.loss', digits=1, notation='roman')}", "'job.loss': notation 'roman'"),
        (r"\VAR{num('job.loss', digits='x')}", "'job.loss': "),
        (r"\VAR{text('job.loss')}", "'job.loss' is 9.4348, not a text"),
        (r"\VAR{matrix('job.loss')}", "'job.loss' is 9.4348, not a vector or a matrix"),
        (r"\VAR{matrix('job.empty')}", "'job.empty' is [], not a vector or a matrix"),
        (r"\VAR{series('job.empty')}", "'job.empty' is []"),
        (r"\VAR{series('job.loss', digits=1)}", "'job.loss' is 9.4348, not a list"),
        (r"\VAR{places('job.count')}", "'job.count' is 12345, not a list"),
        (r"\VAR{num('job.loss', digit=1)}", "num() got an unexpected keyword argument 'digit'"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_line(tmp_path, text, message):
    said = refusal(tmp_path, f"one\ntwo\n{text}\n")
    assert said.startswith("sections/job.tex.j2:3: ")
    assert message in said


# -- what is missing -------------------------------------------------------------------------------


def test_a_missing_measurement_names_template_line_and_nearest_key(tmp_path):
    said = refusal(tmp_path, "One\n\n" + r"\VAR{num('job.lose', digits=1)}")
    assert said.startswith("sections/job.tex.j2:3: no measurement 'job.lose': did you mean 'loss'?")


def test_a_missing_measurement_in_a_partial_names_the_partial(tmp_path):
    said = refusal(tmp_path, r"\BLOCK{ include 'more.tex.j2' }", more="\n\\VAR{num('job.lose')}")
    assert said.startswith("more.tex.j2:2: no measurement 'job.lose'")


@pytest.mark.parametrize(
    "text",
    [
        r"\VAR{los}",
        r"\VAR{value('job.matrix').rows}",
        r"\BLOCK{ if los }x\BLOCK{ endif }",
        r"\BLOCK{ for x in los }x\BLOCK{ endfor }",
        r"\VAR{_measured('a', 1, 'b')}",
    ],
)
def test_an_unknown_name_is_refused(tmp_path, text):
    said = refusal(tmp_path, "\n" + text)
    assert said.startswith("sections/job.tex.j2:2: ")
    assert "undefined" in said or "no attribute" in said


@pytest.mark.parametrize(
    "text",
    [r"\VAR{num('job.loss'}", r"\BLOCK{ if true }", r"\BLOCK{ endfor }", r"\VAR{1 +}", r"\VAR{a"],
)
def test_a_broken_template_names_its_line(tmp_path, text):
    assert refusal(tmp_path, "one\n" + text).startswith("sections/job.tex.j2:2: ")
    with pytest.raises(InputError, match=r"sections/job\.tex\.j2:2: "):
        latex.partials("sections/job.tex.j2", tmp_path)


def test_a_missing_template_and_partial_are_named(tmp_path):
    section = latex.Section("job", Measurements({}))
    with pytest.raises(InputError, match=r"sections/none\.tex\.j2: there is no such template"):
        latex.fill("sections/none.tex.j2", section, tmp_path)
    assert "gone.tex.j2: there is no such template" in refusal(
        tmp_path, r"\BLOCK{ include 'gone.tex.j2' }"
    )
    with pytest.raises(InputError, match=r"gone\.tex\.j2: there is no such template"):
        latex.partials("sections/job.tex.j2", tmp_path)


# -- nothing is executed ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "''.__class__.__mro__",
        "''.__class__.__mro__[1].__subclasses__()",
        "num.__globals__",
        "num.__self__._measurements",
        "num.__func__.__globals__['json']",
        "cycler.__init__.__globals__.os.system('true')",
        "'{0.__class__}'.format(num)",
        "num|attr('__globals__')",
        "value('job').__class__",
    ],
)
def test_the_insides_of_python_are_out_of_reach(tmp_path, text):
    said = refusal(tmp_path, rf"\VAR{{{text}}}")
    assert "unsafe" in said or "undefined" in said or "no attribute" in said


# -- figures, tables, claims -----------------------------------------------------------------------


def test_a_figure_says_what_it_shows(tmp_path):
    text, _ = fill(
        tmp_path,
        rf"\BLOCK{{ set alt }}{ALT}"
        "\n  "
        r"\VAR{plain('job.share', digits=1, notation='percent')}\BLOCK{ endset }"
        r"\VAR{figure('job', 'The loss.', alt, 'wide')}",
    )
    # one line, and what was measured in it is escaped once
    assert text == rf"\widefigure{{job}}{{{ALT} 94.3 \%}}{{The loss.}}"


@pytest.mark.parametrize("alt", ["", "x" * 39, "a " + " " * 60 + "b"])
def test_a_figure_without_a_description_is_refused(tmp_path, alt):
    said = refusal(tmp_path, rf"\VAR{{figure('job', 'The loss.', '{alt}')}}")
    assert "the alternative text of the figure 'job' has" in said


def test_forty_letters_are_enough(tmp_path):
    fill(tmp_path, rf"\VAR{{figure('job', 'c', '{'x' * 40}')}}")


def test_a_figure_of_an_unknown_width_is_refused(tmp_path):
    said = refusal(tmp_path, rf"\VAR{{figure('job', 'c', '{ALT}', 'huge')}}")
    assert "width 'huge'; expected 'text' or 'wide'" in said


def test_a_table_has_numbers_and_escaped_texts(tmp_path):
    text, _ = fill(
        tmp_path,
        r"\VAR{table('job', 'Cap', 'lr', ['a & b', 'n'], [['50 %', num('job.count')]])}",
    )
    assert text == (
        "\\begin{measuredtable}{job}{Cap}{lr}\n"
        "a \\& b & n \\\\ \\midrule\n"
        "50 \\% & \\measured{job.count}{job.1}{12\\,345} \\\\\n"
        "\\end{measuredtable}"
    )


def test_a_ragged_table_is_refused(tmp_path):
    said = refusal(tmp_path, r"\VAR{table('job', 'c', 'lr', ['a', 'b'], [['1', '2'], ['3']])}")
    assert "table 'job': row 1 has 1 cells, the header 2" in said


def filled(tmp_path: Path, text: str, report_refuted: bool = False) -> tuple[str, list[dict]]:
    """`text` filled, and the claims it made."""
    (tmp_path / "job.tex.j2").write_text(text, encoding="utf-8")
    section = latex.Section("job", Measurements(MEASURED), report_refuted=report_refuted)
    return latex.fill("job.tex.j2", section, tmp_path)[0], latex.claims_of(section)


def test_a_claim_that_holds_is_printed_with_its_evidence_and_recorded(tmp_path):
    text, claims = filled(
        tmp_path, "\n" + r"\VAR{claim('falls', 'job.holds and job.loss > 9', 'The  loss falls.')}"
    )
    assert text == (
        "\n\\claim{falls}{The loss falls.}{holds}"
        r"{\texttt{job\allowbreak{}.\allowbreak{}holds} = \measured{job.holds}{job.1}{true}, "
        r"\texttt{job\allowbreak{}.\allowbreak{}loss} = \measured{job.loss}{job.2}{9.4348}}"
    )
    assert claims == [
        {
            "name": "falls",
            "predicate": "job.holds and job.loss > 9",
            "holds": True,
            "sentence": "The loss falls.",
            "values": {"job.holds": True, "job.loss": 9.4348},
            "place": f"{tmp_path}/job.tex.j2:2",
        }
    ]


def test_a_claim_that_does_not_hold_fails_the_build_and_says_all(tmp_path):
    said = refusal(tmp_path, "\n" + r"\VAR{claim('falls', 'job.loss < 9', 'The loss falls.')}")
    assert said == (
        "sections/job.tex.j2:2: the claim 'falls' does not hold: “The loss falls.” rests on the "
        "predicate `job.loss < 9`, where job.loss is 9.4348"
    )


def test_a_refuted_claim_is_printed_when_the_configuration_asks_for_it(tmp_path):
    text, claims = filled(tmp_path, r"\VAR{claim('falls', 'job.fails', 'It falls.')}", True)
    assert text.startswith(r"\refutedclaim{falls}{It falls.}{refuted}{")
    assert claims[0]["holds"] is False


@pytest.mark.parametrize(
    ("predicate", "said"),
    [("job.loss > 9", "It falls.}{holds"), ("job.fails", "No.}{measured")],
)
def test_a_claim_with_two_wordings_chooses_by_its_predicate(tmp_path, predicate, said):
    call = rf"\VAR{{claim('falls', '{predicate}', holds='It falls.', fails='No.')}}"
    assert filled(tmp_path, call)[0].startswith(rf"\claim{{falls}}{{{said}}}{{")


def test_inline_wording_follows_a_predicate(tmp_path):
    call = r"\BLOCK{ if holds('any(job.vector, item < 0)') }low\BLOCK{ else }high\BLOCK{ endif }"
    assert fill(tmp_path, call) == ("low", [])


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ("job.lose < 1", "no measurement 'job.lose': did you mean 'loss'?"),
        ("job.holds and job.vector < 1", "column 15 of the predicate `job.holds and job.vector < 1`"
         ": `job.vector` is a list of 2 items, where a number is needed"),
        ("__import__(0)", "`__import__` is not a function here"),
        ("job.loss.__class__ == 1", "is not the key of a measurement"),
        ("claim.falls", "a claim rests on measurements, not on another claim"),
        ("1 + " * 300 + "1 > job.loss", "a predicate of 1212 characters; at most 500"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("helper", ["holds('{}')", "claim('c', '{}', 'It falls.')"])
def test_a_predicate_that_is_none_names_the_templates_line(tmp_path, helper, predicate, message):
    said = refusal(tmp_path, "one\n" + r"\VAR{" + helper.format(predicate) + "}")
    assert said.startswith("sections/job.tex.j2:2: ") and message in said


@pytest.mark.parametrize("words", ["", ", 'a', holds='b', fails='c'", ", holds='b'", ", fails='c'"])
def test_a_claim_has_one_sentence_or_two_wordings(tmp_path, words):
    said = refusal(tmp_path, rf"\VAR{{claim('falls', 'job.holds'{words})}}")
    assert "claim 'falls': give one sentence, or both holds=… and fails=…" in said


# -- what a section depends on ---------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "sections").mkdir()
    for name, text in {
        "sections/a": r"\VAR{num('two.x')} \BLOCK{ include 'p.tex.j2' } three.x",
        "p": r"\BLOCK{ import 'q.tex.j2' as q }\VAR{parts('four')}",
        "q": r"\BLOCK{ macro m() }\VAR{num('one.y', digits=1)}\BLOCK{ endmacro }<# 'six.z' #>",
    }.items():
        (tmp_path / f"{name}.tex.j2").write_text(text)
    return tmp_path


def test_partials_are_found_through_partials(folder):
    found = latex.partials("sections/a.tex.j2", folder)
    assert [Path(p).relative_to(folder).as_posix() for p in found] == [
        "sections/a.tex.j2",
        "p.tex.j2",
        "q.tex.j2",
    ]


def test_the_jobs_a_section_quotes_are_found_through_partials(folder):
    jobs = ["one", "two", "three", "four", "six"]
    # `three.x` is prose and `six.z` a comment
    assert latex.quoted("sections/a.tex.j2", jobs, folder) == ["one", "two"]
    assert latex.derived("sections/a.tex.j2", jobs, folder) == ["four"]


def test_a_job_that_only_a_predicate_names_is_found(folder):
    (folder / "sections/b.tex.j2").write_text(
        r"\VAR{claim('c', 'not one.x and all(two.list, item.y < three.z)', 'Of six.')}"
    )
    jobs = ["one", "two", "three", "six"]
    assert latex.quoted("sections/b.tex.j2", jobs, folder) == ["one", "two", "three"]


def test_code_may_break_and_is_escaped():
    section = latex.Section("job", Measurements({}))
    assert section.code("a_b.c") == r"\texttt{a\_\allowbreak{}b\allowbreak{}.\allowbreak{}c}"


def test_tex_made_by_a_helper_is_not_escaped_again(tmp_path):
    assert escape(TeX(r"\emph{x}")) == r"\emph{x}"
    text, _ = fill(tmp_path, r"\BLOCK{ set n = num('job.count') }\VAR{n}")
    assert text == r"\measured{job.count}{job.1}{12\,345}"


def test_a_derivation_is_printed_with_the_names_of_its_lines():
    derivation = {
        "names": [["b", "the bias"]],
        "parts": [
            {
                "name": "forward",
                "heading": "Forward",
                "note": "",
                "lines": [
                    {"name": "a_0", "key": "a_0", "rows": ["a &= b", "&= 1"]},
                    {"name": "rule", "key": None, "rows": ["h &= a"]},
                ],
            }
        ],
    }
    section = latex.Section("s", Measurements({"r": {"lines": {"a_0": [1.0]}}}), {"r": derivation})
    assert section.parts("r") == ["forward"]
    assert section.derivation("r", "forward") == (
        "{\\hfuzz=\\marginparsep\n\\begin{align*}\n"
        "a &= b \\linename{r.a_0}{\\measured{r.lines.a_0}{s.1}{a\\_0}} \\\\*\n&= 1 \\\\[3pt]\n"
        "h &= a \\linename{r.rule}{rule}\n\\end{align*}}"
    )
    assert section.line("r", "a_0") == "\\derivationline{r.a_0}{a\\_0}"
    with pytest.raises(InputError, match="has no line 'a_1'; near it: a_0"):
        section.line("r", "a_1")
    with pytest.raises(InputError, match="has no part 'backward'; it has forward"):
        section.derivation("r", "backward")
    with pytest.raises(InputError, match="no derivation 'x'; there is r"):
        section.parts("x")


def test_a_bare_number_is_refused(tmp_path):
    message = refusal(tmp_path, r"\VAR{value('job.count')}")
    assert message.startswith("sections/job.tex.j2:1: the bare number 12345 would have no link")


def test_a_bare_percent_sign_is_refused_with_its_line(tmp_path):
    message = refusal(tmp_path, "One \\% is right,\n\\VAR{text('job.word')}\n50% is not.")
    assert message.startswith("sections/job.tex.j2:3: a bare % begins a comment in TeX")
    message = refusal(tmp_path, "A line ends \\\\% here.")
    assert "a bare %" in message


def test_a_template_in_another_encoding_is_refused_with_its_line(tmp_path):
    (tmp_path / "t.tex.j2").write_bytes(b"one\ntwo d\xe9g")
    with pytest.raises(InputError, match=r"t\.tex\.j2:2: not UTF-8 text"):
        latex.partials("t.tex.j2", tmp_path)
