r"""Claims: sentences that rest on a condition, printed with the values that it read.

A condition is an expression of the template language: comparisons of values, joined with and, or, not,
+ - * /, abs, length, min and max. Jinja2 works it out; each value that it reads on the way is noted, so
that the evidence is the condition in words, with these values in it: “length (26.0) is at most 50”. A part
that was not needed (the second operand of an `and` whose first is false) shows its value if it is recorded, else it
is shown as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import TemplateError, nodes, pass_environment
from jinja2.visitor import NodeTransformer

from workings.messages import InputError
from workings.page.filters import FORMATS
from workings.page.tex import TeX, code, escape, one_line
from workings.page.values import Shown, Value, Writer, place, raw

_SIGNS = {
    "lt": ("<", "is less than"), "lteq": ("<=", "is at most"),
    "gt": (">", "is more than"), "gteq": (">=", "is at least"),
    "eq": ("==", "equals"), "ne": ("!=", "is not"),
    "in": ("in", "is among"), "notin": ("not in", "is not among"),
    "add": ("+", r"\ensuremath{+}"), "sub": ("-", r"\ensuremath{-}"),
    "mul": ("*", r"\ensuremath{\times}"), "div": ("/", r"\ensuremath{/}"),
    "and": ("and", "and"), "or": ("or", "or"),
}  # fmt: skip
_OPPOSITES = {"lt": "gteq", "gteq": "lt", "gt": "lteq", "lteq": "gt", "eq": "ne", "ne": "eq"}
_OPPOSITES |= {"in": "notin", "notin": "in"}
_NOT = "it is not so that"
_SPOKEN = re.compile(  # of the evidence, in the report's language
    "|".join(
        rf"\b{words}\b"
        for words in sorted(
            {*(_SIGNS[sign][1] for sign in (*_OPPOSITES, "and", "or")), "and that", _NOT}
            | {"the smallest", "the largest"},
            key=len,
            reverse=True,
        )
    )
)
# How tightly each holds together what stands beside it.
_LEVELS = {
    "or": 1, "and": 2, "not": 3, "compare": 4, "add": 5, "sub": 5, "mul": 6, "div": 6, "neg": 7,
}  # fmt: skip


# -- a condition as text ---------------------------------------------------------------------------


def pieces(node: nodes.Node, outer: int = 0) -> list[tuple]:
    """A condition piece by piece, in parentheses where `outer` needs them.

    Returns:
        ("sign", source, TeX), ("const", source, value), ("value", source, its length is meant),
        and ("other", source, False) for what has no place in a claim.
    """
    kind = type(node).__name__.lower()
    level = _LEVELS.get(kind, 9)
    match node:
        case nodes.Filter(name="_noted", node=inner):
            return pieces(inner, outer)
        case nodes.And() | nodes.Or() | nodes.Add() | nodes.Sub() | nodes.Mul() | nodes.Div():
            made = [*pieces(node.left, level), _sign(kind), *pieces(node.right, level + 1)]
        case nodes.Compare(expr=first, ops=operands):
            made = pieces(first, level + 1)
            for operand in operands:
                sign = _sign(operand.op)
                if operand is not operands[0]:
                    sign = (*sign[:2], f", and that{sign[2]}")
                made += [sign, *pieces(operand.expr, level + 1)]
        case nodes.Not(node=inner):
            made = [("sign", "not ", f"{_NOT} "), *pieces(inner, level)]
        case nodes.Neg(node=inner):
            made = [("sign", "-", r"\ensuremath{-}"), *pieces(inner, level)]
        case nodes.Filter(name="abs", node=inner):
            bar = r"\ensuremath{|}"
            made = [("sign", "(", bar), *pieces(inner), ("sign", ") | abs", bar)]
        case nodes.Filter(name="length", node=inner):
            made = [("value", source(inner), True), ("sign", " | length", "")]
        case nodes.Filter(name="min" | "max" as which):
            most = "the smallest" if which == "min" else "the largest"
            made = [("sign", "", f"{most} "), ("value", _written(node), False)]
        case nodes.Const(value=value):
            made = [("const", repr(value), value)]
        case nodes.List(items=items) if all(isinstance(item, nodes.Const) for item in items):
            values = [item.value for item in items]
            made = [("const", repr(values), ", ".join(map(str, values)))]
        case nodes.Name() | nodes.Getattr() | nodes.Getitem():
            made = [("value", _written(node), False)]
        case _:
            is_value = isinstance(node, nodes.Filter) and node.name in FORMATS
            made = [("value" if is_value else "other", _written(node), False)]
    return [("sign", "(", "("), *made, ("sign", ")", ")")] if level < outer else made


def _sign(operator: str) -> tuple:
    return ("sign", *(f" {sign} " for sign in _SIGNS[operator]))


def key(node: nodes.Node) -> str | None:
    """The key that an expression is, where it is written out: lengths.rows.0.mean."""
    inner = node
    while isinstance(inner, nodes.Getattr) or (
        isinstance(inner, nodes.Getitem) and isinstance(inner.arg, nodes.Const)
    ):
        inner = inner.node
    return _written(node) if isinstance(inner, nodes.Name) else None


def _written(node: nodes.Node) -> str:
    """A value as it is written: its key, with the filters."""
    match node:
        case nodes.Name(name=name):
            return name
        case (
            nodes.Getattr(node=above, attr=part)
            | nodes.Getitem(node=above, arg=nodes.Const(value=part))
        ):
            return f"{source(above)}.{part}"
        case nodes.Getitem(node=above, arg=part):
            return f"{source(above)}[{source(part)}]"
        case nodes.Filter(node=inner, name=name, args=arguments):
            given = f"({', '.join(map(source, arguments))})" if arguments else ""
            return f"{source(inner)} | {name}{given}"
        case nodes.Test(node=inner, name=name):
            return f"{source(inner)} is {name}"
    return repr(node)


def source(node: nodes.Node) -> str:
    """A condition as text, however it was spaced."""
    return "".join(piece[1] for piece in pieces(node))


# -- a claim in a template -------------------------------------------------------------------------


class Noted(NodeTransformer):
    """The same condition, noting each value that it reads."""

    def visit(self, node: nodes.Node) -> nodes.Node:
        *_, (kind, written, _) = pieces(node)
        if kind == "value" and written == source(node):
            return nodes.Filter(node, "_noted", [nodes.Const(written)], [], None, None)
        return self.generic_visit(node)


@pass_environment
def note(environment: Any, value: Any, written: str) -> Any:
    """The filter of a noted value: the value itself."""
    environment.writer.reads[written] = value
    return value


def claim(
    writer: Writer,
    name: str,
    condition: list[tuple],
    truth: Any,
    marks: tuple[str, ...],
    says: Callable[[str], str],
) -> TeX:
    """The sentence that fits, with its verdict and its evidence.

    Args:
        condition: its `pieces`.
        truth: what came of it.
        says: renders the sentence, or the one after the mark `otherwise`.

    Raises:
        InputError: it does not hold and has no other wording, and the writer doesn't report that.
    """
    reads, writer.reads = writer.reads, {}
    for kind, key, _ in condition:
        if kind == "value" and key not in reads and (found := writer.names.at(key)) is not None:
            reads[key] = found
    written = "".join(piece[1] for piece in condition)
    holds = bool(raw(truth))
    shown = "holds" if holds else "measured" if "otherwise" in marks else "refuted"
    if shown == "refuted" and not writer.report_refuted:
        writer.plain = True
        raise InputError(
            f"the claim '{name}' does not hold: “{one_line(says(''))}” rests on `{written}`, which "
            f"reads {_evidence(writer, condition, reads)}"
        )
    said = one_line(says("otherwise" if shown == "measured" else ""))
    evidence = _evidence(writer, condition if holds else _negated(condition), reads)
    writer.claims.append(
        {
            "name": name,
            "condition": written,
            "holds": holds,
            "sentence": said,
            "other": _other(writer, "" if shown == "measured" else "otherwise", marks, says),
            "values": {v.key: v.raw for v in reads.values() if isinstance(v, Value)},
            "place": place(),
        }
    )
    command = "refutedclaim" if shown == "refuted" else "claim"
    verdict = escape(writer.language.word(shown))
    return TeX(f"\\{command}{{{name}}}{{{said}}}{{{verdict}}}{{{evidence}}}\n")


def _other(writer: Writer, mark: str, marks: tuple[str, ...], says: Callable[[str], str]) -> str:
    """The wording that was not needed, its values as characters; none where a value of it is missing."""
    if mark and mark not in marks:
        return ""
    writer.plain = True
    try:
        return one_line(says(mark))
    except (InputError, TemplateError):
        return ""
    finally:
        writer.plain = False


def _negated(condition: list[tuple]) -> list[tuple]:
    """What is true where the condition is not: a ≤ b for a > b, else that it is not so."""
    signs = [i for i, piece in enumerate(condition) if piece in map(_sign, _OPPOSITES)]
    joined = {_NOT, "and", "or", "and that"}
    if len(signs) != 1 or any(
        kind == "sign" and joined & set(_SPOKEN.findall(more)) for kind, _, more in condition
    ):
        return [("sign", "not (", f"{_NOT} "), *condition, ("sign", ")", "")]
    (at,) = signs
    opposite = next(o for sign, o in _OPPOSITES.items() if _sign(sign) == condition[at])
    return [*condition[:at], _sign(opposite), *condition[at + 1 :]]


def _evidence(writer: Writer, condition: list[tuple], reads: Mapping[str, Any]) -> str:
    """The condition with the values that it read: in words, each named and linked; in plain text as
    it is written.
    """
    held = [getattr(value, "raw", value) for value in reads.values()]
    held += [more for kind, _, more in condition if kind == "const"]
    numbers = [v for v in held if isinstance(v, int | float) and not isinstance(v, bool)]

    def shown(kind: str, written: str, more: Any) -> Shown:
        if kind == "sign":
            return Shown(written, _SPOKEN.sub(lambda found: writer.language.word(found[0]), more))
        if kind == "const":
            return _words(writer, more, numbers)
        if written not in reads:
            return Shown(written, code(written))
        value = reads[written]
        if not isinstance(value, Value):  # loop.index and its like
            return _words(writer, value, numbers)
        if value.key is None:
            raise InputError(
                f"`{written}` was computed before; a claim shows the values that it reads, so "
                "write the computation into its condition"
            )
        formatted = value.format.notation or value.format.unit
        held = len(value) if more else value.raw
        made = writer.texts(value) if formatted else _words(writer, held, numbers)
        return made._replace(tex=f"{_named(value.key)} ({writer.quote(value, *made[1:])})")

    return "".join(shown(*piece)[not writer.plain] for piece in condition)


def _named(key: str) -> TeX:
    """A key in words, without the job or the block that it is of."""
    words = key.removeprefix("config.").replace("_", " ").split(".")
    return escape(" ".join(words[1:] or words))


def _words(writer: Writer, value: Any, numbers: list[float]) -> Shown:
    """A value in evidence: its characters and its TeX.

    A long number is cut to four digits, or to as many as tell it from the others that were read.
    """
    if isinstance(value, bool) or value is None:
        value = writer.language.word(str(value).lower())
    elif isinstance(value, list | Mapping):
        value = f"{len(value)} {writer.language.word('items')}"
    if isinstance(value, str):
        return Shown(value, escape(value))
    digits, notation = None, "exact"
    if isinstance(value, float) and (len(repr(value)) > 8 or "e" in repr(value)):
        cut = lambda number, digits: float(f"{number:.{digits}g}")  # noqa: E731
        others = [other for other in numbers if other != value]
        digits = next(
            (n for n in range(4, 17) if all(cut(value, n) != cut(other, n) for other in others)), 17
        )
        digits = next(n for n in range(1, 18) if cut(value, n) == cut(value, digits))
        notation = "significant" if 1e-3 < abs(value) < 1e6 else "scientific"
    return writer.number(value, digits, notation)


# -- what an editor asks of a condition ------------------------------------------------------------


def ready_made(node: nodes.Node) -> Iterator[str]:
    """The operands of a condition that compare nothing: truth values that were made elsewhere."""
    match node:
        case nodes.Not(node=inner):
            yield from ready_made(inner)
        case nodes.And(left=left, right=right) | nodes.Or(left=left, right=right):
            yield from (*ready_made(left), *ready_made(right))
        case nodes.Compare() if not any(
            isinstance(constant.value, bool) for constant in node.find_all(nodes.Const)
        ):
            return
        case _:
            yield source(node)


OPEN = 10  # statements that a table of truth has room for
Known = tuple[tuple[nodes.Node, bool], ...]  # conditions and what they are


def possible(node: nodes.Node, known: Known, world: Mapping[str, bool] | None = None) -> set[bool]:
    """What a condition can be where each of `known` is as it says: a table of truth.

    Of more than OPEN statements it may be either.
    """
    world = world or {}
    if len(world) > OPEN:
        return {True, False}
    try:
        if any(_holds(condition, world) != truth for condition, truth in known):
            return set()
        return {_holds(node, world)}
    except KeyError as open_:
        (statement,) = open_.args
        found = possible(node, known, {**world, statement: True})
        if len(found) < 2:
            found = found | possible(node, known, {**world, statement: False})
        return found


def _holds(node: nodes.Node, world: Mapping[str, bool]) -> bool:
    match node:
        case nodes.Not(node=inner):
            return not _holds(inner, world)
        case nodes.And(left=left, right=right):
            return _holds(left, world) and _holds(right, world)
        case nodes.Or(left=left, right=right):
            return _holds(left, world) or _holds(right, world)
        case nodes.Compare(expr=first, ops=operands):
            sides = [source(first), *(source(operand.expr) for operand in operands)]
            return all(
                _compared(left, operand.op, right, world)
                for left, operand, right in zip(sides, operands, sides[1:], strict=False)
            )
    return world[source(node)]


def _compared(left: str, sign: str, right: str, world: Mapping[str, bool]) -> bool:
    """a > b is b < a, a >= b is not a < b, and a == b is b == a."""
    if sign in ("gt", "lteq"):
        left, sign, right = right, {"gt": "lt", "lteq": "gteq"}[sign], left
    if sign in ("gteq", "ne", "notin"):
        return not _compared(left, _OPPOSITES[sign], right, world)
    if sign == "eq":
        left, right = sorted([left, right])
    return world[f"{left} {sign} {right}"]
