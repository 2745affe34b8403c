"""A small, safe language for formulas: text -> syntax tree, with nothing executed on the way.

A formula is read by Python's own parser (`ast.parse`, which builds a tree and runs nothing) and then
copied, node by node, into our own (expression.py). Whatever is not on the list is refused with its
line and column.

    formula  ::=  number | name | -formula | formula (+ - * / @) formula | formula ** number
               |  formula[i] | formula[i:j] | function(formula, ...)

`*` and `/` act element by element, `@` is the matrix product, indices are whole numbers from 0.
Numbers are exact: `0.1` is 1/10.
"""

from __future__ import annotations

import ast
import difflib
import keyword
import re
import warnings
from collections.abc import Collection
from fractions import Fraction

from workings.derive import operations as op
from workings.derive.expression import (
    GREEK,
    LARGEST,
    NUMBER,
    ExpressionError,
    Name,
    Node,
    Number,
    Position,
)

MAX_LENGTH = 500  # characters of one formula
MAX_NODES = 200
MAX_DEPTH = 40
MAX_POWER_BITS = 512  # of a number raised to a number

_BINARY = {
    ast.Add: op.Add,
    ast.Sub: op.Subtract,
    ast.Mult: op.Multiply,
    ast.Div: op.Divide,
    ast.MatMult: op.Matmul,
    ast.Pow: op.Power,
}

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


def in_ascii(name: str) -> str:
    """A name with the names of its Greek letters: α is alpha, W_α is W_alpha."""
    return "".join(GREEK.get(letter, letter) for letter in name)


def check_name(name: object, place: str, position: Position | None = None) -> None:
    """Raises ExpressionError unless `name` can name a variable.

    It takes ASCII and Greek letters, digits and `_`, a letter first, 40 at most.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(in_ascii(name)):
        raise ExpressionError(
            f"{name!r:.60} cannot be a name: letters, digits and _ only", position, place
        )
    if keyword.iskeyword(name):
        hint = "; write λ" if name == "lambda" else ""
        raise ExpressionError(
            f"`{name}` is a word of the grammar and cannot be a name{hint}", position, place
        )
    if name in op.FUNCTIONS:
        raise ExpressionError(f"`{name}` is a function and cannot be a name", position, place)


def parse_formula(
    text: str, names: Collection[str], *, place: str = "formula", line: int = 1, offset: int = 0
) -> Node:
    """Read one formula that may use `names`.

    `place`, `line` and `offset` (characters to the left of `text`) only serve error messages.
    Raises ExpressionError.
    """
    _check_text(text, place, line, offset)
    shift = offset + len(text) - len(text.lstrip(" \t"))
    text = text.strip(" \t")
    tree = _parse(text, "eval", place, line, shift)
    return _Reader(text, names, place, line, shift).read(tree.body)


def parse_assignments(
    text: str, names: Collection[str], *, place: str = "cell"
) -> list[tuple[str, Node]]:
    """Read lines of the form `name = formula`, in order; a line may use the names assigned above it.

    Blank lines and comments (`# ...`) are skipped. Raises ExpressionError.
    """
    known = set(names)
    assignments: list[tuple[str, Node]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        _check_text(line, place, number, 0)
        shift = len(line) - len(line.lstrip(" \t"))
        line = line.strip(" \t")
        if not line or line.startswith("#"):
            continue
        body = _parse(line, "exec", place, number, shift).body
        statement = body[0]
        position = (number, shift + 1)
        if len(body) != 1:
            raise ExpressionError("write one assignment a line", position, place)
        if (
            not isinstance(statement, ast.Assign)
            or len(statement.targets) != 1
            or not isinstance(statement.targets[0], ast.Name)
        ):
            raise ExpressionError("expected `name = formula`", position, place)
        check_name(statement.targets[0].id, place, position)
        name = in_ascii(statement.targets[0].id)
        if name in known:
            raise ExpressionError(f"`{name}` already has a value", position, place)
        node = _Reader(line, known, place, number, shift).read(statement.value)
        assignments.append((name, node))
        known.add(name)
    if not assignments:
        raise ExpressionError("there is no line `name = formula`", None, place)
    return assignments


def _check_text(text: object, place: str, line: int, offset: int) -> None:
    if not isinstance(text, str):
        raise ExpressionError(f"expected text, got {type(text).__name__}", None, place)
    if not text.strip(" \t") and place != "cell":
        raise ExpressionError("the formula is empty", None, place)
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"a formula of {len(text)} characters; at most {MAX_LENGTH} are allowed: name its parts",
            (line, offset + MAX_LENGTH + 1),
            place,
        )
    for column, character in enumerate(text, start=1):
        # Python would take a mathematical bold W, or a full-width one, for the plain letter.
        if not (character == "\t" or " " <= character <= "~" or character in GREEK):
            raise ExpressionError(
                f"the character U+{ord(character):04X} is not allowed: plain ASCII and Greek letters only",
                (line, offset + column),
                place,
            )


def _parse(text: str, mode: str, place: str, line: int, shift: int) -> ast.AST:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode=mode)
    except SyntaxError as error:
        column = shift + max(error.offset or 1, 1)
        for word in re.finditer(r"\w+", text):
            if keyword.iskeyword(word[0]):
                check_name(word[0], place, (line, shift + word.start() + 1))
        raise ExpressionError(f"not a formula: {error.msg}", (line, column), place) from None
    except (ValueError, MemoryError, RecursionError, OverflowError):
        raise ExpressionError("nested too deeply to be read", (line, shift + 1), place) from None
    count = sum(isinstance(node, ast.expr) for node in ast.walk(tree))
    if count > MAX_NODES:
        raise ExpressionError(
            f"a formula of {count} parts; at most {MAX_NODES} are allowed: name some of them",
            (line, shift + 1),
            place,
        )
    return tree


class _Reader:
    """Copies a Python syntax tree into ours, refusing all that is not in the grammar."""

    def __init__(self, text: str, names: Collection[str], place: str, line: int, shift: int):
        self.text, self.names = text, names
        self.place, self.line, self.shift = place, line, shift

    def position(self, node: ast.expr) -> Position:
        return (self.line, self.shift + len(self.before(node.col_offset)) + 1)

    def before(self, bytes_: int) -> str:
        """The text up to a place that is counted in bytes, as Python does."""
        return self.text.encode()[:bytes_].decode()

    def refuse(self, message: str, node: ast.expr) -> ExpressionError:
        return ExpressionError(message, self.position(node), self.place)

    def read(self, node: ast.expr, depth: int = 1) -> Node:
        if depth > MAX_DEPTH:
            raise self.refuse(f"nested more than {MAX_DEPTH} deep: name the inner parts", node)
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name():
                return self.name(node)
            case ast.UnaryOp(op=ast.USub()):
                operand = self.read(node.operand, depth + 1)
                if isinstance(operand, Number):
                    return Number(-operand.value, self.position(node))
                return op.Negative(operand, position=self.position(node))
            case ast.BinOp() if type(node.op) in _BINARY:
                return self.binary(node, depth)
            case ast.Subscript():
                return self.subscript(node, depth)
            case ast.Call():
                return self.call(node, depth)
        source = ast.get_source_segment(self.text, node)
        raise self.refuse(f"`{source}` is not part of a formula", node)

    def number(self, node: ast.Constant) -> Number:
        source = ast.get_source_segment(self.text, node)
        if NUMBER.fullmatch(source) is None:
            raise self.refuse(f"`{source}` is not a decimal number", node)
        return self.exact(Fraction(source), node)

    def exact(self, value: Fraction, node: ast.expr) -> Number:
        if abs(value) > LARGEST:
            raise self.refuse("a number beyond 1e300", node)
        return Number(value, self.position(node))

    def name(self, node: ast.Name) -> Name:
        name = in_ascii(node.id)
        if name in self.names:
            return Name(name, self.position(node))
        if node.id.endswith("_prev"):
            state = node.id.removesuffix("_prev")
            message = f"the state `{state}` has no initial value: add it to initial_state"
            raise self.refuse(message, node)
        near = difflib.get_close_matches(node.id, sorted(self.names), n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known: {_list(self.names)}"
        if node.id in op.FUNCTIONS:
            hint = "it is a function: write it with its arguments"
        raise self.refuse(f"unknown name `{node.id}`; {hint}", node)

    def binary(self, node: ast.BinOp, depth: int) -> Node:
        kind = _BINARY[type(node.op)]
        left, right = self.read(node.left, depth + 1), self.read(node.right, depth + 1)
        position, numeric = self.position(node), isinstance(right, Number)
        if kind is op.Power:
            if not numeric:
                raise self.refuse("the exponent must be a number", node.right)
            if isinstance(left, Number):
                self.check_power(left.value, right.value, node)
                return self.exact(left.value**right.value.numerator, node)
            if abs(right.value) > MAX_POWER_BITS:
                raise self.refuse(f"an exponent beyond {MAX_POWER_BITS}", node.right)
            return op.Power(left, detail=(right.value,), position=position)
        if kind is op.Divide and numeric and right.value == 0:
            raise self.refuse("division by zero", node.right)
        if isinstance(left, Number) and numeric and kind is not op.Matmul:
            return self.exact(kind.apply(left.value, right.value), node)
        return kind(left, right, position=position)

    def check_power(self, base: Fraction, exponent: Fraction, node: ast.BinOp) -> None:
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if bits * abs(exponent) > MAX_POWER_BITS:
            raise self.refuse("this power of a number is too large", node)
        if exponent.denominator != 1:
            raise self.refuse(
                "a number to a broken power is not exact: use sqrt or a decimal", node
            )
        if base == 0 and exponent < 0:
            raise self.refuse("division by zero", node)

    def subscript(self, node: ast.Subscript, depth: int) -> Node:
        value = self.read(node.value, depth + 1)
        index = node.slice
        if isinstance(index, ast.Slice):
            if index.lower is None or index.upper is None or index.step is not None:
                raise self.refuse("write a slice as [first:stop], both given", index)
            bounds = (self.whole(index.lower), self.whole(index.upper))
            return op.Slice(value, detail=bounds, position=self.position(node))
        return op.Index(value, detail=(self.whole(index),), position=self.position(node))

    def whole(self, node: ast.expr) -> int:
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value < 10**6:
            return node.value
        raise self.refuse("an index must be a whole number from 0", node)

    def call(self, node: ast.Call, depth: int) -> Node:
        if not isinstance(node.func, ast.Name) or node.func.id not in op.FUNCTIONS:
            source = ast.get_source_segment(self.text, node.func)
            raise self.refuse(
                f"`{source}` is not a function here; known: {_list(op.FUNCTIONS)}", node
            )
        if node.keywords:
            raise self.refuse("a function takes no keyword arguments", node)
        kind = op.FUNCTIONS[node.func.id]
        many = kind.arity == op.ANY_NUMBER
        if not node.args if many else len(node.args) != kind.arity:
            wanted = "one argument or more" if many else f"{kind.arity} argument(s)"
            raise self.refuse(f"{kind.kind} takes {wanted}, not {len(node.args)}", node)
        arguments = [self.read(argument, depth + 1) for argument in node.args]
        return kind(*arguments, position=self.position(node))


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
