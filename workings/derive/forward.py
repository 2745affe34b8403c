r"""Forward mode: real-time recurrent learning (Williams and Zipser 1989).

    dv_t/dp = \partial^+ v_t / \partial p + sum_u (\partial^+ v_t / \partial u_t) du_t/dp

\partial^+ is the immediate derivative, through the one line alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workings.derive.cell import Cell, Run
from workings.derive.expression import Derivative, Name, Node, Shapes, names_in
from workings.derive.operations import (
    by_itself,
    gradient_by_components,
    matmul,
    tangent_of,
    transpose,
)


class ForwardMode(Cell):
    """A cell whose names are differentiated forwards."""

    def push(self, name: str, tangents: Mapping[str, Node], shapes: Shapes) -> Node | None:
        """The tangent of a line from those of the names that it uses; None stands for zero."""
        formula = self.lines[name]
        sources = [leaf for leaf in names_in(formula) if leaf in tangents]
        if len(sources) == 1 and (w := gradient_by_components(formula, sources[0], shapes)):
            return matmul(transpose(tangents[sources[0]]), w)
        return tangent_of(formula, tangents, Name(name), shapes)

    def tangent_lines(self, parameter: str) -> tuple[dict[Derivative, Node], Shapes]:
        """The forward program: dv/dp for each name v that the parameter p reaches."""
        size = int(np.prod(self.shape(parameter)))
        reached = {name: Derivative(name, parameter) for name in self.reached(parameter)}
        shapes = Shapes(dict(self.shapes.names))
        for name, tangent in reached.items():
            shape = self.shape(name)
            shapes.names[tangent] = (int(np.prod(shape)), size) if shape else (size,)
        tangents = {name: Name(tangent) for name, tangent in reached.items()}
        tangents[parameter] = by_itself(self.shape(parameter))
        pushed = {name: self.push(name, tangents, shapes) for name in self.lines}
        return {reached[name]: formula for name, formula in pushed.items() if formula}, shapes

    def forward_mode(self, run: Run, parameter: str) -> dict[str, np.ndarray]:
        """v -> dv/dp, (T, *shape of v, *shape of p), for every name v of a step that p reaches.

        That of `loss` is the total derivative of each step's own loss: dL/dp is its sum over t.
        """
        lines, shapes = self.tangent_lines(parameter)
        carried = {
            Derivative(previous, parameter): Derivative(state, parameter)
            for previous, state in self.states.items()
            if Derivative(state, parameter) in lines
        }
        program = self.program(lines, shapes, carried=carried)
        start = {name: run.arithmetic.zeros(shapes.names[name]) for name in carried}
        with np.errstate(all="ignore"):
            values = program.run(run.values | run.parameters, self.steps, run.arithmetic, start)
        by = self.shape(parameter)
        return {
            name.of: array.reshape(self.steps, *self.shape(name.of), *by)
            for name, array in self.over_time(values, shapes).items()
        }

    def jacobian_formula(self, name: str, operand: str) -> Node | None:
        r"""\partial^+ v / \partial u, the immediate Jacobian of line v by a name u that it uses.

        Of size (components of v, components of u); a vector (components of u,) if v is a scalar.
        """
        return self.push(name, {operand: by_itself(self.shape(operand))}, self.shapes)
