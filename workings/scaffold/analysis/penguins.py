"""Read the table of penguins."""

from __future__ import annotations

import csv

import numpy as np

from workings.messages import InputError


def columns(path: str, *names: str) -> list[np.ndarray]:
    """The columns `names` of a table, without the birds that lack one of them.

    Raises:
        InputError: the table has no such column.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name in names:
        if not rows or name not in rows[0]:
            raise InputError(f"{path}: there is no column '{name}'; there is {', '.join(rows[0])}")
    whole = [row for row in rows if all(row[name] not in ("", "NA") for name in names)]
    return [np.array([row[name] for row in whole]) for name in names]
