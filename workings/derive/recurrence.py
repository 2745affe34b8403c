r"""Recurrent cells from a description, and their gradients in reverse and in forward mode.

A cell is a list of lines `name = formula`, run once for every step t = 0 ... T-1. A formula may use
the input x_t, the target of the step, parameters, constants, names assigned above it, and the value
that a state had one step earlier, `h_prev` for a state `h`. The loss of a step is one more formula,
l_t, and L = sum_t l_t.

Reverse mode (backpropagation through time; Werbos 1990, Goodfellow et al. 2016, eq. 10.17-10.28):
for every u of step t, over all lines v that use u,

    dL/du_t = sum_v (\partial^+ v_t / \partial u_t)^T dL/dv_t,
              and for a state also the lines v of step t+1 that use u_prev;
    dL/dp = sum_t sum_v (\partial^+ v_t / \partial p)^T dL/dv_t   for a parameter p.

Forward mode (real-time recurrent learning; Williams and Zipser 1989):

    dv_t/dp = \partial^+ v_t / \partial p + sum_u (\partial^+ v_t / \partial u_t) du_t/dp.

\partial^+ is the immediate derivative, through the one line alone (Werbos's ordered notation). Both
modes are programs in the same language as the cell, built by the rules of operations.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from workings.derive.arithmetic import DOUBLE, Arithmetic
from workings.derive.description import INPUT, LOSS, TARGET, read
from workings.derive.expression import (
    ExpressionError,
    Name,
    Node,
    Number,
    Operation,
    names_in,
    plain,
)
from workings.derive.operations import (
    Shape,
    Shapes,
    by_itself,
    describe,
    gradient_by_components,
    matmul,
    ones,
    plus,
    times,
    transpose,
)
from workings.derive.program import Program

RecurrenceError = ExpressionError  # one error for all that a description can have wrong


# --- results -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A forward pass: every name at every step, `(T, *shape)`, with `h_prev` for each state `h`."""

    values: dict[str, np.ndarray]
    parameters: dict[str, np.ndarray]
    arithmetic: Arithmetic

    @property
    def losses(self) -> np.ndarray:
        """l_t, shape (T,)."""
        return self.values[LOSS]

    @property
    def loss(self) -> Any:
        """L = sum of l_t."""
        return self.losses.sum()

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[name]


@dataclass(frozen=True)
class Gradients:
    """Reverse mode.

    parameters: p -> dL/dp.
    total: `dL_du` -> (T, *shape), through all later steps; dL/dh_{-1} is `dL_dh_prev` at step 0.
    immediate: `dl_du` -> (T, *shape), of l_t alone through step t alone.
    """

    parameters: dict[str, np.ndarray]
    total: dict[str, np.ndarray]
    immediate: dict[str, np.ndarray]

    def __getitem__(self, parameter: str) -> np.ndarray:
        return self.parameters[parameter]


@dataclass(frozen=True)
class Sensitivity:
    """Forward mode: `dv_dp` -> (T, *shape of v, *shape of p) for every name v that p reaches."""

    parameter: str
    derivatives: dict[str, np.ndarray]

    @property
    def per_step(self) -> np.ndarray:
        """dl_t/dp, the total derivative of each step's own loss, (T, *shape of p)."""
        return self.derivatives[f"dl_d{self.parameter}"]

    @property
    def total(self) -> np.ndarray:
        """dL/dp = sum_t dl_t/dp."""
        return self.per_step.sum(axis=0)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.derivatives[name]


# --- the recurrence ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Recurrence:
    """A cell, its loss, and the numbers of one problem."""

    lines: dict[str, Node]  # of the cell, then `loss`
    parameters: dict[str, np.ndarray]  # of Fractions, or of floats
    constants: dict[str, np.ndarray]
    initial_state: dict[str, np.ndarray]
    inputs: np.ndarray | None  # (T, ...)
    targets: np.ndarray | None  # (T, ...)
    steps: int  # T
    forward_parameters: tuple[str, ...] = ()
    updates: tuple[tuple[str, Fraction], ...] = ()
    name: str = ""
    meaning: Mapping[str, str] | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Recurrence:
        """Read a block of a config.

        Keys: cell, loss, parameters, initial_state, and as needed inputs, targets, steps (T where there
        are no inputs), constants (fixed, not differentiated), forward_mode, update, name, meaning.
        Raises RecurrenceError with line and column, or the key, that is wrong.
        """
        recurrence = cls(**read(config))
        recurrence._check_description()
        return recurrence

    def _check_description(self) -> None:
        for state, array in self.initial_state.items():
            if self.shape(state) != array.shape:
                raise RecurrenceError(
                    f"the state `{state}` is {describe(self.shape(state))}, but its initial value is "
                    f"{describe(array.shape)}",
                    self.lines[state].position,
                    "cell",
                )
        if self.shape(LOSS) != ():
            shape = describe(self.shape(LOSS))
            raise RecurrenceError(f"the loss must be a scalar, but it is {shape}", (1, 1), LOSS)
        for name in self.parameters:
            if LOSS not in self.reached(name):
                raise RecurrenceError(f"parameters: the loss does not depend on `{name}`")

    @property
    def states(self) -> dict[str, str]:
        """`h_prev` -> `h`."""
        return {f"{state}_prev": state for state in self.initial_state}

    @cached_property
    def shapes(self) -> Shapes:
        """The shapes of all names of one step."""
        known = {k: v.shape for k, v in (self.parameters | self.constants).items()}
        known |= {f"{k}_prev": v.shape for k, v in self.initial_state.items()}
        known |= {name: array.shape[1:] for name, array in self.sequences.items()}
        shapes = Shapes(known, "cell")
        for name, formula in self.lines.items():
            shapes.place = LOSS if name == LOSS else "cell"
            known[name] = shapes(formula)
        return shapes

    def shape(self, name: str) -> Shape:
        """The shape of a name, `h_prev` and `loss` included."""
        return self.shapes.names[name]

    @property
    def sequences(self) -> dict[str, np.ndarray]:
        """What is given for each step: the inputs, the targets."""
        both = {INPUT: self.inputs, TARGET: self.targets}
        return {name: array for name, array in both.items() if array is not None}

    @property
    def size(self) -> int:
        """The number of components of all parameters."""
        return sum(array.size for array in self.parameters.values())

    def program(
        self, lines: Mapping[str, Node], shapes: Shapes, timed: Iterable[str] = (), **options: Any
    ) -> Program:
        """A program over all names of the cell, and over `timed` ones besides."""
        timed = [*self.lines, *self.states, *self.sequences, *timed]
        return Program(lines, shapes, timed, [*self.parameters, *self.constants], **options)

    # --- forward

    @cached_property
    def _program(self) -> Program:
        fixed = [*self.parameters, *self.constants]
        return Program(self.lines, self.shapes, self.sequences, fixed, self.states)

    def forward(
        self,
        parameters: Mapping[str, np.ndarray] | None = None,
        arithmetic: Arithmetic = DOUBLE,
        initial_state: Mapping[str, np.ndarray] | None = None,
    ) -> Run:
        """Run all steps. `parameters` overrides some of them, in numbers of `arithmetic`.

        Raises RecurrenceError where a value is not finite: which formula, at which step.
        """
        own = self._converted("parameters", arithmetic) | dict(parameters or {})
        fixed = self._converted("constants", arithmetic)
        timed = self._converted("sequences", arithmetic)
        start = self._converted("initial_state", arithmetic) | dict(initial_state or {})
        start = {f"{state}_prev": array for state, array in start.items()}
        with np.errstate(all="ignore"):
            values = self._program.run(own | fixed | timed, self.steps, arithmetic, start)
        for name in self.lines:
            shape = (self.steps, *self.shape(name))
            values[name] = np.broadcast_to(np.asarray(values[name]), shape)
        run = Run(values | timed | fixed, own, arithmetic)
        if arithmetic.dtype is not object:
            self._check_finite(run)
        return run

    def _converted(self, group: str, arithmetic: Arithmetic) -> dict[str, np.ndarray]:
        """The arrays of a group in numbers of `arithmetic`, made once and then read only."""
        key = (group, arithmetic.name)
        if key not in self._arrays:
            arrays = {k: arithmetic.array(array) for k, array in getattr(self, group).items()}
            for array in arrays.values():
                array.flags.writeable = False
            self._arrays[key] = arrays
        return self._arrays[key]

    @cached_property
    def _arrays(self) -> dict[tuple[str, str], dict[str, np.ndarray]]:
        return {}

    def _check_finite(self, run: Run) -> None:
        first: tuple[int, str] | None = None
        for name in self.lines:
            bad = ~np.isfinite(run[name]).reshape(self.steps, -1).all(axis=1)
            if bad.any() and (first is None or bad.argmax() < first[0]):
                first = (int(bad.argmax()), name)
        if first is None:
            return
        t, name = first
        place = LOSS if name == LOSS else "cell"
        at_step = {key: run[key][t] for key in [*self.lines, *self.states, *self.sequences]}
        known = at_step | run.parameters | {key: run[key] for key in self.constants}
        with np.errstate(all="ignore"):
            node, message = _diagnose(self.lines[name], known, self.shapes, run.arithmetic)
        raise RecurrenceError(f"at step t = {t}, {message}", node.position, place)

    # --- reverse mode

    def immediate_pulls(self, name: str, g: Node | None = None) -> dict[str, Node]:
        """What the gradient g of one line (default `dL_dv`) sends to each name that the line uses."""
        g = Name(f"dL_d{name}") if g is None else g
        pulls: dict[str, Node] = {}
        formula = self.lines[name]
        if self.shape(name) == ():
            for leaf in names_in(formula):
                if len(self.shape(leaf)) == 1:
                    gradient = gradient_by_components(formula, leaf, self.shape(leaf)[0])
                    if gradient is not None:
                        pulls[leaf] = times(g, gradient)

        by_components = set(pulls)

        def walk(node: Node, g: Node | None, output: Node) -> None:
            if g is None or isinstance(node, Number):
                return
            if isinstance(node, Name):
                if node.name not in by_components:
                    pulls[node.name] = plus(pulls.get(node.name), g)
                return
            back = self.gradient_shapes.pullbacks(node, g, output)
            for argument, contribution in zip(node.arguments, back, strict=True):
                if contribution is not None and not by_components.issuperset(names_in(argument)):
                    walk(argument, contribution, argument)

        walk(formula, g, Name(name))
        return pulls

    @cached_property
    def gradient_shapes(self) -> Shapes:
        """The shapes of all names, and of their gradients."""
        known = dict(self.shapes.names)
        for name, shape in self.shapes.names.items():
            known |= {f"dL_d{name}": shape, f"dl_d{name}": shape, f"carry_{name}": shape}
        return Shapes(known)

    def adjoint_lines(self, through_time: bool = True) -> dict[str, Node]:
        """The reverse program: `dL_du` for each name u, last line first.

        For a state, `carry_h` stands for what the next step sends back; `dL_dh_prev` is what is sent.
        With `through_time` false: `dl_du`, of l_t alone through step t alone.
        """
        d = "dL_d" if through_time else "dl_d"
        sums: dict[str, Node | None] = {}
        lines: dict[str, Node] = {}
        for name in reversed(self.lines):
            g = sums.get(name)
            if name == LOSS:
                g = Number(Fraction(1))
            if through_time and name in self.initial_state:
                g = plus(g, Name(f"carry_{name}"))
            if g is None:
                continue
            if name != LOSS:
                lines[d + name] = g
                g = Name(d + name)
            for leaf, contribution in self.immediate_pulls(name, g).items():
                sums[leaf] = plus(sums.get(leaf), contribution)
        for leaf in [*self.states, *self.parameters]:
            total = sums.get(leaf)
            if total is not None:
                lines[d + leaf] = total
        return lines

    @cached_property
    def _reverse_programs(self) -> tuple[Program, Program, dict[str, Node]]:
        lines = self.adjoint_lines()
        carried = {}
        for previous, state in self.states.items():
            zero = times(Number(Fraction(0)), ones(*self.shape(state)))
            lines.setdefault(f"dL_d{previous}", zero)
            carried[f"carry_{state}"] = f"dL_d{previous}"
        own = {name: lines.pop(f"dL_d{name}", None) for name in self.parameters}
        total = self.program(lines, self.gradient_shapes, carried=carried)
        immediate = {
            name: formula
            for name, formula in self.adjoint_lines(through_time=False).items()
            if name.removeprefix("dl_d") not in self.parameters
        }
        return total, self.program(immediate, self.gradient_shapes), own

    def reverse(self, run: Run) -> Gradients:
        """Backpropagation through time: dL/dp for every parameter, and all it passes on the way.

        Raises RecurrenceError where a gradient is not finite.
        """
        arithmetic = run.arithmetic
        total, alone, own = self._reverse_programs
        inputs = run.values | run.parameters
        zero = {f"carry_{state}": self._zeros(state, arithmetic) for state in self.initial_state}
        with np.errstate(all="ignore"):
            adjoints = total.run(inputs, self.steps, arithmetic, zero, backwards=True)
            immediate = alone.run(inputs, self.steps, arithmetic)
        adjoints = {name: v for name, v in adjoints.items() if not name.startswith("carry_")}
        adjoints = self._over_time(adjoints)
        summing = _TimeSum(self, inputs | adjoints, adjoints, arithmetic)
        with np.errstate(all="ignore"):
            parameters = {
                name: np.asarray(summing(formula)) if formula else self._zeros(name, arithmetic)
                for name, formula in own.items()
            }
        if arithmetic.dtype is not object:
            self._check_slopes(adjoints, parameters)
        return Gradients(parameters, adjoints, self._over_time(immediate))

    def _check_slopes(
        self, adjoints: Mapping[str, np.ndarray], parameters: Mapping[str, np.ndarray]
    ) -> None:
        """Raises RecurrenceError where a gradient is not finite: of which name, first met at which step."""
        met = (-1, "")
        for key, value in adjoints.items():
            bad = ~np.isfinite(value).reshape(self.steps, -1).all(axis=1)
            if bad.any():
                met = max(met, (int(np.flatnonzero(bad)[-1]), key), key=lambda found: found[0])
        t, name = met[0], met[1].removeprefix("dL_d")
        if t < 0:
            wrong = [p for p, value in parameters.items() if not np.isfinite(value).all()]
            if not wrong:
                return
            name = wrong[0]
        user = next(v for v in reversed(self.lines) if name in names_in(self.lines[v]))
        when = f"at step t = {t}, " if t >= 0 else ""
        raise RecurrenceError(
            f"{when}the derivative of the loss by `{name}` is not finite: it overflows, or a root, a "
            "power or a quotient has no slope there",
            self.lines[user].position,
            LOSS if user == LOSS else "cell",
        )

    def _zeros(self, name: str, arithmetic: Arithmetic) -> np.ndarray:
        return arithmetic.array(np.zeros(self.shape(name), dtype=int))

    def _over_time(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            name: np.broadcast_to(
                np.asarray(value), (self.steps, *self.gradient_shapes(Name(name)))
            )
            for name, value in values.items()
        }

    # --- a step along the gradient

    def stepped(
        self, run: Run, gradients: Gradients, parameter: str, rate: float
    ) -> tuple[np.ndarray, float]:
        """p + rate dL/dp, and the loss there.

        Raises RecurrenceError where that is not finite: the step is too long.
        """
        value = np.asarray(run.parameters[parameter], dtype=float) + rate * gradients[parameter]
        try:
            return value, float(self.forward({parameter: value}).loss)
        except RecurrenceError as error:
            raise RecurrenceError(
                f"a step of {rate:g} along the gradient of `{parameter}` leads to where the cell "
                f"cannot be run ({error}); a smaller rate is right",
                None,
                "update",
            ) from None

    # --- forward mode

    def tangent_lines(self, parameter: str) -> tuple[dict[str, Node], Shapes]:
        """The forward program: `dv_dp` for each name v that the parameter p reaches."""
        size = int(np.prod(self.shape(parameter)))
        known = dict(self.shapes.names)
        reached = self.reached(parameter)
        for name in reached:
            rows = int(np.prod(self.shape(name)))
            shape = (size,) if self.shape(name) == () else (rows, size)
            known[tangent_name(name, parameter)] = shape
        shapes = Shapes(known)
        tangents = {name: Name(tangent_name(name, parameter)) for name in reached}
        tangents[parameter] = by_itself(self.shape(parameter))
        lines = {}
        for name in self.lines:
            formula = self._tangent_by_components(name, parameter, reached)
            formula = formula or shapes.pushed(self.lines[name], tangents, Name(name))
            if formula is not None:
                lines[tangent_name(name, parameter)] = formula
        return lines, shapes

    def _tangent_by_components(self, name: str, parameter: str, reached: set[str]) -> Node | None:
        """(du/dp)^T dv/du of a scalar line v that uses one vector u, and that by its components."""
        sources = [leaf for leaf in names_in(self.lines[name]) if leaf in reached]
        if self.shape(name) != () or len(sources) != 1 or parameter in names_in(self.lines[name]):
            return None
        (u,) = sources
        if len(self.shape(u)) != 1:
            return None
        gradient = gradient_by_components(self.lines[name], u, self.shape(u)[0])
        if gradient is None:
            return None
        return matmul(transpose(Name(tangent_name(u, parameter))), gradient)

    def reached(self, parameter: str) -> set[str]:
        """The names whose values depend on a parameter, `h_prev` included."""
        reached: set[str] = set()
        while True:
            before = len(reached)
            for name, formula in self.lines.items():
                if not reached.isdisjoint(used := set(names_in(formula))) or parameter in used:
                    reached.add(name)
            reached |= {prev for prev, state in self.states.items() if state in reached}
            if len(reached) == before:
                return reached

    def forward_mode(self, run: Run, parameter: str) -> Sensitivity:
        """The derivative of every name of every step by one parameter, carried forwards in time."""
        if parameter not in self.parameters:
            raise RecurrenceError(f"forward_mode: there is no parameter `{parameter}`")
        lines, shapes = self.tangent_lines(parameter)
        carried = {
            tangent_name(previous, parameter): tangent_name(state, parameter)
            for previous, state in self.states.items()
            if tangent_name(state, parameter) in lines
        }
        program = self.program(lines, shapes, carried=carried)
        zero = {
            name: run.arithmetic.array(np.zeros(shapes.names[name], dtype=int)) for name in carried
        }
        with np.errstate(all="ignore"):
            values = program.run(run.values | run.parameters, self.steps, run.arithmetic, zero)
        derivatives = {}
        for name in self.reached(parameter):
            key = tangent_name(name, parameter)
            array = np.broadcast_to(np.asarray(values[key]), (self.steps, *shapes.names[key]))
            full = (self.steps, *self.shape(name), *self.shape(parameter))
            derivatives[key] = array.reshape(full)
        return Sensitivity(parameter, derivatives)

    # --- one line's own Jacobians

    def jacobian_formula(self, name: str, operand: str) -> Node | None:
        r"""\partial^+ v / \partial u, the immediate Jacobian of line v by a name u that it uses.

        Of size (components of v, components of u); a vector (components of u,) if v is a scalar.
        """
        formula = self.lines[name]
        if self.shape(name) == () and len(self.shape(operand)) == 1:
            gradient = gradient_by_components(formula, operand, self.shape(operand)[0])
            if gradient is not None:
                return gradient
        tangents = {operand: by_itself(self.shape(operand))}
        return self.shapes.pushed(formula, tangents, Name(name))

    def jacobian(self, run: Run, name: str, operand: str) -> np.ndarray:
        r"""\partial^+ v_t / \partial u_t at every step, (T, *shape of v, *shape of u)."""
        formula = self.jacobian_formula(name, operand)
        shape = (self.steps, *self.shape(name), *self.shape(operand))
        if formula is None:
            return np.zeros(shape)
        program = self.program({"J": formula}, self.shapes)
        values = program.run(run.values | run.parameters, self.steps, run.arithmetic)
        return np.broadcast_to(values["J"], (self.steps, *self.shapes(formula))).reshape(shape)


def tangent_name(name: str, parameter: str) -> str:
    """`dv_dp`; the loss of a step is l."""
    return f"d{'l' if name == LOSS else name}_d{parameter}"


class _TimeSum:
    """sum_t of a formula linear in gradients: one matrix product where it is an outer product."""

    def __init__(
        self,
        cell: Recurrence,
        values: Mapping[str, Any],
        timed: Iterable[str],
        arithmetic: Arithmetic,
    ):
        self.cell, self.values, self.timed, self.arithmetic = cell, values, timed, arithmetic
        self.shapes = cell.gradient_shapes
        self.fixed = {*cell.parameters, *cell.constants}

    def __call__(self, node: Node) -> Any:
        match node:
            case Operation("add", (u, v)) if self.shapes(u) == self.shapes(v):
                return self(u) + self(v)
            case Operation("negative", (u,)):
                return -self(u)
            case Operation("outer", (g, v)):
                left, right = self.every_step(g), self.every_step(v)
                return left.T @ right  # (m, T) @ (T, n)
            case Operation("transpose", (a,)):
                return self(a).T
            case Operation("multiply", (u, v)) if self.is_fixed(u):
                return self.value(u) * self(v)
            case Operation("multiply", (u, v)) if self.is_fixed(v):
                return self(u) * self.value(v)
            case Operation("matmul", (a, b)) if self.is_fixed(a):
                return self.value(a) @ self(b)
            case Operation("matmul", (a, b)) if self.is_fixed(b):
                return self(a) @ self.value(b)
        return self.every_step(node).sum(axis=0)

    def is_fixed(self, node: Node) -> bool:
        return self.fixed.issuperset(names_in(node))

    def value(self, node: Node) -> Any:
        """The formula run over all steps, with time as the leading axis where there is time in it."""
        if isinstance(node, Name):
            return self.values[node.name]
        program = self.cell.program({"value": node}, self.shapes, self.timed)
        return program.run(self.values, self.cell.steps, self.arithmetic)["value"]

    def every_step(self, node: Node) -> np.ndarray:
        """The formula at every step, (T, *shape)."""
        return np.broadcast_to(self.value(node), (self.cell.steps, *self.shapes(node)))


def _diagnose(
    formula: Node, known: Mapping[str, Any], shapes: Shapes, arithmetic: Arithmetic
) -> tuple[Node, str]:
    """The innermost part of a formula that is not finite, and why."""

    def value_of(node: Node) -> Any:
        program = Program({"value": node}, shapes, [], known)
        return np.asarray(program.run(known, 1, arithmetic)["value"])

    def search(node: Node) -> Node | None:
        for argument in getattr(node, "arguments", ()):
            found = search(argument)
            if found is not None:
                return found
        return None if np.isfinite(value_of(node)).all() else node

    node = search(formula) or formula
    text = plain(node)
    if not isinstance(node, Operation) or not node.arguments:
        return node, f"`{text}` is not finite"
    operand = np.real(value_of(node.arguments[-1]))
    worst = f"{np.min(operand):.6g}"
    if node.kind == "log" and np.min(operand) <= 0:
        what = "zero" if np.min(operand) == 0 else f"a negative number ({worst})"
        return node, f"the logarithm of {what} in `{text}`"
    if node.kind == "sqrt" and np.min(operand) < 0:
        return node, f"the square root of a negative number ({worst}) in `{text}`"
    if node.kind == "divide" and np.any(operand == 0):
        return node, f"division by zero in `{text}`"
    if node.kind == "power" and np.min(operand) <= 0 and node.detail[0].denominator != 1:
        return node, f"a broken power of a negative number ({worst}) in `{text}`"
    if node.kind == "power" and np.any(operand == 0):
        return node, f"division by zero in `{text}`"
    return node, f"overflow: `{text}` is beyond 1.8e308"
