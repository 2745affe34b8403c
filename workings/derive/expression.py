"""A small, safe language for formulas: text -> syntax tree, with nothing executed on the way.

A formula is read by Python's own parser (`ast.parse`, which builds a tree and runs nothing) and then
copied, node by node, into the three kinds of node below. Whatever is not on the list is refused with
its line and column.

    formula  ::=  number | name | -formula | formula (+ - * / @) formula | formula ** number
               |  formula[i] | formula[i:j] | function(formula, ...)

`*` and `/` act element by element, `@` is the matrix product, indices are whole numbers from 0.
Numbers are exact: `0.1` is 1/10.
"""

from __future__ import annotations

import ast
import difflib
import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass, field
from fractions import Fraction

MAX_LENGTH = 500  # characters of one formula
MAX_NODES = 200
MAX_DEPTH = 40
MAX_POWER_BITS = 512  # of a number raised to a number
LARGEST = 10**300  # any number; double precision ends at 1.8e308

# The functions of the language with the number of arguments each takes (None: one or more).
FUNCTIONS: dict[str, int | None] = {
    "tanh": 1,
    "sigmoid": 1,
    "relu": 1,
    "softplus": 1,
    "exp": 1,
    "log": 1,
    "sqrt": 1,
    "sin": 1,
    "cos": 1,
    "softmax": 1,
    "log_sum_exp": 1,
    "sum": 1,
    "dot": 2,
    "outer": 2,
    "transpose": 1,
    "concatenate": None,
}

Position = tuple[int, int]  # line and column, both counted from 1


class ExpressionError(ValueError):
    """A formula that cannot be accepted. `line` and `column` count from 1; None where there is none.

    `place` says which text the position is in, for example `cell` or `loss`.
    """

    def __init__(self, message: str, position: Position | None = None, place: str = ""):
        self.message, self.place = message, place
        self.line, self.column = position or (None, None)
        where = [place] if place else []
        if position:
            where += [f"line {self.line}", f"column {self.column}"]
        super().__init__(f"{', '.join(where)}: {message}" if where else message)


@dataclass(frozen=True)
class Number:
    """An exact number."""

    value: Fraction
    position: Position | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Name:
    """A variable, parameter or input, by name."""

    name: str
    position: Position | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Operation:
    """An operation on formulas; `detail` holds what is not a formula (an index, a size, an exponent)."""

    kind: str
    arguments: tuple[Node, ...] = ()
    detail: tuple[int | Fraction, ...] = ()
    position: Position | None = field(default=None, compare=False, repr=False)


Node = Number | Name | Operation

_BINARY = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.MatMult: "matmul",
    ast.Pow: "power",
}

_REFUSED = {
    ast.Attribute: "attribute access (`a.b`)",
    ast.Lambda: "a lambda",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.JoinedStr: "an f-string",
    ast.Compare: "a comparison",
    ast.BoolOp: "`and` / `or`",
    ast.IfExp: "`if` / `else`",
    ast.NamedExpr: "an assignment inside a formula",
    ast.Starred: "a starred argument",
    ast.List: "a list",
    ast.Tuple: "a tuple",
    ast.Set: "a set",
    ast.Dict: "a dictionary",
}

_NUMBER = re.compile(
    r"\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,3})?|\.\d{1,40}([eE][+-]?\d{1,3})?", re.ASCII
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


def is_name(text: object) -> bool:
    """Whether `text` can name a variable: ASCII letters, digits and `_`, a letter first, 40 at most."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


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
        name = statement.targets[0].id
        if not is_name(name):
            raise ExpressionError(f"`{name}` cannot be a name", position, place)
        if name in FUNCTIONS:
            raise ExpressionError(f"`{name}` is a function and cannot be assigned", position, place)
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
        if not (character == "\t" or " " <= character <= "~"):
            raise ExpressionError(
                f"the character U+{ord(character):04X} is not allowed: plain ASCII only",
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
        return (self.line, self.shift + node.col_offset + 1)

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
                return Operation("negative", (operand,), (), self.position(node))
            case ast.BinOp() if type(node.op) in _BINARY:
                return self.binary(node, depth)
            case ast.Subscript():
                return self.subscript(node, depth)
            case ast.Call():
                return self.call(node, depth)
        what = _REFUSED.get(type(node), f"`{ast.get_source_segment(self.text, node)}`")
        raise self.refuse(f"{what} is not part of a formula", node)

    def number(self, node: ast.Constant) -> Number:
        source = self.text[node.col_offset : node.end_col_offset]
        if _NUMBER.fullmatch(source) is None:
            raise self.refuse(f"`{source}` is not a decimal number", node)
        return self.exact(Fraction(source), node)

    def exact(self, value: Fraction, node: ast.expr) -> Number:
        if abs(value) > LARGEST:
            raise self.refuse("a number beyond 1e300", node)
        return Number(value, self.position(node))

    def name(self, node: ast.Name) -> Name:
        if node.id not in self.names:
            near = difflib.get_close_matches(node.id, sorted(self.names), n=1)
            known = f"did you mean `{near[0]}`?" if near else f"known: {_list(self.names)}"
            hint = (
                "it is a function: write it with its arguments" if node.id in FUNCTIONS else known
            )
            raise self.refuse(f"unknown name `{node.id}`; {hint}", node)
        return Name(node.id, self.position(node))

    def binary(self, node: ast.BinOp, depth: int) -> Node:
        kind = _BINARY[type(node.op)]
        left, right = self.read(node.left, depth + 1), self.read(node.right, depth + 1)
        position = self.position(node)
        if kind == "power":
            if not isinstance(right, Number):
                raise self.refuse("the exponent must be a number", node.right)
            if isinstance(left, Number):
                self.check_power(left.value, right.value, node)
                return self.exact(left.value**right.value.numerator, node)
            if abs(right.value) > MAX_POWER_BITS:
                raise self.refuse(f"an exponent beyond {MAX_POWER_BITS}", node.right)
            return Operation(kind, (left,), (right.value,), position)
        if isinstance(left, Number) and isinstance(right, Number) and kind != "matmul":
            return self.exact(self.fold(kind, left.value, right.value, node), node)
        if kind == "divide" and isinstance(right, Number) and right.value == 0:
            raise self.refuse("division by zero", node.right)
        return Operation(kind, (left, right), (), position)

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

    def fold(self, kind: str, left: Fraction, right: Fraction, node: ast.BinOp) -> Fraction:
        if kind == "divide":
            if right == 0:
                raise self.refuse("division by zero", node.right)
            return left / right
        return {"add": left + right, "subtract": left - right, "multiply": left * right}[kind]

    def subscript(self, node: ast.Subscript, depth: int) -> Operation:
        value = self.read(node.value, depth + 1)
        index = node.slice
        if isinstance(index, ast.Slice):
            if index.lower is None or index.upper is None or index.step is not None:
                raise self.refuse("write a slice as [first:stop], both given", index)
            bounds = (self.whole(index.lower), self.whole(index.upper))
            return Operation("slice", (value,), bounds, self.position(node))
        return Operation("index", (value,), (self.whole(index),), self.position(node))

    def whole(self, node: ast.expr) -> int:
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value < 10**6:
            return node.value
        raise self.refuse("an index must be a whole number from 0", node)

    def call(self, node: ast.Call, depth: int) -> Operation:
        if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS:
            source = ast.get_source_segment(self.text, node.func)
            raise self.refuse(f"`{source}` is not a function here; known: {_list(FUNCTIONS)}", node)
        if node.keywords:
            raise self.refuse("a function takes no keyword arguments", node)
        kind = node.func.id
        count = FUNCTIONS[kind]
        if len(node.args) != count and not (count is None and node.args):
            wanted = "one argument or more" if count is None else f"{count} argument(s)"
            raise self.refuse(f"{kind} takes {wanted}, not {len(node.args)}", node)
        arguments = tuple(self.read(argument, depth + 1) for argument in node.args)
        return Operation(kind, arguments, (), self.position(node))


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def number_from(value: object, what: str) -> Fraction:
    """An exact number from a config value: a whole number, a decimal, or text such as `1/2`.

    A decimal is taken as it is written: 0.1 is 1/10. Raises ExpressionError, which names `what`.
    """
    if isinstance(value, Fraction):
        return value
    text = str(value).strip() if not isinstance(value, bool) else ""
    unsigned = text[1:] if text[:1] in "+-" else text
    top, slash, bottom = unsigned.partition("/")
    readable = len(text) <= 100 and _NUMBER.fullmatch(top.strip()) is not None
    if slash:
        readable = readable and bottom.strip().isascii() and bottom.strip().isdigit()
    if not isinstance(value, int | float | str) or not readable:
        raise ExpressionError(
            f"{what}: expected a number or a fraction like 1/2, got {value!r:.60}"
        )
    if slash and int(bottom) == 0:
        raise ExpressionError(f"{what}: the fraction {text} divides by zero")
    size = Fraction(top.strip()) / (int(bottom) if slash else 1)
    if size > LARGEST:
        raise ExpressionError(f"{what}: a number beyond 1e300")
    return -size if text.startswith("-") else size


def names_in(node: Node) -> list[str]:
    """The names a formula uses, in the order of their first appearance."""
    found: dict[str, None] = {}
    stack = [node]
    while stack:
        part = stack.pop()
        if isinstance(part, Name):
            found.setdefault(part.name)
        elif isinstance(part, Operation):
            stack.extend(reversed(part.arguments))
    return list(found)


_SYMBOLS = {"add": ("+", 1), "subtract": ("-", 1), "multiply": ("*", 2), "divide": ("/", 2)}
_SYMBOLS |= {"matmul": ("@", 2), "power": ("**", 4)}


def plain(node: Node, level: int = 0) -> str:
    """The formula as text of the language, with the fewest brackets."""
    match node:
        case Number():
            text, own = str(node.value), 5 if node.value >= 0 and node.value.denominator == 1 else 2
        case Name():
            return node.name
        case Operation("index", (inner,), (i,)):
            return f"{plain(inner, 5)}[{i}]"
        case Operation("slice", (inner,), (first, stop)):
            return f"{plain(inner, 5)}[{first}:{stop}]"
        case Operation("negative", (inner,)):
            text, own = f"-{plain(inner, 3)}", 2
        case Operation("power", (inner,), (exponent,)):
            shown = f"({exponent})" if exponent < 0 or exponent.denominator != 1 else exponent
            text, own = f"{plain(inner, 5)}**{shown}", 4
        case Operation(kind=kind, arguments=(left, right)) if kind in _SYMBOLS:
            symbol, own = _SYMBOLS[kind]
            text = f"{plain(left, own)} {symbol} {plain(right, own + 1)}"
        case Operation():
            inner = ", ".join(plain(argument) for argument in node.arguments)
            return f"{node.kind}({inner})"
    return f"({text})" if own < level else text
