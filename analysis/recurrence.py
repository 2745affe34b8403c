"""Derive the recurrent network's gradients and evaluate every step."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from workings import measurements
from workings.derive.derivation import Derivation, derive, readings
from workings.derive.description import refusing
from workings.derive.proofs import prove_cell, prove_operations
from workings.derive.recurrence import Gradients, Recurrence, Run
from workings.derive.typesetting import symbol
from workings.measurements import Record, record

DIGITS = 8  # decimals in the printed matrices, as many as the original printed


def measure(cell: Recurrence, run: Run, gradients: Gradients, derivation: Derivation) -> Record:
    """Every value of the derivation, the gradients, and the loss after one step either way."""
    values = record(
        name=cell.name or "recurrent network",
        steps=cell.steps,
        parameters=cell.size,
        loss=float(run.loss),
        gradients={name: gradients[name] for name in cell.parameters},
        lines=derivation.values,
        largest_residual_of_a_line=derivation.largest_residual(),
        lines_with_numbers=len(derivation.values),
        gradient_lines=[f"dL_d{name}" for name in cell.parameters],
        proofs=proofs(cell),
    )
    if cell.update:
        values["update"] = update(cell, run, gradients)
    if cell.forward_parameters:
        parameter = cell.forward_parameters[0]
        both = readings(cell, run, parameter)
        gap = np.abs(both["forward"] - both["reverse"]).max()
        values["readings"] = record(
            symbol=symbol(parameter),
            **both,
            step=list(range(cell.steps)),
            largest_difference_in_a_row=float(gap),
        )
        # A table of more, or of longer, rows says less than its sum.
        shape = cell.shape(parameter)
        values["readings_fit"] = cell.steps <= 10 and len(shape) == 1 and shape[0] <= 3
    return values


def proofs(cell: Recurrence) -> Record:
    """The rules of differentiation, proved with symbols: those of every operation, and this cell's."""
    rules, own = prove_operations(), prove_cell(cell)
    return record(
        rules=len(rules),
        cell=len(own),
        statements=len(rules) + len(own),
        hold=sum(proof.holds for proof in [*rules, *own]),
    )


def update(cell: Recurrence, run: Run, gradients: Gradients) -> Record:
    """The parameter and the loss after p ± rate · dL/dp."""
    parameter, rate = cell.update
    values = record(symbol=symbol(parameter))
    for name, sign in (("uphill", +1), ("downhill", -1)):
        moved, loss = cell.stepped(run, gradients, parameter, sign * float(rate))
        values[name] = record(value=moved, loss=loss, change=loss - float(run.loss))
    return values


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    with refusing("recurrence"):
        cell = Recurrence.from_config(config["recurrence"])
        run = cell.forward()
        gradients = cell.reverse(run)
        derivation = derive(cell, run, digits=DIGITS)
        values = measure(cell, run, gradients, derivation)
    measurements.write(outputs.measurements, values)
    Path(outputs.derivation).write_text(
        json.dumps(derivation.printed(), indent=1, ensure_ascii=False), encoding="utf-8"
    )
