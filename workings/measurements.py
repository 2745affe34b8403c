"""Measurements: one JSON object per job, raw values under self-explaining keys.

A key is a dotted path whose first word names the job: ``occlusion.lowest_probability``,
``recurrence.steps.0.dl_db``. Values are numbers, texts, booleans and nested lists or mappings of
them; no NaN, no formatting, no dates, no absolute paths.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workings.messages import InputError


def write(path: str | Path, values: Mapping[str, Any]) -> None:
    """Record a job's measurements.

    Raises:
        InputError: a value is NaN or infinite; the message names its key.
        TypeError: a value is of a kind that JSON does not hold.
    """
    text = json.dumps(_plain(values, ""), indent=1, ensure_ascii=False, allow_nan=False)
    Path(path).write_text(_short_lists(text) + "\n", encoding="utf-8")


def read(path: str | Path) -> dict[str, Any]:
    """A job's measurements; InputError when the file is not whole."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not a whole JSON file ({error}); delete it and run the same command again"
        ) from None


class Measurements:
    """The measurements of several jobs, looked up by key."""

    def __init__(self, jobs: Mapping[str, Mapping[str, Any]]) -> None:
        self.jobs = dict(jobs)

    @classmethod
    def of_files(cls, paths: Iterable[str | Path]) -> Measurements:
        """Each file's stem names its job."""
        return cls({Path(path).stem: read(path) for path in paths})

    def __getitem__(self, key: str) -> Any:
        """The value under a dotted key; a missing key is an InputError that names the nearest."""
        value: Any = self.jobs
        walked: list[str] = []
        for part in str(key).split("."):
            if isinstance(value, Mapping) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                raise InputError(f"no measurement '{key}': {nearest(value, walked, part)}")
            walked.append(part)
        return value

    def __contains__(self, key: str) -> bool:
        try:
            self[key]
        except InputError:
            return False
        return True


def nearest(value: Any, walked: list[str], part: str) -> str:
    """What could have been meant by `part`, which `value`, found under `walked`, has not."""
    place = "'" + ".".join(walked) + "'" if walked else "this section's measurements"
    if isinstance(value, Mapping):
        close = difflib.get_close_matches(part, list(value), n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        return f"{hint}{place} has {', '.join(list(value)[:20]) or 'nothing'}"
    if isinstance(value, list):
        return f"{place} is a list of {len(value)} items, counted from 0"
    return f"{place} is the single value {value!r:.40}"


def _plain(value: Any, key: str) -> Any:
    """numpy and torch numbers and arrays as Python's own; refuses what is not finite."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v, f"{key}.{k}".lstrip(".")) for k, v in value.items()}
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{key}.{i}") for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"the measurement '{key}' came out as {value}; it must be a finite number")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"the measurement '{key}' is a {type(value).__name__}, which JSON cannot hold")


def _short_lists(text: str) -> str:
    """Innermost lists on one line each, so that a person can read the file.

    Only lists of numbers: a text might hold brackets of its own.
    """
    return re.sub(
        r"\[\s*(-?[\d.][^\[\]{}\"]*?)\s*\]",
        lambda match: "[" + re.sub(r"\s*\n\s*", " ", match[1]) + "]",
        text,
    )
