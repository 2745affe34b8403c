"""Formulas: their nodes, their shapes, their text, and exact numbers.

A formula is a tree of numbers, names and operations. What an operation computes, how it is
differentiated and how it is written is said once, by its class in operations.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

INPUT, TARGET, LOSS = "x", "target", "loss"  # the names that a cell is given, and that it gives
TOTAL, LATER = "L", "later"  # the loss of all steps, and of those after the step
LARGEST = 10**300  # any number; double precision ends at 1.8e308
GREEK = dict(  # letter -> name; one that looks like a Latin letter is not among them
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "Gamma",
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Pi",
            "Sigma",
            "Phi",
            "Psi",
            "Omega",
        ],
        strict=True,
    )
)
NUMBER = re.compile(
    r"\d{1,40}(\.\d{0,40})?([eE][+-]?\d{1,3})?|\.\d{1,40}([eE][+-]?\d{1,3})?", re.ASCII
)

Position = tuple[int, int]  # line and column, both counted from 1
Shape = tuple[int, ...]  # of a scalar (), a vector (n,) or a matrix (m, n)


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


# --- nodes -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Derivative:
    """The name of a derivative of one value by another; as text `dL_dh`, as in the names of lines."""

    of: str  # a name of the cell, or one of the two losses below
    by: str
    alone: bool = False  # through one step alone, all earlier steps held fixed

    def __str__(self) -> str:
        return f"d{'l' if self.of == LOSS else self.of}_d{self.by}"


def total(u: str) -> Derivative:
    r"""dL/du_t, of the loss of all steps."""
    return Derivative(TOTAL, u)


def alone(u: str) -> Derivative:
    r"""\partial l_t/\partial u_t, of the loss of step t, through that step alone."""
    return Derivative(LOSS, u, alone=True)


def from_later(state: str) -> Derivative:
    """What the loss of the later steps adds to dL/ds_t of a state s."""
    return Derivative(LATER, state)


@dataclass(frozen=True)
class Number:
    """An exact number."""

    value: Fraction
    position: Position | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Name:
    """A variable, parameter or input, or a derivative, by name."""

    name: str | Derivative
    position: Position | None = field(default=None, compare=False, repr=False)


class Operation:
    """An operation on formulas; `detail` holds what is not a formula (an index, a size, an exponent).

    Each subclass is one kind, known by its name: `log_sum_exp` is LogSumExp. What it is, it says in a
    few lines: its `shape` from those of its operands, the function that computes its `value`, its
    `text`, its `tex`, and, in operations.py, its two rules of differentiation.
    """

    kinds: ClassVar[dict[str, type[Operation]]] = {}
    kind: ClassVar[str] = ""
    arity: ClassVar[int] = 0  # of a function of the language
    wants: ClassVar[str] = "the shapes do not fit"  # where the operands have no shape that it takes
    notation: ClassVar[str] = ""  # in LaTeX, of a function that is not written by its kind
    leaf: ClassVar[bool] = False  # whether its own value is put in where a formula shows numbers
    cases: ClassVar[tuple[str, ...]] = ()  # to prove its rules for, in the names of proofs.py

    __match_args__ = ("u", "v")
    u = A = property(lambda self: self.arguments[0])
    v = B = property(lambda self: self.arguments[1])
    i = property(lambda self: self.detail[0])
    j = property(lambda self: self.detail[1])

    def __init_subclass__(cls) -> None:
        cls.kind = re.sub(r"\B[A-Z]", r"_\g<0>", cls.__name__).lower()
        cls.kinds[cls.kind] = cls

    def __init__(self, *arguments: Node, detail: tuple = (), position: Position | None = None):
        self.arguments, self.detail, self.position = arguments, detail, position
        self._hash = hash((self.kind, arguments, detail))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        same = type(self) is type(other) and self._hash == other._hash
        return same and (self.arguments, self.detail) == (other.arguments, other.detail)

    def applied_to(self, *arguments: Node) -> Operation:
        """The same operation on other operands."""
        return type(self)(*arguments, detail=self.detail, position=self.position)

    def text(self) -> tuple[str, int]:
        """The operation in the language, and how tightly it holds: 1 a sum ... 5 a name."""
        return f"{self.kind}({', '.join(map(plain, self.arguments))})", 5

    def tex(self, show: Any) -> Any:
        """The operation in LaTeX; `show` is the printer (typesetting.py)."""
        name = self.notation or rf"\operatorname{{{self.kind}}}"
        return show.function(name, self.u, len(self.kind))

    def substituted(self, show: Any) -> Any:
        """The value of a leaf in LaTeX."""
        return show.numbers_of(self)


Node = Number | Name | Operation


def plain(node: Node, level: int = 0) -> str:
    """The formula as text of the language, with the fewest brackets."""
    match node:
        case Name(name=name):
            return str(name)
        case Number(value=value):
            text, own = str(value), 5 if value >= 0 and value.denominator == 1 else 2
        case _:
            text, own = node.text()
    return f"({text})" if own < level else text


def names_in(node: Node) -> list[str]:
    """The names a formula uses, in the order of their first appearance."""
    match node:
        case Name(name=name):
            return [name]
        case Operation(arguments=arguments):
            return list(dict.fromkeys(name for part in arguments for name in names_in(part)))
    return []


def substitute(node: Node, values: dict[str, Node]) -> Node:
    """The formula with names replaced by formulas."""
    match node:
        case Name(name=name):
            return values.get(name, node)
        case Operation(arguments=arguments):
            return node.applied_to(*(substitute(argument, values) for argument in arguments))
    return node


# --- shapes ------------------------------------------------------------------------------------


def describe(shape: Shape) -> str:
    """A shape in words."""
    if len(shape) == 0:
        return "a scalar"
    if len(shape) == 1:
        return f"a vector of {shape[0]}"
    return f"a {shape[0]}×{shape[1]} matrix"


class Shapes:
    """The shapes of formulas over names of known shape."""

    def __init__(self, names: dict[str, Shape], place: str = ""):
        self.names, self.place = names, place
        self._known: dict[Operation, Shape] = {}

    def __call__(self, node: Node) -> Shape:
        """The shape of a formula. Raises ExpressionError where the shapes of operands don't fit."""
        match node:
            case Number():
                return ()
            case Name(name=name):
                return self.names[name]
        if node not in self._known:
            shapes = [self(argument) for argument in node.arguments]
            shape = node.shape(*shapes)
            if not isinstance(shape, tuple):
                parts = " and ".join(
                    f"`{plain(argument)}` is {describe(shape)}"
                    for argument, shape in zip(node.arguments, shapes, strict=True)
                )
                message = f"{shape or node.wants} in `{plain(node)}`: {parts}"
                raise ExpressionError(message, node.position, self.place)
            self._known[node] = shape
        return self._known[node]


# --- exact numbers -----------------------------------------------------------------------------


def number_from(value: object, what: str) -> Fraction:
    """An exact number from a config value: a whole number, a decimal, or text such as `1/2`.

    A decimal is taken as it is written: 0.1 is 1/10. Raises ExpressionError, which names `what`.
    """
    if isinstance(value, Fraction):
        return value
    if type(value) in (int, float) and abs(value) <= LARGEST:
        return Fraction(*Decimal(str(value)).as_integer_ratio())
    text = str(value).strip() if not isinstance(value, bool) else ""
    unsigned = text[1:] if text[:1] in "+-" else text
    top, slash, bottom = unsigned.partition("/")
    readable = len(text) <= 100 and NUMBER.fullmatch(top.strip()) is not None
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
