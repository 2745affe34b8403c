"""Derive the recurrent network's gradients and evaluate every step."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from analysis.maths.comparison import lines_of
from workings import config as settings
from workings import figures, measurements
from workings.derive.derivation import Derivation, derive, readings
from workings.derive.description import refusing
from workings.derive.drawing import unrolled
from workings.derive.proofs import (
    POINTS,
    PROVED,
    REFUTED,
    TRIED,
    UNTRIED,
    prove_cell,
    prove_operations,
)
from workings.derive.recurrence import Gradients, Recurrence, Run
from workings.derive.symbols import symbol
from workings.derive.typesetting import WIDE_WIDTH
from workings.measurements import Record, record

DIGITS = 8  # decimals in the printed matrices, as many as the original printed


def measure(cell: Recurrence, run: Run, gradients: Gradients, derivation: Derivation) -> Record:
    """Every value of the derivation, the gradients, and the loss after one step either way."""
    values = record(
        name=cell.name or "recurrent network",
        steps=cell.steps,
        worked_step=cell.steps - 1 if cell.worked_step is None else cell.worked_step,
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
            symbol=symbol(parameter), largest_difference_in_a_step=float(gap)
        )
    return values


def proofs(cell: Recurrence) -> Record:
    """What is proved: of the rules of every operation, and of this cell's formulas."""
    rules, own = prove_operations(), prove_cell(cell)
    counts = Counter(proof.verdict for proof in [*rules, *own])
    return record(
        rules=len(rules),
        cell=len(own),
        statements=len(rules) + len(own),
        proved=counts[PROVED],
        tried=counts[TRIED],
        untried=counts[UNTRIED],
        refuted=counts[REFUTED],
        points=POINTS,
    )


def update(cell: Recurrence, run: Run, gradients: Gradients) -> Record:
    """The parameter and the loss after p ± rate · dL/dp."""
    parameter, rate = cell.update
    values = record(symbol=symbol(parameter))
    for name, sign in (("uphill", +1), ("downhill", -1)):
        moved, loss = cell.stepped(run, gradients, parameter, sign * float(rate))
        values[name] = record(value=moved, loss=loss, change=loss - float(run.loss))
    return values


def meaning(cell: str, files: list[str]) -> dict[str, str]:
    """What the names of a cell stand for, if one of the shipped `files` has the same cell."""
    for block in (settings.read_yaml(Path(file))["recurrence"] for file in files):
        if lines_of(block["cell"]) == lines_of(cell):
            return block["meaning"]
    return {}


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    with refusing("recurrence"):
        chosen = config["recurrence"]
        cell = Recurrence.from_config({"meaning": meaning(chosen["cell"], inputs.cells)} | chosen)
        run = cell.forward()
        gradients = cell.reverse(run)
        derivation = derive(cell, run, digits=DIGITS, width=WIDE_WIDTH)
        values = measure(cell, run, gradients, derivation)
    measurements.write(outputs.measurements, values)
    derivation.write(outputs.derivation)
    figures.save(unrolled(cell), outputs.figure)
