"""The description of a recurrence in a config: read, checked, and refused with its reason."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np

from workings.derive.expression import (
    INPUT,
    LOSS,
    TARGET,
    TOTAL,
    ExpressionError,
    Position,
    Shape,
    describe,
    names_in,
    number_from,
)
from workings.derive.grammar import check_name, in_ascii, parse_assignments, parse_formula
from workings.derive.symbols import symbol
from workings.messages import InputError

_KEYS = {
    "cell", "loss", "parameters", "constants", "initial_state", "inputs", "targets", "steps",
    "forward_mode", "update", "name", "meaning", "worked_step", "full_lines",
}  # fmt: skip
_DERIVATIVE_NAME = re.compile(r"d\w*_d\w+")
MOST_NUMBERS = 250_000  # of one array


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
    _check_printed([*parameters, *constants], [*lines, *sequences])
    meaning = _mapping(config, "meaning")
    for name in meaning:
        if name not in {*parameters, *constants, *sequences, *lines}:
            raise ExpressionError(f"meaning: nothing is called `{name}`")
    used = {name for formula in lines.values() for name in names_in(formula)}
    for group, members in (("parameters", parameters), ("constants", constants)):
        for name in members:
            if name not in used:
                raise ExpressionError(f"{group}: neither the cell nor the loss uses `{name}`")
    steps = _steps(config)
    return {
        "lines": lines,
        "parameters": parameters,
        "constants": constants,
        "initial_state": initial,
        "inputs": sequences.get(INPUT),
        "targets": sequences.get(TARGET),
        "steps": steps,
        "forward_parameters": _forward(config, parameters),
        "update": _update(config, parameters),
        "name": str(config.get("name", "")),
        "meaning": meaning,
        "worked_step": _worked(config, steps),
        "full_lines": config.get("full_lines") is not False,
    }


def _mapping(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The values under a key by their names, which are in ASCII."""
    given = config.get(key) or {}
    if not isinstance(given, Mapping):
        raise ExpressionError(f"{key}: expected `name: value` pairs, got {given!r:.60}")
    values = {}
    for name, value in given.items():
        check_name(name, key)
        if in_ascii(name) in values:
            raise ExpressionError(f"{key}: `{name}` is there twice")
        values[in_ascii(name)] = value
    return values


def _group(config: Mapping[str, Any], key: str) -> dict[str, np.ndarray]:
    """The named arrays under a key."""
    arrays = {}
    for name, value in _mapping(config, key).items():
        _check_meaning(name, key)
        arrays[name] = _array(value, f"{key}, {name}")
        if arrays[name].ndim > 2:
            raise ExpressionError(f"{key}, {name}: more than two indices")
    return arrays


def _array(value: object, what: str) -> np.ndarray:
    """An array of exact numbers from nested lists, or an array of floats as it is."""
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            return value
        if not np.issubdtype(value.dtype, np.number) or not np.isfinite(value).all():
            raise ExpressionError(f"{what}: expected finite numbers")
        return value.astype(np.float64)
    if (count := _count(value)) > MOST_NUMBERS:
        raise ExpressionError(f"{what}: {count:,} numbers; at most {MOST_NUMBERS:,} are read")
    numbers: list[Fraction] = []
    shape = _read_into(numbers, value, what)
    array = np.empty(len(numbers), dtype=object)
    array[:] = numbers
    return array.reshape(shape)


def _count(value: object, depth: int = 0) -> int:
    """How many numbers nested lists hold."""
    if not isinstance(value, list | tuple) or depth > 3:
        return 1
    inner = any(isinstance(part, list | tuple) for part in value[:1])
    return sum(_count(part, depth + 1) for part in value) if inner else len(value)


def _read_into(numbers: list[Fraction], value: object, what: str, depth: int = 0) -> Shape:
    """The shape of a number or of nested lists, whose numbers are put into a list."""
    if depth > 3:
        raise ExpressionError(f"{what}: nested more deeply than a sequence of matrices")
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        numbers.append(number_from(value, what))
        return ()
    if not value:
        raise ExpressionError(f"{what} is empty")
    shapes = []
    for i, part in enumerate(value):
        shapes.append(_read_into(numbers, part, f"{what}[{i}]", depth + 1))
        if shapes[i] != shapes[0]:
            raise ExpressionError(
                f"{what}: element 0 is {describe(shapes[0])}, but element {i} is {describe(shapes[i])}"
            )
    return (len(value), *shapes[0])


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
        _check_meaning(name, "cell", (formula.position[0], 1))
    for state in initial:
        if state not in lines:
            raise ExpressionError(f"initial_state: the cell has no line `{state} = ...`")
    # a formula as YAML gives it: a text, with a line break at its end after `|`, or a bare number
    if not isinstance(loss, str | int | float):
        raise ExpressionError(f"expected a formula, got {loss!r:.60}", None, LOSS)
    lines[LOSS] = parse_formula(str(loss).rstrip("\n"), [*known, *lines], place=LOSS)
    return lines


def _check_meaning(name: str, group: str, position: Position | None = None) -> None:
    """Refuse a name that means something else."""
    if name in (INPUT, TARGET, LOSS, TOTAL, "l") or name.endswith("_prev"):
        raise ExpressionError(f"`{name}` has a fixed meaning and cannot be given", position, group)
    if _DERIVATIVE_NAME.fullmatch(name):
        raise ExpressionError(f"`{name}` looks like a derivative", position, group)


def _check_printed(fixed: Iterable[str], timed: Iterable[str]) -> None:
    """Refuse two names that the page would print alike: `h_t`, say, beside a line `h`."""
    printed: dict[str, str] = {}
    for name in [*timed, *fixed]:
        text = symbol(name) if name in fixed else symbol(name, "t")
        if re.fullmatch(r"[Ie]_\{\d+\}|K_\{\d+,\d+\}", text):
            raise ExpressionError(
                f"`{name}` would be printed like a matrix or vector of zeros and ones"
            )
        for alike in (text, re.sub(r"_\{\d+\}$", "_{t}", text)):
            if alike in printed:
                other = printed[alike]
                raise ExpressionError(f"`{other}` and `{name}` would be printed alike: rename one")
        printed[text] = name


def _steps(config: Mapping[str, Any]) -> int:
    """T, which all that gives it must agree on."""
    given = {key: config[key] for key in ("inputs", "targets") if config.get(key) is not None}
    lengths = {key: len(value) for key, value in given.items()}
    if "steps" in config:
        steps = config["steps"]
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise ExpressionError(f"steps: expected a whole number from 1, got {steps!r:.60}")
        lengths["steps"] = steps
    if not lengths and config.get("initial_state"):
        raise ExpressionError("give `inputs`, `targets` or `steps`: the number of steps is unknown")
    for (one, m), (other, n) in itertools.pairwise(lengths.items()):
        if m != n:
            raise ExpressionError(f"{one} has {m} steps, but {other} has {n}")
    return next(iter(lengths.values()), 1)


def _worked(config: Mapping[str, Any], steps: int) -> int | None:
    """The step that is printed with its numbers."""
    worked = config.get("worked_step")
    if worked is not None and (type(worked) is not int or not 0 <= worked < steps):
        raise ExpressionError(
            f"worked_step: expected a step from 0 to {steps - 1}, got {worked!r:.60}"
        )
    return worked


def _forward(config: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters whose sensitivities are derived forwards too."""
    forward = config.get("forward_mode") or []
    forward = forward if isinstance(forward, list | tuple) else [forward]
    forward = [in_ascii(name) if isinstance(name, str) else name for name in forward]
    for name in forward:
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
    if not isinstance(name, str) or in_ascii(name) not in parameters:
        known = ", ".join(parameters)
        raise ExpressionError(f"update: `{name}` is not a parameter; there are {known}")
    return in_ascii(name), number_from(update["rate"], "update, rate")
