"""A recurrent cell with the numbers of one problem, and its forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from workings.derive.arithmetic import DOUBLE, Arithmetic
from workings.derive.expression import (
    INPUT,
    LOSS,
    TARGET,
    ExpressionError,
    Node,
    Shape,
    Shapes,
    names_in,
    plain,
)
from workings.derive.operations import Rule
from workings.derive.program import Program, evaluate

RecurrenceError = ExpressionError  # one error for all that a description can have wrong


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
class Cell:
    """A cell, its loss, and the numbers of one problem."""

    lines: dict[str, Node]  # of the cell, then `loss`
    parameters: dict[str, np.ndarray]  # of Fractions, or of floats
    constants: dict[str, np.ndarray]
    initial_state: dict[str, np.ndarray]
    inputs: np.ndarray | None  # (T, ...)
    targets: np.ndarray | None  # (T, ...)
    steps: int  # T
    forward_parameters: tuple[str, ...] = ()
    update: tuple[str, Fraction] | None = None  # the parameter and the rate of one step down
    name: str = ""
    meaning: Mapping[str, str] | None = None
    worked_step: int | None = None  # printed with its numbers; by default the last
    full_lines: bool = True  # whether the other steps are too

    @property
    def states(self) -> dict[str, str]:
        """`h_prev` -> `h`."""
        return {f"{state}_prev": state for state in self.initial_state}

    @property
    def sequences(self) -> dict[str, np.ndarray]:
        """What is given for each step: the inputs, the targets."""
        both = {INPUT: self.inputs, TARGET: self.targets}
        return {name: array for name, array in both.items() if array is not None}

    @property
    def size(self) -> int:
        """The number of components of all parameters."""
        return sum(array.size for array in self.parameters.values())

    @cached_property
    def shapes(self) -> Shapes:
        """The shapes of all names of one step."""
        known = {k: v.shape for k, v in (self.parameters | self.constants).items()}
        known |= {f"{k}_prev": v.shape for k, v in self.initial_state.items()}
        known |= {name: array.shape[1:] for name, array in self.sequences.items()}
        shapes = Shapes(known, "cell")
        for name, formula in self.lines.items():
            shapes.place = place_of(name)
            known[name] = shapes(formula)
        return shapes

    def shape(self, name: str) -> Shape:
        """The shape of a name, `h_prev` and `loss` included."""
        return self.shapes.names[name]

    def reached(self, parameter: str) -> set[str]:
        """The names whose values depend on a parameter, `h_prev` included."""
        reached: set[str] = set()
        before = None
        while reached != before:
            before = set(reached)
            for name, formula in self.lines.items():
                if not {parameter, *reached}.isdisjoint(names_in(formula)):
                    reached.add(name)
            reached |= {prev for prev, state in self.states.items() if state in reached}
        return reached

    def program(
        self, lines: Mapping[str, Node], shapes: Shapes, timed: Iterable[str] = (), **options: Any
    ) -> Program:
        """A program over all names of the cell, and over `timed` ones besides."""
        timed = [*self.lines, *self.states, *self.sequences, *timed]
        return Program(lines, shapes, timed, [*self.parameters, *self.constants], **options)

    def at_every_step(
        self,
        formula: Node,
        run: Run,
        shapes: Shapes,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> np.ndarray:
        """A formula at all steps, (T, *shape); `more` are further values over time."""
        program, known = self.program({"value": formula}, shapes, more), run.values | run.parameters
        values = program.run(known | dict(more), self.steps, run.arithmetic)["value"]
        return np.broadcast_to(values, (self.steps, *shapes(formula)))

    @cached_property
    def _program(self) -> Program:
        fixed = [*self.parameters, *self.constants]
        return Program(self.lines, self.shapes, self.sequences, fixed, self.states)

    @cached_property
    def _converted(self) -> Callable[[str, Arithmetic], dict[str, np.ndarray]]:
        """The arrays of a group in numbers of some kind, made once and then read only."""

        @cache
        def converted(group: str, arithmetic: Arithmetic) -> dict[str, np.ndarray]:
            arrays = {name: arithmetic.array(a) for name, a in getattr(self, group).items()}
            for array in arrays.values():
                array.flags.writeable = False
            return arrays

        return converted

    def forward(
        self,
        parameters: Mapping[str, np.ndarray] | None = None,
        arithmetic: Arithmetic = DOUBLE,
        initial_state: Mapping[str, np.ndarray] | None = None,
    ) -> Run:
        """Run all steps. `parameters` overrides some of them, in numbers of `arithmetic`.

        Raises RecurrenceError where a value is not finite: which formula, at which step.
        """
        own, fixed, timed, start = (
            self._converted(group, arithmetic)
            for group in ("parameters", "constants", "sequences", "initial_state")
        )
        own = own | dict(parameters or {})
        start = start | dict(initial_state or {})
        start = {f"{state}_prev": array for state, array in start.items()}
        with np.errstate(all="ignore"):
            values = self._program.run(own | fixed | timed, self.steps, arithmetic, start)
        values |= self.over_time({name: values[name] for name in self.lines}, self.shapes)
        run = Run(values | timed | fixed, own, arithmetic)
        if arithmetic.dtype is not object:
            self._check_finite(run)
        return run

    def over_time(self, values: Mapping[str, Any], shapes: Shapes) -> dict[str, np.ndarray]:
        """The values at each step, (T, *shape), also of what has no time in it."""
        return {
            name: np.broadcast_to(np.asarray(value), (self.steps, *shapes.names[name]))
            for name, value in values.items()
        }

    def not_finite(self, values: Mapping[str, np.ndarray]) -> list[tuple[int, str]]:
        """Each step with each name whose value is not finite there, step by step."""
        wrong = [
            (int(t), name)
            for name, value in values.items()
            for t in np.flatnonzero(~np.isfinite(value).reshape(self.steps, -1).all(axis=1))
        ]
        return sorted(wrong, key=lambda found: found[0])

    def _check_finite(self, run: Run) -> None:
        wrong = self.not_finite({name: run[name] for name in self.lines})
        if not wrong:
            return
        t, name = wrong[0]
        timed = [*self.lines, *self.states, *self.sequences]
        known = {key: run[key][t] for key in timed} | {key: run[key] for key in self.constants}
        with np.errstate(all="ignore"):
            node, reason = self._culprit(self.lines[name], known | run.parameters, run.arithmetic)
        message = f"at step t = {t}, {reason.format(text=f'`{plain(node)}`')}"
        raise RecurrenceError(message, node.position, place_of(name))

    def _culprit(
        self, formula: Node, known: Mapping[str, Any], arithmetic: Arithmetic
    ) -> tuple[Node, str]:
        """The innermost part of a formula that is not finite, and why."""

        def value(node: Node) -> np.ndarray:
            return evaluate(node, known, self.shapes, arithmetic)

        def search(node: Node) -> Node | None:
            inner = map(search, getattr(node, "arguments", ()))
            found = next((part for part in inner if part is not None), None)
            return found or (None if np.isfinite(value(node)).all() else node)

        node = search(formula) or formula
        if isinstance(node, Rule):
            return node, node.failure(np.real(value(node.arguments[-1])))
        return node, "{text} is not finite"


def place_of(line: str) -> str:
    """Which text of a description a line stands in."""
    return LOSS if line == LOSS else "cell"
