"""Predicates over measurements: a small, safe language of statements, nothing of it executed.

A predicate is read by Python's own parser, which runs nothing, and then walked node by node; what
is not in the grammar is refused with its column.

    predicate  ::=  key | comparison | not predicate | predicate and predicate | predicate or predicate
                 |  all(list, predicate) | any(list, predicate) | near(value, value, tolerance)
    comparison ::=  value < value <= value …       also ==, !=, >, >=
    value      ::=  number | 'text' | True | False | key | item | -value | value (+ - * /) value
                 |  abs(value) | min(value, …) | max(value, …) | min(list) | max(list) | len(list)

A key is a measurement's, as in its file: `occlusion.lowest_probability`, `recurrence.loss`,
`recurrence.lines.dl_db[0]`. In the second argument of `all` and `any`, `item` is each element of the
list in turn and `item.rate` what it holds under `rate`. `near(a, b, t)` is |a − b| ≤ t; `min` and
`max` also take one list. `and` and `or` stop as soon as they know, so that a key may be guarded:
`occlusion.hot_spot.found and occlusion.hot_spot.row < 9`.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from workings.derive.expression import MAX_DEPTH, MAX_LENGTH, MAX_NODES, ExpressionError

KEY = re.compile(r"[A-Za-z_]\w*(\.\w+(\[\d+\])?)*", re.ASCII)
_KEYS_IN_TEXT = re.compile(rf"(?<![\w.])({KEY.pattern})", re.ASCII)
ITEM = "item"

_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FUNCTIONS = ("abs", "all", "any", "len", "max", "min", "near")

Lookup = Callable[[str], Any]


@dataclass(frozen=True)
class Predicate:
    """A predicate that was read and fits the grammar."""

    text: str
    tree: ast.expr = field(repr=False, compare=False)

    def keys(self) -> list[str]:
        """The keys of measurements that it names, in order of their first appearance."""
        found = dict.fromkeys(key for key, _ in _keys(self.tree, self.text))
        return [key for key in found if key.split(".")[0] != ITEM]

    def holds(self, lookup: Lookup) -> tuple[bool, dict[str, Any]]:
        """Whether it holds, and the value of each key that was asked on the way.

        Raises:
            ExpressionError: a value is of another kind than is needed, with the column.
        """
        asked: dict[str, Any] = {}

        def ask(key: str) -> Any:
            asked[key] = lookup(key)
            return asked[key]

        return _Evaluation(self.text, ask).boolean(self.tree), asked


def parse(text: str) -> Predicate:
    """Read a predicate.

    Raises:
        ExpressionError: it is not in the grammar, too long, or nested too deeply.
    """
    text = " ".join(text.split())
    if not text:
        raise ExpressionError("the predicate is empty")
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"a predicate of {len(text)} characters; at most {MAX_LENGTH} are allowed: let the job "
            "measure a part of it"
        )
    if not (text.isascii() and text.isprintable()):
        place = next(i for i, letter in enumerate(text) if not " " <= letter <= "~")
        raise _refusal(f"the character U+{ord(text[place]):04X} is not plain ASCII", place)
    try:
        tree = ast.parse(_masked(text), mode="eval").body
    except SyntaxError as error:
        raise _refusal(f"not a predicate: {error.msg}", max(error.offset or 1, 1) - 1) from None
    except (ValueError, MemoryError, RecursionError, OverflowError):
        raise ExpressionError("nested too deeply to be read") from None
    count = sum(isinstance(node, ast.expr) for node in ast.walk(tree))
    if count > MAX_NODES:
        raise ExpressionError(f"a predicate of {count} parts; at most {MAX_NODES} are allowed")
    _check(tree, text)
    return Predicate(text, tree)


def jobs_in(text: str) -> set[str]:
    """The first words of everything in `text` that looks like a key: for a scan of templates."""
    return {match[1].split(".")[0] for match in _KEYS_IN_TEXT.finditer(text) if "." in match[1]}


def _masked(text: str) -> str:
    """`text` with places in lists (`.0.`) written as words of the same length, for Python's parser."""

    def mask(match: re.Match) -> str:
        parts = match[0].split(".")
        return ".".join("i" * len(part) if part[0].isdigit() else part for part in parts)

    return _KEYS_IN_TEXT.sub(mask, text)


def _source(node: ast.expr, text: str) -> str:
    return text[node.col_offset : node.end_col_offset]


def _refusal(message: str, column: int) -> ExpressionError:
    return ExpressionError(message, (1, column + 1))


def _keys(node: ast.AST, text: str) -> Iterator[tuple[str, ast.expr]]:
    """Each key below `node` with where it stands; a key is whole, with all its parts."""
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        yield _source(node, text), node
        return
    if isinstance(node, ast.Call):
        children: list[ast.AST] = list(node.args)
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _keys(child, text)


def _check(node: ast.expr, text: str, *, item: bool = False, depth: int = 1) -> None:
    """Refuse what is not in the grammar; `item` says whether that name has a meaning here."""
    if depth > MAX_DEPTH:
        raise _refusal(f"nested more than {MAX_DEPTH} deep", node.col_offset)

    def within(*nodes: ast.expr, item: bool = item) -> None:
        for inner in nodes:
            _check(inner, text, item=item, depth=depth + 1)

    match node:
        case ast.Constant():
            _constant(node, text)
        case ast.Name() | ast.Attribute() | ast.Subscript():
            _key(node, text, item)
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            within(node.operand)
        case ast.BoolOp():
            within(*node.values)
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            within(node.left, node.right)
        case ast.Compare() if all(type(sign) in _COMPARE for sign in node.ops):
            within(node.left, *node.comparators)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
            wanted = {"abs": 1, "len": 1, "all": 2, "any": 2, "near": 3}.get(name)
            if (wanted and len(node.args) != wanted) or len(node.args) < 1:
                raise _refusal(
                    f"{name} takes {wanted or 'one or more'}, not {len(node.args)}, arguments",
                    node.col_offset,
                )
            if name in ("all", "any"):
                within(node.args[0])
                within(node.args[1], item=True)
            else:
                within(*node.args)
        case ast.Call():
            raise _refusal(
                f"`{_source(node.func, text)}` is not a function here; known: "
                f"{', '.join(_FUNCTIONS)}",
                node.col_offset,
            )
        case _:
            raise _refusal(
                f"`{_source(node, text)}` is not part of a predicate",
                getattr(node, "col_offset", 0),
            )


def _constant(node: ast.Constant, text: str) -> Any:
    source = _source(node, text)
    if isinstance(node.value, bool):
        return node.value
    if isinstance(node.value, str):
        if not re.fullmatch(r"'[^'\\]*'|\"[^\"\\]*\"", source):
            raise _refusal(f"{source}: write a text as plain letters in quotes", node.col_offset)
        return source[1:-1]
    if not re.fullmatch(r"\d{1,40}|\d{0,40}\.?\d{1,40}([eE][+-]?\d{1,3})?", source):
        raise _refusal(f"`{source}` is not a decimal number", node.col_offset)
    return node.value


def _key(node: ast.expr, text: str, item: bool) -> str:
    key = _source(node, text)
    if not KEY.fullmatch(key) or "__" in key:
        raise _refusal(f"`{key}` is not the key of a measurement", node.col_offset)
    first = key.split(".")[0]
    if first == ITEM and not item:
        raise _refusal("`item` has a meaning only inside all(…) and any(…)", node.col_offset)
    if first == "claim":
        raise _refusal(
            f"`{key}`: a claim rests on measurements, not on another claim", node.col_offset
        )
    if first == key and first != ITEM:
        raise _refusal(
            f"`{key}` is no key: it needs its job's name, a point and a name, such as "
            "occlusion.lowest_probability",
            node.col_offset,
        )
    return key


class _Evaluation:
    """Works out one predicate that `_check` let through."""

    def __init__(self, text: str, ask: Lookup, item: Any = None) -> None:
        self.text, self.ask, self.item = text, ask, item

    def refuse(self, node: ast.expr, value: Any, wanted: str) -> ExpressionError:
        what = f"a list of {len(value)} items" if isinstance(value, list) else f"{value!r:.40}"
        return _refusal(
            f"`{_source(node, self.text)}` is {what}, where {wanted} is needed", node.col_offset
        )

    def boolean(self, node: ast.expr) -> bool:
        value = self.value(node)
        if not isinstance(value, bool):
            raise self.refuse(node, value, "true or false")
        return value

    def number(self, node: ast.expr) -> float:
        value = self.value(node)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(node, value, "a number")
        return value

    def list(self, node: ast.expr) -> list:
        value = self.value(node)
        if not isinstance(value, list):
            raise self.refuse(node, value, "a list")
        return value

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return _constant(node, self.text)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self.measured(node)
            case ast.UnaryOp(op=ast.Not()):
                return not self.boolean(node.operand)
            case ast.UnaryOp():
                return -self.number(node.operand)
            case ast.BoolOp(op=ast.And()):
                return all(self.boolean(part) for part in node.values)
            case ast.BoolOp():
                return any(self.boolean(part) for part in node.values)
            case ast.BinOp():
                return self.arithmetic(node)
            case ast.Compare():
                return self.compare(node)
            case ast.Call(func=ast.Name(id=name)):
                return self.call(name, node)
        raise AssertionError(ast.dump(node))

    def measured(self, node: ast.expr) -> Any:
        key = _source(node, self.text)
        first, _, rest = key.partition(".")
        if first != ITEM:
            return self.ask(key)
        value = self.item
        for part in rest.split(".") if rest else []:
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                raise _refusal(f"`{key}`: the item has no '{part}'", node.col_offset)
        return value

    def arithmetic(self, node: ast.BinOp) -> float:
        left, right = self.number(node.left), self.number(node.right)
        try:
            result = _ARITHMETIC[type(node.op)](left, right)
        except ZeroDivisionError:
            raise _refusal(
                f"`{_source(node.right, self.text)}` is zero and divides", node.right.col_offset
            ) from None
        except OverflowError:
            result = math.inf
        if not math.isfinite(result):
            raise _refusal(f"`{_source(node, self.text)}` is too large", node.col_offset)
        return result

    def compare(self, node: ast.Compare) -> bool:
        left = node.left
        for sign, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(sign, ast.Eq | ast.NotEq):
                a, b = self.value(left), self.value(right)
                for side, value in ((left, a), (right, b)):
                    if not isinstance(value, bool | int | float | str):
                        raise self.refuse(side, value, "a number, a text, true or false")
                if _kind(a) is not _kind(b):
                    raise self.refuse(right, b, f"something like {a!r:.40}")
            else:
                a, b = self.number(left), self.number(right)
            if not _COMPARE[type(sign)](a, b):
                return False
            left = right
        return True

    def call(self, name: str, node: ast.Call) -> Any:
        if name in ("all", "any"):
            items = self.list(node.args[0])
            each = (_Evaluation(self.text, self.ask, item).boolean(node.args[1]) for item in items)
            return all(each) if name == "all" else any(each)
        if name == "len":
            return len(self.list(node.args[0]))
        if name in ("min", "max"):
            numbers = self.numbers(node)
            return min(numbers) if name == "min" else max(numbers)
        numbers = [self.number(argument) for argument in node.args]
        if name == "near":
            return abs(numbers[0] - numbers[1]) <= numbers[2]
        return abs(numbers[0])

    def numbers(self, node: ast.Call) -> list[float]:
        """The arguments of `min` or `max`: numbers, or one list of them."""
        values = [self.value(argument) for argument in node.args]
        if len(values) == 1 and isinstance(values[0], list):
            values = values[0]
        wrong = [v for v in values if isinstance(v, bool) or not isinstance(v, int | float)]
        if wrong or not values:
            raise self.refuse(node.args[0], wrong[0] if wrong else values, "a list of numbers")
        return values


def _kind(value: Any) -> type:
    return bool if isinstance(value, bool) else str if isinstance(value, str) else float
