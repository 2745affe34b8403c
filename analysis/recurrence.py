"""Derive the recurrent network's gradients and evaluate every step."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from workings import measurements
from workings.derive.derivation import Derivation, readings, symbol
from workings.derive.proofs import prove_cell, prove_operations
from workings.derive.recurrence import Gradients, Recurrence, RecurrenceError, Run
from workings.measurements import Record, record
from workings.messages import InputError

PROVED_UP_TO = 3  # components of a vector; a symbolic proof of a larger cell takes long
DIGITS = 8  # decimals in the printed matrices, as many as the original printed


def read(config: dict) -> Recurrence:
    """The cell of the config block `recurrence`.

    Raises:
        InputError: something in the block does not hold; the message has its line and column.
    """
    try:
        return Recurrence.from_config(config)
    except RecurrenceError as error:
        raise refused(error) from None


def refused(error: RecurrenceError) -> InputError:
    """The error for the person who wrote the block, with the key that it is about."""
    key = "recurrence." + error.place if error.place in ("cell", "loss", "update") else "recurrence"
    return InputError(str(error), key=key)


def line_key(name: str) -> str:
    """The key of a derivation's line among the measurements, where a point separates keys."""
    return name.replace(".", "/")


def measure(
    cell: Recurrence, run: Run, gradients: Gradients, derivation: Derivation, config: dict
) -> Record:
    """Every value of the derivation, the gradients, and the loss after one step either way."""
    values = record(
        name=cell.name or "recurrent network",
        steps=cell.steps,
        parameters=cell.size,
        loss=float(run.loss),
        gradients={name: gradients[name] for name in cell.parameters},
        lines={
            line_key(line.name): np.asarray(line.value, dtype=float)
            for line in derivation.lines
            if line.value is not None
        },
        largest_residual_of_a_line=derivation.largest_residual(),
        lines_with_numbers=sum(line.value is not None for line in derivation.lines),
        gradient_lines=[f"dL_d{name}" for name in cell.parameters],
        proofs=proofs(cell),
        has_update="update" in config,
        has_readings=bool(cell.forward_parameters),
    )
    if values["has_update"]:
        values["update"] = update(cell, run, gradients, **config["update"])
    if values["has_readings"]:
        parameter = cell.forward_parameters[0]
        both = readings(cell, run, parameter)
        gap = np.abs(both["forward"] - both["reverse"]).max()
        values["readings"] = record(
            symbol=symbol(parameter),
            forward=both["forward"],
            reverse=both["reverse"],
            total=both["total"],
            step=list(range(cell.steps)),
            largest_difference_in_a_row=float(gap),
        )
        # A table of more, or of longer, rows says less than its sum.
        values["readings_fit"] = both["forward"].shape[0] <= 10 and both["forward"][0].shape in (
            (1,), (2,), (3,),
        )  # fmt: skip
    return values


def proofs(cell: Recurrence) -> Record:
    """The rules of differentiation, proved with symbols: those of every operation, and this cell's.

    A cell whose vectors are longer than `PROVED_UP_TO` is not proved as a whole; the rules it is
    made of are.
    """
    rules = prove_operations()
    small = max(max(array.shape, default=1) for array in cell.initial_state.values())
    own = prove_cell(cell) if small <= PROVED_UP_TO else []
    return record(
        rules=len(rules),
        cell=len(own),
        statements=len(rules) + len(own),
        hold=sum(proof.holds for proof in [*rules, *own]),
    )


def update(cell: Recurrence, run: Run, gradients: Gradients, parameter: str, rate: float) -> Record:
    """The parameter and the loss after p ± rate · dL/dp."""
    values = record(symbol=symbol(parameter))
    for name, sign in (("uphill", +1.0), ("downhill", -1.0)):
        moved, loss = cell.stepped(run, gradients, parameter, sign * rate)
        values[name] = record(value=moved, loss=loss, change=loss - float(run.loss))
    return values


def printed(derivation: Derivation) -> dict:
    """The derivation as the section prints it: parts of named lines, each a few rows of TeX."""
    return {
        "names": [[symbol, meaning] for symbol, meaning in derivation.names],
        "parts": [
            {
                "name": part.name,
                "heading": part.heading,
                "note": part.note,
                "lines": [
                    {
                        "name": line.name,
                        "key": line_key(line.name) if line.value is not None else None,
                        "rows": rows,
                    }
                    for line, rows in zip(part.lines, part.rows(), strict=True)
                ],
            }
            for part in derivation.parts
        ],
    }


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["recurrence"]
    cell = read(chosen)
    try:
        run = cell.forward()
        gradients = cell.reverse(run)
        derivation = cell.derivation(run, digits=DIGITS)
    except RecurrenceError as error:
        raise refused(error) from None
    values = measure(cell, run, gradients, derivation, chosen)
    measurements.write(outputs.measurements, values)
    Path(outputs.derivation).write_text(
        json.dumps(printed(derivation), indent=1, ensure_ascii=False), encoding="utf-8"
    )
