"""The parts of a divided job: what each of them takes, what it leaves, and all of it again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

Item = TypeVar("Item")


def mine(items: Sequence[Item], part: Mapping[str, int]) -> Sequence[Item]:
    """What a part takes: every so many-th.

    Args:
        part: its `number`, from 1, and `of` how many.
    """
    return items[part["number"] - 1 :: part["of"]]


def save(path: str | Path, found: Sequence[Any]) -> None:
    """Write what a part found, each a data class."""
    Path(path).write_text(json.dumps(list(map(asdict, found))), encoding="utf-8")


def load(paths: Sequence[str]) -> list[dict[str, Any]]:
    """What all parts found, one after the other."""
    return [one for path in paths for one in json.loads(Path(path).read_text(encoding="utf-8"))]
