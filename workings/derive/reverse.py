r"""Reverse mode: backpropagation through time (Werbos 1990; Goodfellow et al. 2016, eq. 10.17-10.28).

For every u of step t, over all lines v that use u,

    dL/du_t = sum_v (\partial^+ v_t / \partial u_t)^T dL/dv_t,
              and for a state also the lines v of step t+1 that use u_prev;
    dL/dp = sum_t sum_v (\partial^+ v_t / \partial p)^T dL/dv_t   for a parameter p.

\partial^+ is the immediate derivative, through the one line alone (Werbos's ordered notation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from workings.derive import operations as op
from workings.derive.cell import Cell, RecurrenceError, Run, place_of
from workings.derive.expression import (
    LOSS,
    Derivative,
    Name,
    Node,
    Shape,
    Shapes,
    alone,
    from_later,
    names_in,
    total,
)
from workings.derive.operations import ONE, plus, times, zeros
from workings.derive.program import Program, evaluate


@dataclass(frozen=True)
class Gradients:
    """Reverse mode.

    parameters: p -> dL/dp.
    total: dL/du -> (T, *shape), through all later steps; dL/dh_{-1} is that of h_prev at step 0.
    immediate: dl/du -> (T, *shape), of l_t alone through step t alone.
    """

    parameters: dict[str, np.ndarray]
    total: dict[Derivative, np.ndarray]
    immediate: dict[Derivative, np.ndarray]

    def __getitem__(self, parameter: str) -> np.ndarray:
        return self.parameters[parameter]


class ReverseMode(Cell):
    """A cell whose loss is differentiated backwards."""

    def immediate_pulls(self, name: str, g: Node) -> dict[str, Node]:
        """What the gradient g of one line sends to each name that the line uses."""
        formula = self.lines[name]
        components = {
            leaf: gradient
            for leaf in names_in(formula)
            if (gradient := op.gradient_by_components(formula, leaf, self.shapes))
        }
        pulls = {leaf: times(g, gradient) for leaf, gradient in components.items()}

        def walk(node: Node, g: Node | None, called: Node) -> None:
            if g is None or components.keys() >= set(names_in(node)):
                return
            if isinstance(node, Name):
                pulls[node.name] = plus(pulls.get(node.name), g)
                return
            back = node.pullback(g, called, self.gradient_shapes)
            for argument, contribution in zip(node.arguments, back, strict=True):
                walk(argument, contribution, argument)

        walk(formula, g, Name(name))
        return pulls

    @cached_property
    def gradient_shapes(self) -> Shapes:
        """The shapes of all names, and of their gradients."""
        known: dict[str | Derivative, Shape] = dict(self.shapes.names)
        for name, shape in self.shapes.names.items():
            known |= dict.fromkeys((total(name), alone(name), from_later(name)), shape)
        return Shapes(known)

    def adjoint_lines(self, through_time: bool = True) -> dict[Derivative, Node]:
        """The reverse program: dL/du for each name u, last line first.

        To a state, `from_later` is what the next step sends back: its dL/dh_prev.
        With `through_time` false: dl/du, of l_t alone through step t alone; not by the parameters.
        """
        d = total if through_time else alone
        sums: dict[str, Node | None] = {LOSS: ONE}
        lines: dict[Derivative, Node] = {}
        for name in reversed(self.lines):
            g = sums.get(name)
            if through_time and name in self.initial_state:
                g = plus(g, Name(from_later(name)))
            if g is None:
                continue
            if name != LOSS:
                lines[d(name)] = g
                g = Name(d(name))
            for leaf, contribution in self.immediate_pulls(name, g).items():
                sums[leaf] = plus(sums.get(leaf), contribution)
        ends = [*self.states, *(self.parameters if through_time else ())]
        return lines | {d(u): sums[u] for u in ends if sums.get(u)}

    @cached_property
    def _reverse_programs(self) -> tuple[Program, Program, dict[str, Node]]:
        """What is run backwards, what is run for each step alone, and what is summed over time."""
        lines, shapes = self.adjoint_lines(), self.gradient_shapes
        carried = {from_later(state): total(previous) for previous, state in self.states.items()}
        for previous in self.states:
            lines.setdefault(total(previous), zeros(*self.shape(previous)))
        own = {name: lines.pop(total(name), None) for name in self.parameters}
        immediate = self.adjoint_lines(through_time=False)
        return self.program(lines, shapes, carried=carried), self.program(immediate, shapes), own

    def reverse(self, run: Run) -> Gradients:
        """Backpropagation through time: dL/dp for every parameter, and all it passes on the way.

        Raises RecurrenceError where a gradient is not finite.
        """
        arithmetic = run.arithmetic
        backwards, by_step, own = self._reverse_programs
        inputs = run.values | run.parameters
        start = {from_later(s): arithmetic.zeros(self.shape(s)) for s in self.initial_state}
        with np.errstate(all="ignore"):
            adjoints = backwards.run(inputs, self.steps, arithmetic, start, backwards=True)
            immediate = by_step.run(inputs, self.steps, arithmetic)
        adjoints = {name: v for name, v in adjoints.items() if name not in start}
        adjoints = self.over_time(adjoints, self.gradient_shapes)
        summed = self._sum_over_time(run, adjoints)
        with np.errstate(all="ignore"):
            parameters = {
                name: np.asarray(summed(formula)) if formula else arithmetic.zeros(self.shape(name))
                for name, formula in own.items()
            }
        if arithmetic.dtype is not object:
            self._check_slopes(adjoints, parameters)
        return Gradients(parameters, adjoints, self.over_time(immediate, self.gradient_shapes))

    def _check_slopes(
        self, adjoints: Mapping[Derivative, np.ndarray], parameters: Mapping[str, np.ndarray]
    ) -> None:
        """Raises RecurrenceError where a gradient is not finite: of which name, first met at which step."""
        wrong = self.not_finite(adjoints)
        if wrong:
            t = wrong[-1][0]
            name = next(name for at, name in wrong if at == t).by
            when = f"at step t = {t}, "
        else:
            bad = [p for p, value in parameters.items() if not np.isfinite(value).all()]
            if not bad:
                return
            name, when = bad[0], ""
        user = next(v for v in reversed(self.lines) if name in names_in(self.lines[v]))
        raise RecurrenceError(
            f"{when}the derivative of the loss by `{name}` is not finite: it overflows, or a root, a "
            "power or a quotient has no slope there",
            self.lines[user].position,
            place_of(user),
        )

    def _sum_over_time(
        self, run: Run, adjoints: Mapping[Derivative, np.ndarray]
    ) -> Callable[[Node], Any]:
        """sum_t of a formula linear in gradients: one matrix product where it is an outer product."""
        shapes = self.gradient_shapes
        fixed = run.parameters | {name: run[name] for name in self.constants}

        def is_fixed(node: Node) -> bool:
            return fixed.keys() >= set(names_in(node))

        def value(node: Node) -> np.ndarray:
            return evaluate(node, fixed, shapes, run.arithmetic)

        def every_step(node: Node) -> np.ndarray:
            return self.at_every_step(node, run, shapes, adjoints)

        def summed(node: Node) -> Any:
            match node:
                case op.Add(u, v) if shapes(u) == shapes(v):
                    return summed(u) + summed(v)
                case op.Negative(u):
                    return -summed(u)
                case op.Outer(g, v):
                    return every_step(g).T @ every_step(v)  # (m, T) @ (T, n)
                case op.Transpose(A):
                    return summed(A).T
                case op.Multiply(u, v) if is_fixed(u):
                    return value(u) * summed(v)
                case op.Multiply(u, v) if is_fixed(v):
                    return summed(u) * value(v)
                case op.Matmul(A, B) if is_fixed(A):
                    return value(A) @ summed(B)
                case op.Matmul(A, B) if is_fixed(B):
                    return summed(A) @ value(B)
            return every_step(node).sum(axis=0)

        return summed
