r"""Forward mode: real-time recurrent learning (Williams and Zipser 1989).

    dv_t/dp = \partial^+ v_t / \partial p + sum_u (\partial^+ v_t / \partial u_t) du_t/dp

\partial^+ is the immediate derivative, through the one line alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workings.derive.cell import Cell, RecurrenceError, Run
from workings.derive.expression import LOSS, Name, Node, Shapes, names_in
from workings.derive.operations import by_itself, matmul, tangent_of, transpose


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


def tangent_name(name: str, parameter: str) -> str:
    """`dv_dp`; the loss of a step is l."""
    return f"d{'l' if name == LOSS else name}_d{parameter}"


class ForwardMode(Cell):
    """A cell whose names are differentiated forwards."""

    def tangent_lines(self, parameter: str) -> tuple[dict[str, Node], Shapes]:
        """The forward program: `dv_dp` for each name v that the parameter p reaches."""
        size = int(np.prod(self.shape(parameter)))
        reached = self.reached(parameter)
        names = {name: tangent_name(name, parameter) for name in reached}
        known = dict(self.shapes.names)
        for name in reached:
            shape = self.shape(name)
            known[names[name]] = (int(np.prod(shape)), size) if shape else (size,)
        shapes = Shapes(known)
        tangents = {name: Name(tangent) for name, tangent in names.items()}
        tangents[parameter] = by_itself(self.shape(parameter))
        lines = {}
        for name in self.lines:
            formula = self._tangent_by_components(name, tangents)
            formula = formula or tangent_of(self.lines[name], tangents, Name(name), shapes)
            if formula is not None:
                lines[tangent_name(name, parameter)] = formula
        return lines, shapes

    def _tangent_by_components(self, name: str, tangents: dict[str, Node]) -> Node | None:
        """(du/dp)^T dv/du of a scalar line v that uses one vector u, and that by its components."""
        sources = [leaf for leaf in names_in(self.lines[name]) if leaf in tangents]
        if len(sources) != 1 or sources[0] in self.parameters:
            return None
        gradient = self.by_components(name, sources[0])
        return gradient and matmul(transpose(tangents[sources[0]]), gradient)

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
        start = {name: run.arithmetic.zeros(shapes.names[name]) for name in carried}
        with np.errstate(all="ignore"):
            values = program.run(run.values | run.parameters, self.steps, run.arithmetic, start)
        derivatives = {}
        for name in self.reached(parameter):
            key = tangent_name(name, parameter)
            array = self.over_time({key: values[key]}, shapes)[key]
            full = (self.steps, *self.shape(name), *self.shape(parameter))
            derivatives[key] = array.reshape(full)
        return Sensitivity(parameter, derivatives)

    def jacobian_formula(self, name: str, operand: str) -> Node | None:
        r"""\partial^+ v / \partial u, the immediate Jacobian of line v by a name u that it uses.

        Of size (components of v, components of u); a vector (components of u,) if v is a scalar.
        """
        tangents = {operand: by_itself(self.shape(operand))}
        return self.by_components(name, operand) or tangent_of(
            self.lines[name], tangents, Name(name), self.shapes
        )

    def jacobian(self, run: Run, name: str, operand: str) -> np.ndarray:
        r"""\partial^+ v_t / \partial u_t at every step, (T, *shape of v, *shape of u)."""
        formula = self.jacobian_formula(name, operand)
        shape = (self.steps, *self.shape(name), *self.shape(operand))
        if formula is None:
            return np.zeros(shape)
        return self.at_every_step(formula, run, self.shapes).reshape(shape)
