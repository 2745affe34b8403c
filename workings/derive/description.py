"""The description of a recurrence in a config: read, checked, and refused with its reason."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np

from workings.derive.expression import (
    INPUT,
    LOSS,
    TARGET,
    ExpressionError,
    describe,
    names_in,
    number_from,
)
from workings.derive.grammar import is_name, parse_assignments, parse_formula
from workings.derive.operations import FUNCTIONS
from workings.messages import InputError

_KEYS = {
    "cell", "loss", "parameters", "constants", "initial_state", "inputs", "targets", "steps",
    "forward_mode", "update", "name", "meaning",
}  # fmt: skip
_DERIVATIVE_NAME = re.compile(r"d\w*_d\w+|carry_\w+")


@contextmanager
def refusing(block: str) -> Iterator[None]:
    """Turn what a description has wrong into the error for the person who wrote it.

    Args:
        block: the key of the configuration that holds the description.

    Raises:
        InputError: with the key that it is about.
    """
    try:
        yield
    except ExpressionError as error:
        inner = error.place in ("cell", LOSS, "update")
        raise InputError(str(error), key=f"{block}.{error.place}" if inner else block) from None


def read(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the recurrence that a config describes, as far as its text tells.

    Raises:
        ExpressionError: with the line and column, or the key, that is wrong.
    """
    if not isinstance(config, Mapping):
        raise ExpressionError(f"expected a mapping, got {config!r:.60}")
    for key in config:
        if key not in _KEYS:
            raise ExpressionError(f"unknown key `{key}`; known: {', '.join(sorted(_KEYS))}")
    for key in ("cell", "loss", "parameters"):
        if config.get(key) is None:
            raise ExpressionError(f"the key `{key}` is missing")
    parameters, constants, initial = (
        _group(config, key) for key in ("parameters", "constants", "initial_state")
    )
    for name in parameters.keys() & constants.keys():
        raise ExpressionError(f"`{name}` is both a parameter and a constant")
    sequences = {}
    for key, name in (("inputs", INPUT), ("targets", TARGET)):
        if config.get(key) is not None:
            sequences[name] = _array(config[key], key)
            if sequences[name].ndim == 0:
                raise ExpressionError(f"{key}: expected a list with one entry per step")
    lines = _lines(config, [*parameters, *constants, *sequences], initial)
    meaning = _mapping(config, "meaning")
    for name in meaning:
        if name not in {*parameters, *constants, *sequences, *lines}:
            raise ExpressionError(f"meaning: nothing is called `{name}`")
    used = {name for formula in lines.values() for name in names_in(formula)}
    for group, members in (("parameters", parameters), ("constants", constants)):
        for name in members:
            if name not in used:
                raise ExpressionError(f"{group}: neither the cell nor the loss uses `{name}`")
    return {
        "lines": lines,
        "parameters": parameters,
        "constants": constants,
        "initial_state": initial,
        "inputs": sequences.get(INPUT),
        "targets": sequences.get(TARGET),
        "steps": _steps(config),
        "forward_parameters": _forward(config, parameters),
        "update": _update(config, parameters),
        "name": str(config.get("name", "")),
        "meaning": meaning,
    }


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, Mapping):
        raise ExpressionError(f"{key}: expected `name: value` pairs, got {value!r:.60}")
    return value


def _group(config: Mapping[str, Any], key: str) -> dict[str, np.ndarray]:
    """The named arrays under a key."""
    arrays = {}
    for name, value in _mapping(config, key).items():
        _check_name(name, key)
        arrays[name] = _array(value, f"{key}, {name}")
        if arrays[name].ndim > 2:
            raise ExpressionError(f"{key}, {name}: more than two indices")
    return arrays


def _array(value: object, what: str, depth: int = 0) -> np.ndarray:
    """An array of exact numbers from nested lists, or an array of floats as it is."""
    if depth > 3:
        raise ExpressionError(f"{what}: nested more deeply than a sequence of matrices")
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return value
        if not np.issubdtype(value.dtype, np.number) or not np.isfinite(value).all():
            raise ExpressionError(f"{what}: expected finite numbers")
        return value.astype(np.float64)
    if not isinstance(value, list | tuple):
        return np.array(number_from(value, what), dtype=object)
    if not value:
        raise ExpressionError(f"{what} is empty")
    parts = [_array(part, f"{what}[{i}]", depth + 1) for i, part in enumerate(value)]
    for i, part in enumerate(parts):
        if part.shape != parts[0].shape:
            raise ExpressionError(
                f"{what}: element 0 is {describe(parts[0].shape)}, "
                f"but element {i} is {describe(part.shape)}"
            )
    return np.stack(parts)


def _lines(
    config: Mapping[str, Any], given: list[str], initial: Mapping[str, Any]
) -> dict[str, Any]:
    """name -> formula of the cell's lines, then of the loss."""
    cell, loss = config["cell"], config["loss"]
    if not isinstance(cell, str):
        raise ExpressionError("cell: expected text, lines of `name = formula`")
    known = [*given, *(f"{state}_prev" for state in initial)]
    lines = dict(parse_assignments(cell, known))
    for name, formula in lines.items():
        _check_name(name, "cell", formula.position[0])
    for state in initial:
        if state not in lines:
            raise ExpressionError(f"initial_state: the cell has no line `{state} = ...`")
    # a formula as YAML gives it: a text, with a line break at its end after `|`, or a bare number
    if not isinstance(loss, str | int | float):
        raise ExpressionError(f"expected a formula, got {loss!r:.60}", None, LOSS)
    lines[LOSS] = parse_formula(str(loss).rstrip("\n"), [*known, *lines], place=LOSS)
    return lines


def _check_name(name: object, group: str, line: int | None = None) -> None:
    position = (line, 1) if line else None
    if not is_name(name):
        raise ExpressionError(f"{name!r} cannot be a name: letters, digits and _ only", None, group)
    if name in FUNCTIONS or name in (INPUT, TARGET, LOSS) or name.endswith("_prev"):
        raise ExpressionError(f"`{name}` has a fixed meaning and cannot be given", position, group)
    if _DERIVATIVE_NAME.fullmatch(name):
        raise ExpressionError(f"`{name}` looks like a derivative", position, group)


def _steps(config: Mapping[str, Any]) -> int:
    """T, which all that gives it must agree on."""
    given = {key: config[key] for key in ("inputs", "targets") if config.get(key) is not None}
    lengths = {key: len(value) for key, value in given.items()}
    if "steps" in config:
        steps = config["steps"]
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise ExpressionError(f"steps: expected a whole number from 1, got {steps!r:.60}")
        lengths["steps"] = steps
    if not lengths:
        raise ExpressionError("give `inputs`, `targets` or `steps`: the number of steps is unknown")
    for (one, m), (other, n) in itertools.pairwise(lengths.items()):
        if m != n:
            raise ExpressionError(f"{one} has {m} steps, but {other} has {n}")
    return next(iter(lengths.values()))


def _forward(config: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters whose sensitivities are derived forwards too."""
    forward = config.get("forward_mode") or []
    for name in forward if isinstance(forward, list | tuple) else [forward]:
        if not isinstance(name, str) or name not in parameters:
            raise ExpressionError(f"forward_mode: `{name}` is not a parameter")
        if forward.count(name) > 1:
            raise ExpressionError(f"forward_mode: `{name}` is there twice")
    return tuple(forward)


def _update(
    config: Mapping[str, Any], parameters: Mapping[str, Any]
) -> tuple[str, Fraction] | None:
    """Parameter and rate of the step along the gradient."""
    update = config.get("update")
    if update is None:
        return None
    if not isinstance(update, Mapping) or set(update) != {"parameter", "rate"}:
        raise ExpressionError("update: expected `parameter` and `rate`")
    name = update["parameter"]
    if not isinstance(name, str) or name not in parameters:
        known = ", ".join(parameters)
        raise ExpressionError(f"update: `{name}` is not a parameter; there are {known}")
    return name, number_from(update["rate"], "update, rate")
