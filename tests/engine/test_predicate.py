"""Predicates say what they should, refuse the rest with a column, and execute nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workings.derive.expression import ExpressionError
from workings.page.predicate import jobs_in, parse

MEASURED = {
    "occlusion.lowest": 0.25,
    "occlusion.clean": 0.99,
    "occlusion.positions": 441,
    "occlusion.changes": True,
    "occlusion.spot.vertical": "middle",
    "occlusion.labels": [4, 0],
    "occlusion.empty": [],
    "memory.gains": [
        {"rate": 0.4, "lstm": [{"rate": 0.5}]},
        {"rate": 0.7, "lstm": [{"rate": 0.9}]},
    ],
    "memory.gains.0.rate": 0.4,
    "recurrence.lines.dl_db[0]": [-0.07, 0.07],
    "recurrence.lines.dl_db[0].1": 0.07,
    "job.none": None,
}


def verdict(text: str) -> bool:
    return parse(text).holds(MEASURED.__getitem__)[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("occlusion.changes", True),
        ("not occlusion.changes", False),
        ("occlusion.lowest < 0.5", True),
        ("0.2 < occlusion.lowest < occlusion.clean <= 1", True),
        ("0.2 < occlusion.lowest < 0.21 < nothing.at_all", False),  # stops at the second sign
        ("occlusion.lowest > 0.5 or occlusion.positions == 441", True),
        ("occlusion.changes and occlusion.lowest > 0.5", False),
        ("occlusion.spot.vertical == 'middle'", True),
        ('occlusion.spot.vertical != "middle"', False),
        ("occlusion.changes == True", True),
        ("(occlusion.clean - occlusion.lowest) / occlusion.clean > 3 * 0.2", True),
        ("-occlusion.lowest < 0", True),
        ("abs(occlusion.lowest - occlusion.clean) < 1", True),
        ("near(occlusion.lowest, 0.2500001, 1e-6)", True),
        ("near(occlusion.lowest, 0.26, 1e-6)", False),
        ("min(occlusion.labels) == 0 and max(occlusion.labels, ) == 4", True),
        ("max(occlusion.lowest, occlusion.clean) == occlusion.clean", True),
        ("len(occlusion.labels) == 2", True),
        ("all(occlusion.labels, item >= 0)", True),
        ("any(occlusion.labels, item > 4)", False),
        ("all(occlusion.empty, item > 4)", True),
        ("any(occlusion.empty, item > 4)", False),
        ("all(memory.gains, item.rate < 1)", True),
        ("all(memory.gains, item.lstm.0.rate > item.rate)", True),
        ("all(memory.gains, item.rate < occlusion.lowest)", False),
        ("any(memory.gains, any(item.lstm, item.rate > 0.8))", True),
        ("memory.gains.0.rate == 0.4", True),
        ("recurrence.lines.dl_db[0].1 > 0", True),
        ("  occlusion.lowest\n   < 1 ", True),
        ("occlusion.changes or nothing.at_all > 1", True),
    ],
)
def test_a_predicate_says_what_it_should(text, expected):
    assert verdict(text) is expected


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 10))
def test_comparisons_and_tolerances_are_those_of_python(a, b, tolerance):
    values = {"j.a": a, "j.b": b, "j.t": tolerance}.__getitem__
    for sign, expected in {"<": a < b, "<=": a <= b, "==": a == b, "!=": a != b}.items():
        assert parse(f"j.a {sign} j.b").holds(values)[0] is expected
    assert parse("near(j.a, j.b, j.t)").holds(values)[0] is (abs(a - b) <= tolerance)


def test_the_keys_and_the_values_asked_are_known():
    predicate = parse("occlusion.lowest < 0.5 or any(memory.gains, item.rate > occlusion.clean)")
    assert predicate.keys() == ["occlusion.lowest", "memory.gains", "occlusion.clean"]
    assert predicate.holds(MEASURED.__getitem__) == (True, {"occlusion.lowest": 0.25})
    assert jobs_in("all(memory.gains, item.rate < 3.5) and occlusion.x") >= {"memory", "occlusion"}
    assert jobs_in("config.report.title") == {"config"}
    assert jobs_in("The digits. The end, 0.5 of it") == set()


CODE = [
    "__import__('os').system('true')",
    "occlusion.__class__",
    "().__class__",
    "[x for x in occlusion.labels]",
    "lambda: 1",
    "f'{occlusion.lowest}' == ''",
    "occlusion.lowest if occlusion.changes else 1",
    "(occlusion.x := 1)",
    "occlusion.labels[0:1]",
    "occlusion.labels[-1]",
    "occlusion.f(1)",
    "eval('1')",
    "print(1)",
    "abs(x=1)",
    "abs(*occlusion.labels)",
    "2 ** 9 > 1",
    "1 in occlusion.labels",
    "occlusion.lowest is True",
    "'a\\x41' == 'b'",
    "{1: 2} == 1",
    "[1] == 1",
    "0x10 > 1",
    "1_000 > 1",
    "1j == 1",
    "None == 1",
    "occlusion . lowest < 1",
]


@pytest.mark.parametrize("text", CODE)
def test_what_is_not_in_the_grammar_is_refused_with_its_column(text):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.column


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "the predicate is empty", None),
        ("occlusion.lowest <", "not a predicate", None),
        ("occlusion.lowest < 1 2", "not a predicate", 22),
        ("lowest < 1", "`lowest` is no key: it needs its job's name", 1),
        ("occlusion.lowest < item", "`item` has a meaning only inside all", 20),
        ("all(item.x, item > 1)", "`item` has a meaning only inside all", 5),
        ("claim.hot_spot and occlusion.changes", "not on another claim", 1),
        ("all(occlusion.labels)", "all takes 2, not 1, arguments", 1),
        ("near(1, 2) and occlusion.changes", "near takes 3, not 2", 1),
        ("occlusion.lowest < ½", "U+00BD", 20),
        ("occlusion.lowest < " + "1 + " * 130 + "1", "characters; at most 500", None),
        ("1<" * 240 + "1", "a predicate of 242 parts; at most 200", None),
        ("-" * 300 + "1 < 1", "", None),
        ("(" * 60 + "1" + ")" * 60 + " < " + "-" * 60 + "1", "nested more than 40 deep", None),
    ],
)  # fmt: skip
def test_a_broken_predicate_is_refused_with_its_place(text, message, column):
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert column is None or caught.value.column == column


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("occlusion.labels < 1", "`occlusion.labels` is a list of 2 items, where a number", 1),
        ("0 < occlusion.spot.vertical", "'middle', where a number is needed", 5),
        ("occlusion.lowest", "is 0.25, where true or false is needed", 1),
        ("not occlusion.lowest", "is 0.25, where true or false is needed", 5),
        ("occlusion.changes + 1 > 1", "is True, where a number is needed", 1),
        ("occlusion.lowest == 'middle'", "is 'middle', where something like 0.25", 21),
        ("occlusion.changes == 1", "where something like True", 22),
        ("job.none == 1", "is None, where a number, a text", 1),
        ("occlusion.labels == occlusion.labels", "is a list of 2 items, where", 1),
        ("all(occlusion.lowest, item > 1)", "is 0.25, where a list is needed", 5),
        ("all(memory.gains, item.rat > 1)", "`item.rat`: the item has no 'rat'", 19),
        ("all(memory.gains, item > 1)", "where a number is needed", 19),
        ("len(occlusion.lowest) > 1", "where a list is needed", 5),
        ("1 / (occlusion.lowest - 0.25) > 1", "is zero and divides", 6),
        ("1e300 * 1e300 > occlusion.lowest", "is too large", 1),
        ("min(occlusion.empty) > 1", "where a list of numbers is needed", 5),
        ("min(memory.gains) > 1", "where a list of numbers is needed", 5),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_place(text, message, column):
    with pytest.raises(ExpressionError) as caught:
        verdict(text)
    assert message in str(caught.value)
    assert caught.value.column == column
