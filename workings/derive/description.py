"""The description of a recurrence in a config: read, checked, and refused with its reason."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from workings.derive.expression import (
    FUNCTIONS,
    ExpressionError,
    Node,
    is_name,
    names_in,
    number_from,
    parse_assignments,
    parse_formula,
)
from workings.derive.operations import describe
from workings.derive.recurrence import INPUT, LOSS, TARGET, Recurrence, RecurrenceError

_KEYS = {
    "cell", "loss", "parameters", "constants", "initial_state", "inputs", "targets", "steps",
    "forward_mode", "update", "name", "meaning",
}  # fmt: skip


def _array(value: object, what: str, depth: int = 0) -> np.ndarray:
    """An array of exact numbers from nested lists, or an array of floats as it is."""
    if depth > 3:
        raise RecurrenceError(f"{what}: nested more deeply than a sequence of matrices")
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return value
        if not np.issubdtype(value.dtype, np.number) or not np.isfinite(value).all():
            raise RecurrenceError(f"{what}: expected finite numbers")
        return value.astype(np.float64)
    if not isinstance(value, list | tuple):
        array = np.empty((), dtype=object)
        array[()] = number_from(value, what)
        return array
    if not value:
        raise RecurrenceError(f"{what} is empty")
    parts = [_array(part, f"{what}[{i}]", depth + 1) for i, part in enumerate(value)]
    for i, part in enumerate(parts):
        if part.shape != parts[0].shape:
            raise RecurrenceError(
                f"{what}: element 0 is {describe(parts[0].shape)}, "
                f"but element {i} is {describe(part.shape)}"
            )
    return np.stack(parts)


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, Mapping):
        raise RecurrenceError(f"{key}: expected `name: value` pairs, got {value!r:.60}")
    return value


def read(config: Mapping[str, Any]) -> Recurrence:
    """See Recurrence.from_config."""
    if not isinstance(config, Mapping):
        raise RecurrenceError(f"recurrence: expected a mapping, got {config!r:.60}")
    for key in config:
        if key not in _KEYS:
            raise RecurrenceError(f"unknown key `{key}`; known: {', '.join(sorted(_KEYS))}")
    for key in ("cell", "loss", "parameters"):
        if config.get(key) is None:
            raise RecurrenceError(f"the key `{key}` is missing")

    groups = {key: _mapping(config, key) for key in ("parameters", "constants", "initial_state")}
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for group, members in groups.items():
        arrays[group] = {}
        for name, value in members.items():
            _check_name(name, group)
            arrays[group][name] = array = _array(value, f"{group}, {name}")
            if array.ndim > 2:
                raise RecurrenceError(f"{group}, {name}: more than two indices")
    parameters, constants, initial = arrays.values()
    for name in parameters.keys() & constants.keys():
        raise RecurrenceError(f"`{name}` is both a parameter and a constant")

    sequences = {}
    for key, name in (("inputs", INPUT), ("targets", TARGET)):
        if config.get(key) is not None:
            sequences[name] = _array(config[key], key)
            if sequences[name].ndim == 0:
                raise RecurrenceError(f"{key}: expected a list with one entry per step")
    steps = _steps(config, sequences)

    previous = [f"{state}_prev" for state in initial]
    known = [*parameters, *constants, *previous, *sequences]
    cell, loss = config["cell"], config["loss"]
    try:
        lines = parse_assignments(cell if isinstance(cell, str) else "", known)
    except ExpressionError as error:
        raise _explained(error, cell, initial) from None
    for name, formula in lines:
        _check_name(name, "cell", formula)
    names = [name for name, _ in lines]
    for state in initial:
        if state not in names:
            raise RecurrenceError(f"initial_state: the cell has no line `{state} = ...`")
    lines.append((LOSS, parse_formula(_text(loss), [*known, *names], place=LOSS)))
    meaning = _mapping(config, "meaning")
    explained = {*parameters, *constants, *sequences, *names, LOSS}
    for name in meaning:
        if name not in explained:
            raise RecurrenceError(f"meaning: nothing is called `{name}`")

    used = {name for _, formula in lines for name in names_in(formula)}
    for group, members in (("parameters", parameters), ("constants", constants)):
        for name in members:
            if name not in used:
                raise RecurrenceError(f"{group}: neither the cell nor the loss uses `{name}`")

    forward = config.get("forward_mode") or []
    forward = forward if isinstance(forward, list | tuple) else [forward]
    for name in forward:
        if not isinstance(name, str) or name not in parameters:
            raise RecurrenceError(f"forward_mode: `{name}` is not a parameter")
        if forward.count(name) > 1:
            raise RecurrenceError(f"forward_mode: `{name}` is there twice")
    recurrence = Recurrence(
        lines=dict(lines),
        parameters=parameters,
        constants=constants,
        initial_state=initial,
        inputs=sequences.get(INPUT),
        targets=sequences.get(TARGET),
        steps=steps,
        forward_parameters=tuple(forward),
        updates=_updates(config.get("update"), parameters),
        name=str(config.get("name", "")),
        meaning=meaning,
    )
    shapes = recurrence.shapes  # raises where shapes do not fit
    for state, array in initial.items():
        if shapes.names[state] != array.shape:
            raise RecurrenceError(
                f"the state `{state}` is {describe(shapes.names[state])}, but its initial value is "
                f"{describe(array.shape)}",
                recurrence.lines[state].position,
                "cell",
            )
    if shapes.names[LOSS] != ():
        raise RecurrenceError(
            f"the loss must be a scalar, but it is {describe(shapes.names[LOSS])}", (1, 1), LOSS
        )
    for name in parameters:
        if LOSS not in recurrence.reached(name):
            raise RecurrenceError(f"parameters: the loss does not depend on `{name}`")
    return recurrence


def _text(value: object) -> str:
    """A formula as YAML gives it: a text, with a line break at its end after `|`, or a bare number."""
    if isinstance(value, str):
        return value.rstrip("\n")
    if isinstance(value, int | float):
        return str(value)
    raise RecurrenceError(f"expected a formula, got {value!r:.60}", None, LOSS)


_DERIVATIVE_NAME = re.compile(r"d\w*_d\w+|carry_\w+")


def _check_name(name: object, group: str, formula: Node | None = None) -> None:
    position = formula.position if formula is not None else None
    position = (position[0], 1) if position else None
    if not is_name(name):
        raise RecurrenceError(f"{name!r} cannot be a name: letters, digits and _ only", None, group)
    if name in FUNCTIONS or name in (INPUT, TARGET, LOSS) or name.endswith("_prev"):
        raise RecurrenceError(f"`{name}` has a fixed meaning and cannot be given", position, group)
    if _DERIVATIVE_NAME.fullmatch(name):
        raise RecurrenceError(f"`{name}` looks like a derivative", position, group)


def _steps(config: Mapping[str, Any], sequences: Mapping[str, np.ndarray]) -> int:
    lengths = {name: len(array) for name, array in sequences.items()}
    if "steps" in config:
        steps = config["steps"]
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise RecurrenceError(f"steps: expected a whole number from 1, got {steps!r:.60}")
        lengths["steps"] = steps
    if not lengths:
        raise RecurrenceError("give `inputs`, `targets` or `steps`: the number of steps is unknown")
    for (one, m), (other, n) in itertools.pairwise(lengths.items()):
        if m != n:
            words = {INPUT: "inputs", TARGET: "targets", "steps": "steps"}
            raise RecurrenceError(f"{words[one]} has {m} steps, but {words[other]} has {n}")
    return next(iter(lengths.values()))


def _updates(value: object, parameters: Mapping[str, Any]) -> tuple[tuple[str, Fraction], ...]:
    if value is None:
        return ()
    updates = []
    for entry in value if isinstance(value, list) else [value]:
        if not isinstance(entry, Mapping) or set(entry) != {"parameter", "rate"}:
            raise RecurrenceError("update: expected `parameter` and `rate`")
        if not isinstance(entry["parameter"], str) or entry["parameter"] not in parameters:
            raise RecurrenceError(
                f"update: `{entry['parameter']}` is not a parameter; there are {', '.join(parameters)}"
            )
        updates.append((entry["parameter"], number_from(entry["rate"], "update, rate")))
    return tuple(updates)


def _explained(error: ExpressionError, cell: object, initial: Mapping[str, Any]) -> ExpressionError:
    """Say so when an unknown name is the last value of a state that has no initial value."""
    if not isinstance(cell, str):
        return RecurrenceError("cell: expected text, lines of `name = formula`")
    match = re.match(r"unknown name `(\w+)_prev`", error.message)
    if match and match[1] not in initial:
        message = f"the state `{match[1]}` has no initial value: add it to initial_state"
        return RecurrenceError(message, (error.line, error.column), error.place)
    return error
