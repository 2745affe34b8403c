r"""Recurrent cells from a description, and their gradients in reverse and in forward mode.

A cell is a list of lines `name = formula`, run once for every step t = 0 ... T-1. A formula may use
the input x_t, the target of the step, parameters, constants, names assigned above it, and the value
that a state had one step earlier, `h_prev` for a state `h`. The loss of a step is one more formula,
l_t, and L = sum_t l_t. Both modes are programs in the same language as the cell, built by the rules
of operations.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workings.derive.cell import RecurrenceError, Run
from workings.derive.description import read
from workings.derive.expression import LOSS, describe
from workings.derive.forward import ForwardMode
from workings.derive.reverse import Gradients, ReverseMode


class Recurrence(ReverseMode, ForwardMode):
    """A cell, its loss, the numbers of one problem, and the gradients of the loss."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Recurrence:
        """Read a block of a config.

        Keys: cell, loss, parameters, initial_state, and as needed inputs, targets, steps (T where there
        are no inputs), constants (fixed, not differentiated), forward_mode, update, name, meaning.
        Raises RecurrenceError with line and column, or the key, that is wrong.
        """
        cell = cls(**read(config))
        for state, array in cell.initial_state.items():
            if cell.shape(state) != array.shape:
                raise RecurrenceError(
                    f"the state `{state}` is {describe(cell.shape(state))}, but its initial value is "
                    f"{describe(array.shape)}",
                    cell.lines[state].position,
                    "cell",
                )
        if cell.shape(LOSS) != ():
            shape = describe(cell.shape(LOSS))
            raise RecurrenceError(f"the loss must be a scalar, but it is {shape}", (1, 1), LOSS)
        for name in cell.parameters:
            if LOSS not in cell.reached(name):
                raise RecurrenceError(f"parameters: the loss does not depend on `{name}`")
        return cell

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
