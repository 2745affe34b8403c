"""Figures that can be explored in the web edition: the arrays behind them, for the page's script.

A job that draws `build/figures/NAME.pdf` may declare one more output, `build/explore/NAME.json`, and write
what a reader can try:

    explore.write(outputs.explore, explore.places(choices, rows, columns, patch=8))
    explore.write(outputs.explore, explore.curves(lines, ["cell"], x="lag, in steps", y="gradient"))

The page then offers it in the place of the figure, and the figure itself where no script runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workings.messages import InputError

KEPT = 5  # significant digits: what a screen can show of a number


@dataclass(frozen=True)
class Choice:
    """A picture and what came of it at each place.

    Args:
        name: what a reader chooses it by.
        picture: H × W, from 0 (paper) to 1 (ink).
        values: for each name a map, rows × columns, of numbers from 0 to 1.
        labels: rows × columns, whole numbers from 0 to 9.
    """

    name: str
    picture: np.ndarray
    values: Mapping[str, np.ndarray]
    labels: np.ndarray


def places(
    choices: Iterable[Choice],
    rows: np.ndarray,
    columns: np.ndarray,
    *,
    patch: int | None = None,
    fill: float = 0.0,
) -> dict[str, Any]:
    """A patch that is moved over a picture, or without a patch the picture that is itself moved.

    Args:
        rows: the first row that the patch covers, or how far down the picture is shifted.
        columns: the same across.
        patch: its side in pixels.
        fill: its shade, from 0 to 1.

    Raises:
        InputError: a map has another shape than rows × columns.
    """
    shape, made = (len(rows), len(columns)), []
    for choice in choices:
        maps = {**choice.values, "label": choice.labels}
        for name, values in maps.items():
            if np.shape(values) != shape:
                raise InputError(f"the map '{name}' is {np.shape(values)}, the places are {shape}")
        made.append(
            {
                "name": choice.name,
                "picture": np.rint(255 * np.asarray(choice.picture)).astype(int).tolist(),
                "values": {name: _short(values) for name, values in choice.values.items()},
                "labels": np.asarray(choice.labels).astype(int).tolist(),
            }
        )
    steps = {"rows": np.asarray(rows).tolist(), "columns": np.asarray(columns).tolist()}
    return {"kind": "places", **steps, "patch": patch, "fill": float(fill), "choices": made}


def curves(
    lines: Iterable[Mapping[str, Any]],
    chosen_by: Sequence[str],
    *,
    x: str,
    y: str,
    logarithmic: bool = False,
) -> dict[str, Any]:
    """Curves of which a reader chooses some, and a place on their common axis.

    Args:
        lines: each with `name`, `x` and `y`, a text for each of `chosen_by`, and, where single points
            belong to it, `points`: for each x a list of values.
        chosen_by: what a reader chooses the curves by.
        x: the name of the axis; so y.
    """
    made = [
        {key: each if isinstance(each, str) else _short(each) for key, each in line.items()}
        for line in lines
    ]
    axes = {"x": x, "y": y, "logarithmic": logarithmic}
    return {"kind": "curves", **axes, "chosen_by": list(chosen_by), "lines": made}


def write(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write it where the rule says.

    Raises:
        InputError: a number is NaN or infinite.
    """
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise InputError(f"{path}: one of the numbers to explore is not finite") from None
    Path(path).write_text(text + "\n", encoding="utf-8")


def _short(values: Any) -> Any:
    """Numbers with as many digits as a screen can show, in lists."""
    if isinstance(values, Iterable):
        return [_short(value) for value in values]
    return float(f"{float(values):.{KEPT}g}") if float(values) % 1 else int(values)
