"""A claim shows the condition it rests on with the values it read, and fails the build if it must."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import nodes

from workings.messages import InputError
from workings.page import claims, template

MEASURED = {
    "job": {
        "low": 26.0,
        "high": 50,
        "tiny": 1.234567e-7,
        "close": 0.49999999999,
        "half": 0.5,
        "word": "up & down",
        "holds": True,
        "nothing": None,
        "list": [3, 1],
        "rows": [{"x": 0.7}, {"x": 0.6}],
    }
}


def filled(folder: Path, text: str, claims: str = "fail") -> template.Filled:
    (folder / "s.tex.j2").write_text(text, encoding="utf-8")
    return template.fill("s.tex.j2", MEASURED, {"bound": 40}, claims=claims, folder=folder)


def claim(condition: str, otherwise: str = r"\BLOCK{ otherwise }No.") -> str:
    return f"\\BLOCK{{ claim 'c' if {condition} }}Yes.{otherwise}\\BLOCK{{ endclaim }}\n"


def evidence(filled: template.Filled) -> str:
    """What is printed as evidence, with <key> before each value that is linked."""
    text = filled.text.split("}{", 3)[3].removesuffix("}\n")
    for number, quote in enumerate(filled.quotes, 1):
        link = f"\\measured{{{quote['key']}}}{{s.{number}}}{{{quote['text']}}}"
        text = text.replace(link, f"<{quote['key']}>{quote['text']}")
    for sign in ("+", "-", "|", "/", r"\times"):
        text = text.replace(rf"\ensuremath{{{sign}}}", sign)
    return text


@pytest.mark.parametrize(
    ("condition", "holds", "shown"),
    [
        ("job.low <= 50", True, "low (<job.low>26.0) is at most 50"),
        ("job.low < job.high < config.bound", False,
         "it is not so that low (<job.low>26.0) is less than high (<job.high>50), and that is less "
         "than bound (<config.bound>40)"),
        ("job.low > 50", False, "low (<job.low>26.0) is at most 50"),
        ("job.high == job.low", False, "high (<job.high>50) is not low (<job.low>26.0)"),
        ("job.low | digits(2) != 1e-3", True, "low (<job.low>26.00) is not 0.001"),
        ("job.tiny < -job.low + 30", True,
         r"tiny (<job.tiny>\ensuremath{1.235 \times 10^{-7}}) is less than -low (<job.low>26.0) + 30"),
        ("job.tiny > 1e-9", True,
         r"tiny (<job.tiny>\ensuremath{1.235 \times 10^{-7}}) is more than \ensuremath{1 \times 10^{-9}}"),
        ("job.close < job.half", True,
         "close (<job.close>0.49999999999) is less than half (<job.half>0.5)"),
        ("(job.high - job.low) / 2 * 3 == 36", True,
         r"(high (<job.high>50) - low (<job.low>26.0)) / 2 \times 3 equals 36"),
        ("job.high - (job.low - 1) > 0", True,
         "high (<job.high>50) - (low (<job.low>26.0) - 1) is more than 0"),
        ("(job.low - job.high) | abs > 1", True,
         "|low (<job.low>26.0) - high (<job.high>50)| is more than 1"),
        ("job.list | length == 2", True, "list (<job.list>2) equals 2"),
        ("job.rows | min('x') >= 0.5", True, "the smallest rows 1 x (<job.rows.1.x>0.6) is at least 0.5"),
        ("3 in job.list and not job.word in ['a', 'b']", True,
         r"3 is among list (<job.list>2 items) and it is not so that word (<job.word>up \& down) is among a, b"),
        ("not (job.holds or job.low > 1)", False,
         "it is not so that it is not so that (holds (<job.holds>true) or low (<job.low>26.0) is more than 1)"),
        ("job.nothing == none or job.rows[2].x > 1", True,
         r"nothing (<job.nothing>none) equals none or \texttt{job\allowbreak{}.\allowbreak{}rows\allowbreak{}.\allowbreak{}2"
         r"\allowbreak{}.\allowbreak{}x} is more than 1"),
    ],
)  # fmt: skip
def test_the_evidence_is_the_condition_with_its_values(tmp_path, condition, holds, shown):
    made = filled(tmp_path, claim(condition))
    assert evidence(made) == shown
    assert made.text.startswith(
        rf"\claim{{c}}{{{'Yes' if holds else 'No'}.}}{{{'holds' if holds else 'measured'}}}"
    )
    assert made.claims[0]["holds"] is holds


def test_a_claim_is_recorded(tmp_path):
    made = filled(
        tmp_path,
        "\n\\BLOCK{ claim 'c' if (job.low<job.high and job.high>2*(3+1)) }\nLow,\n by \\VAR{job.high}.\n"
        "\\BLOCK{ endclaim }\n\nNext",
    )
    said = r"Low, by \measured{job.high}{s.1}{50}."
    assert made.claims == [
        {
            "name": "c",
            "condition": "job.low < job.high and job.high > 2 * (3 + 1)",
            "holds": True,
            "sentence": said,
            "other": "",
            "values": {"job.low": 26.0, "job.high": 50},
            "place": f"{tmp_path}/s.tex.j2:2",
        }
    ]
    assert made.text.startswith(f"\n\\claim{{c}}{{{said}}}{{holds}}{{") and made.text.endswith(
        "}\n\nNext"
    )


def test_a_claim_that_does_not_hold_fails_the_build_and_says_all(tmp_path):
    text = "\n\\BLOCK{ claim 'c' if job.low > 30 and job.high > 1 }Of \\VAR{job.high}.\\BLOCK{ endclaim }"
    with pytest.raises(InputError) as caught:
        filled(tmp_path, text)
    assert str(caught.value) == (
        f"{tmp_path}/s.tex.j2:2: the claim 'c' does not hold: “Of 50.” rests on `job.low > 30 and "
        "job.high > 1`, which reads 26.0 > 30 and 50 > 1"
    )
    reported = filled(tmp_path, text, claims="report")
    assert reported.text.startswith("\n\\refutedclaim{c}{Of ") and "{refuted}{" in reported.text
    assert reported.claims[0]["holds"] is False


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("job.lo < 1", "no 'job.lo': did you mean 'low'?"),
        ("job.word < 1", "'job.word' is 'up & down', where a number is needed"),
        ("job.word == 1", "which cannot be the same as 1"),
        ("job.low is none", "the claim 'c': `job.low is none` compares nothing that was measured"),
        ("job.low | each == 1", "`job.low | each` compares nothing"),
        ("(job.low if job.holds else 1) > 2", "compares nothing that was measured"),
        ("gap > 2", "`gap` was computed before; a claim shows the values that it reads"),
        ("job.list | first > 1", "`job.list | first` compares nothing"),
        ("job.list > 1", "where a number is needed"),
    ],
)
def test_a_condition_that_is_none_names_the_templates_line(tmp_path, condition, message):
    with pytest.raises(InputError, match=r"s\.tex\.j2:2: ") as caught:
        filled(tmp_path, "\\BLOCK{ set gap = job.high - 1 }\n" + claim(condition))
    assert message in str(caught.value)


def test_a_claim_in_a_loop_shows_each_turns_values(tmp_path):
    made = filled(
        tmp_path,
        r"\BLOCK{ for row in job.rows }" + claim("row.x > loop.index0") + r"\BLOCK{ endfor }",
    )
    assert [claim["holds"] for claim in made.claims] == [True, False]
    assert [claim["values"] for claim in made.claims] == [
        {"job.rows.0.x": 0.7},
        {"job.rows.1.x": 0.6},
    ]
    assert made.text.count(r"\measured{job.rows.1.x}{s.2}{0.6}) is at most 1") == 1


# -- what follows from what ------------------------------------------------------------------------


def condition(text: str) -> nodes.Expr:
    return template.Environment(Path()).parse(rf"\VAR{{{text}}}").body[0].nodes[0]


@pytest.mark.parametrize(
    ("known", "claimed", "possible"),
    [
        ([("a.x > 1", True)], "1 < a.x", {True}),
        ([("a.x > 1", True)], "a.x <= 1", {False}),
        ([("a.x > 1", False)], "not a.x <= 1", {False}),
        ([("a.x > 1", True)], "a.x > 2", {True, False}),
        ([("a.x == a.y and a.z in a.list", True)], "a.y == a.x", {True}),
        ([("a.x and a.y", False)], "a.x", {True, False}),
        ([("a.x and a.y", False), ("a.y", True)], "a.x", {False}),
        ([("a.x or a.y > 1", True), ("a.x", False)], "a.y > 1 and a.y != 3", {True, False}),
        ([("1 < a.x < 3", True)], "a.x < 3 or a.z", {True}),
        ([("1 < a.x < 3", False)], "a.x < 3", {True, False}),
        ([("a.z not in a.list", True)], "a.z in a.list", {False}),
        ([], "a.x < 3 or a.x >= 3", {True}),
        # of very many statements the table would have no end
        ([("a.z > 1", True)], " and ".join(f"(a.x > {n} or a.y > {n})" for n in range(40)), {True, False}),
    ],
)  # fmt: skip
def test_what_an_if_decides(known, claimed, possible):
    given = tuple((condition(text), truth) for text, truth in known)
    assert claims.possible(condition(claimed), given) == possible


_names = st.sampled_from(["a.x", "a.y", "a.z", "2", "3.5"])
_parts = st.recursive(
    st.tuples(_names, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _names).map(" ".join),
    lambda inner: st.one_of(
        inner.map("not ({})".format),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda t: f"({t[0]}) {t[1]} ({t[2]})"
        ),
    ),
    max_leaves=4,
)


@given(_parts, _parts, st.tuples(*[st.integers(0, 4)] * 3))
def test_what_cannot_be_is_not(known, claimed, values):
    """Python, as another judge: what numbers make of two conditions is held to be possible."""
    job = dict(zip("xyz", values, strict=True))

    def judged(text: str) -> bool:
        for name, value in job.items():
            text = text.replace(f"a.{name}", str(value))
        return eval(text)

    assert judged(claimed) in claims.possible(
        condition(claimed), ((condition(known), judged(known)),)
    )
    assert judged(claims.source(condition(claimed))) is judged(claimed)  # and back to text
