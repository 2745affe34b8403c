"""The lint stops at each kind of slip, with file and line, and passes what is structure."""

from __future__ import annotations

from pathlib import Path

import pytest

from workings.page import lint

BIB = "@book{knuth1992,\n title = {x}}\n@article{lecun1998, title={T}}\n"
FIGURE = r"\BLOCK{ figure 'job' }The loss.\BLOCK{ alt }A loss.\BLOCK{ endfigure }"
TABLE = r"\BLOCK{ table 't' }<>\BLOCK{ rows }x & y \\" + "\n" + r"\BLOCK{ endtable } "


def findings(folder: Path, text: str, **others: str) -> list[str]:
    (folder / "references.bib").write_text(BIB)
    files = []
    for name, content in {"a": text, **others}.items():
        files.append(folder / f"{name}.tex.j2")
        files[-1].write_text(content, encoding="utf-8")
    found = lint.of_templates(files, [folder / "references.bib"])
    return [str(finding).replace(f"{folder}/", "") for finding in found]


def claim(condition: str, sentence: str = "It is.", name: str = "c") -> str:
    return f"\\BLOCK{{ claim '{name}' if {condition} }}{sentence}\\BLOCK{{ otherwise }}No.\\BLOCK{{ endclaim }}"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("one\nabout 97 of them", 2, "the digits 97 are typed"),
        ("one\n\n0.97 of them", 3, "the digits 0.97 are typed"),
        (r"\(x = 0.5\)", 1, "the digits 0.5 are typed"),
        (r"\[ x" + "\n = 12 y\\]", 2, "the digits 12 are typed"),
        ("problem 2", 1, "tie a number that is a name to its word: problem~2"),
        ("about~ 97", 1, "the digits 97 are typed"),
        (TABLE.replace("<>", "\nOf 17 images.") + r"\cref{tab:t}", 2, "the digits 17"),
        (claim("job.x > 12", "About\n17."), 2, "the digits 17"),
        (r"\VAR{'97' if job.x > 3 else job.y}", 1, "the digits 97"),
        (r"\BLOCK{ for x, w in [(job.x, 'of 97')] }\VAR{w}\BLOCK{ endfor }", 1, "the digits 97"),
        ("x\n\\cite{nobody2020}", 2, "the citation 'nobody2020' is not in the bibliography"),
        (r"\parencite[ch.~5]{knuth1992, gone}", 1, "'gone' is not in"),
        ("\n" + FIGURE, 2, "the figure 'job' is never referred to"),
        (FIGURE + r"\cref{fig:job_two}", 1, "'job' is never referred to"),
        (TABLE, 1, "the table 't' is never referred to"),
        ("\n" + claim("config.x < 2"), 2, "the claim 'c' rests on no measurement: `config.x < 2`"),
        (claim("job.flag"), 1, "`job.flag` is a ready-made truth value; compare what was measured"),
        (claim("not job.flag"), 1, "`job.flag` is a ready-made truth value"),
        (claim("job.x > 1 and job.flag"), 1, "`job.flag` is a ready-made truth value"),
        (claim("job.flag == true"), 1, "`job.flag == True` is a ready-made truth value"),
        (claim("job.x > 1") + "\n" + claim("job.y > 1"), 2, "'c' has its name from a.tex.j2:1 already"),
        (r"\BLOCK{ if job.x > 0 and job.y }" + claim("0 < job.x") + r"\BLOCK{ endif }", 1,
         "the claim 'c' cannot fail: the if around it has decided `0 < job.x`"),
        (r"\BLOCK{ if job.x > 0 }a\BLOCK{ elif job.y > 1 }b\BLOCK{ else }" + "\n"
         + claim("job.z > 1 and job.x > 0") + r"\BLOCK{ endif }", 2, "the claim 'c' cannot hold"),
        (r"\BLOCK{ if job.a > 1 }\BLOCK{ for x in job.l }" + claim("not job.a <= 1")
         + r"\BLOCK{ endfor }\BLOCK{ endif }", 1, "the claim 'c' cannot fail"),
    ],
)  # fmt: skip
def test_each_kind_of_slip_is_found_with_its_line(tmp_path, text, line, message):
    found = [finding.replace(f"{tmp_path}/", "") for finding in findings(tmp_path, text)]
    assert len(found) == 1
    assert found[0].startswith(f"a.tex.j2:{line}: ") and message in found[0]


@pytest.mark.parametrize(
    "text",
    [
        r"\section{A}\label{sec:a2} \cref{fig:x1,tab:y2}" + "\nOf problem~4, SHA-256.",
        r"\(1 - h_t^2\), \(h_{t-1}\), \(\tfrac{r-1}{2}\), \(\partial^{+}\), \(x_{12}\)",
        r"\cite[ch.~5]{knuth1992} \parencite{lecun1998,knuth1992}",
        r"\setlength{\LTleft}{0pt} 0.5\baselineskip p{72mm} \multicolumn{3}{c}{x}",
        r"\VAR{job.x | digits(3)}\BLOCK{ if job.l.4 > 12 or job['x2'] == '3' }high\BLOCK{ endif }",
        claim("job.x > 12 and job.y < 3") + " <# 17 of them #>",
        FIGURE + TABLE.replace("<>", "A \\(t_2\\).") + r" See \cref{fig:job,tab:t}.",
        r"\BLOCK{ unprinted job.matrix because 'drawn as figure 3' }",
        r"\BLOCK{ if job.x > 0 }" + claim("job.x > 1") + r"\BLOCK{ else }" + claim("job.y > 1", name="d")
        + r"\BLOCK{ endif }",
        r"\BLOCK{ for row in job.l }" + claim("row.x > 1") + r"\BLOCK{ endfor }",
    ],
)  # fmt: skip
def test_structure_and_expressions_pass(tmp_path, text):
    assert findings(tmp_path, text) == []


def test_a_claims_name_in_two_sections_is_found(tmp_path):
    found = findings(tmp_path, claim("job.x > 1"), b="\n" + claim("job.x > 2"))
    assert len(found) == 1 and "b.tex.j2:2: the claim 'c' has its name from" in found[0]


def quote(key: str, text: str, number: str | None, place: str) -> dict:
    return {"key": key, "value": None, "text": text, "number": number, "place": place}


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        ("0.943", "0.94", False),
        ("0.95", "0.9", False),  # a reader may round a half either way
        ("0.94", "1.0", True),
        ("0.943", "0.95", True),
        ("0.946", "0.94", True),
        ("0.012", "0.0125", False),
        ("0.013", "0.012", False),  # as long as each other
        ("-0.07", "-0.2", True),
        ("0.0437", "0.043", True),
        ("1.2E+5", "123456", False),  # two significant digits
        ("1.3E+5", "123456", True),
        ("9" * 40 + ".71", "9" * 40 + ".7", False),
        ("9" * 40 + ".71", "9" * 40 + ".8", True),
        ("0.9", None, False),
    ],
)
def test_roundings_that_contradict_each_other_are_found(first, second, wrong):
    quotes = {
        "a": [quote("j.x", r"94.3\,\%", first, "a:1")],
        "b": [quote("j.x", "0.95", second, "b:2"), quote("j.y", "7", "7", "b:3")],
    }
    found = [str(f) for f in lint.of_values(quotes, {}, [], str)]
    assert bool(found) is wrong
    if wrong:
        assert "'j.x' is printed as" in found[0] and {"a:1", "b:2"} & {found[0].split(": ")[0]}
        assert "94.3 %" in found[0]  # as the reader sees it


def test_a_measurement_quoted_nowhere_is_found(tmp_path):
    template = tmp_path / "a.tex.j2"
    template.write_text(
        r"\BLOCK{ if job.decides }\VAR{job.best_digits}\BLOCK{ endif }"
        r"\BLOCK{ for x in job.list }\BLOCK{ endfor }\BLOCK{ for x in all }\BLOCK{ endfor } job.prose"
        r"\BLOCK{ unprinted job.drawn because 'it is drawn' }"
    )
    names = ["printed", "decides", "best", "best_digits", "list", "drawn", "prose"]
    measured = {"job": dict.fromkeys(names, 1), "all": {"x": 1}}
    quotes = {"a": [quote("job.printed.0", "1", "1", "a:1")]}
    found = lint.of_values(quotes, measured, [template], lambda key: f"{key}.py:7")
    assert [str(f)[:63] for f in found] == [
        "job.best.py:7: the measurement 'job.best' is quoted nowhere; pr",
        "job.prose.py:7: the measurement 'job.prose' is quoted nowhere; ",
    ]
