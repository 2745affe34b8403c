"""Measurements: one JSON object per job, raw values under self-explaining keys.

A key is a dotted path whose first word names the job: ``lengths.mean``,
``lengths.species.0.birds``. Values are numbers, texts, booleans and nested lists or mappings of
them; no NaN, no formatting, no dates, no absolute paths.

    values = record(
        birds=len(lengths),
        mean=lengths.mean(),
    )
    values["outliers"] = [record(name=bird.name) for bird in far]
    write("build/measurements/lengths.json", values)

A record knows where in the code each of its values was put in, since it looks when it is put in.
A place is no line, which a comment above would move, but a node of the code without comments and
docstrings: `line_of` tells in which line the node stands now.
"""

from __future__ import annotations

import ast
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

from workings.build import syntax
from workings.messages import InputError, did_you_mean

ENGINE = Path(__file__).parent
Origin = tuple[str, int, str]  # the file, and a node's number among all of its code and its name


class Record(dict):
    """A dictionary that knows where each of its values was put in."""

    def __init__(self, values: Any = (), places: Any = ()) -> None:
        super().__init__(values)
        self.places: dict[Any, Origin | None] = dict(places)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._take([{key: value}], {}, _spot(ast.Subscript))

    def update(self, *mappings: Any, **values: Any) -> None:
        self._take(mappings, values, _spot(ast.Call))

    def __ior__(self, other: Any) -> Record:
        self._take([other], {}, _spot(ast.AugAssign))
        return self

    def __or__(self, other: Any) -> Record:
        both = self.copy()
        both._take([other], {}, _spot(ast.BinOp))
        return both

    def copy(self) -> Record:
        return Record(self, self.places)

    def __reduce__(self) -> tuple:  # so that a copy from another process has the places too
        return Record, (dict(self), self.places)

    def _take(self, mappings: Iterable[Any], values: Mapping, place: Callable) -> None:
        """Put in the values of mappings, and those given by keyword to the call at `place`."""
        for mapping in mappings:
            known = getattr(mapping, "places", {})
            mapping = dict(mapping)
            super().update(mapping)
            self.places |= {key: known.get(key) or place() for key in mapping}
        super().update(values)
        self.places |= {key: place(key) for key in values}


def record(*mappings: Mapping[Any, Any], **values: Any) -> Record:
    """A record of these values, each of which has its place at its keyword.

    What comes in a mapping has its place at the call, or, in another record, the place it had.
    """
    made = Record()
    made._take(mappings, values, _spot(ast.Call))
    return made


def origins(values: Any, above: str = "") -> dict[str, Origin]:
    """Where the values were put in, by dotted key; a key that is not there has that of its parent."""
    found: dict[str, Origin] = {}
    if isinstance(values, (list, tuple)):
        values = dict(enumerate(values))
    for key, value in values.items() if isinstance(values, Mapping) else ():
        name = f"{above}{key}"
        if origin := getattr(values, "places", {}).get(key):
            found[name] = origin
        found |= origins(value, f"{name}.")
    return found


def origin_of(key: str, origins: Mapping[str, Origin]) -> Origin | None:
    """The place of a dotted key, or of the nearest one above it that has a place."""
    while key and key not in origins:
        key = key.rpartition(".")[0]
    return origins.get(key)


def line_of(origin: Origin, source: str) -> int:
    """The line in which a place stands in its file's present text `source`.

    Raises:
        InputError: the text is not that of the code which recorded.
    """
    file, number, name = origin
    found = syntax.nodes(source)[number : number + 1]
    if [_name(node) for node in found] != [name]:
        raise InputError(
            f"{file}: its code is not that which recorded the measurements; "
            "run the same command again"
        )
    return found[0].lineno


def origins_path(path: str | Path) -> Path:
    """Where the places lie: build/origins/x.json for build/measurements/x.json."""
    path = Path(path)
    # Elsewhere, in a folder beside: nothing is written above a folder that was not asked for.
    beside = path.parent.parent if path.parent.name == "measurements" else path.parent
    return beside / "origins" / path.name


def write(path: str | Path, values: Mapping[str, Any]) -> None:
    """Record a job's measurements, and beside them (`origins_path`) where each was put in.

    A pandas or polars data frame becomes a list of its rows.

    Raises:
        InputError: a value is NaN or infinite; the message names its key.
        TypeError: a value is of a kind that JSON does not hold.
    """
    places = origins_path(path)
    places.parent.mkdir(parents=True, exist_ok=True)
    for file, held in ((Path(path), _plain(values, "")), (places, origins(values))):
        # A line for each key, so that a person can read the file.
        lines = [f"{_json(key)}: {_json(value)}" for key, value in held.items()]
        file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read(path: str | Path, kind: type = dict) -> Any:
    """A job's measurements, or the list of another file; InputError when the file is not whole."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse)
        if not isinstance(found, kind):
            raise ValueError(f"expected a {kind.__name__}")
    except FileNotFoundError:
        raise InputError(f"{path}: not there; run the same command again") from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not a whole JSON file ({error}); delete it and run the same command again"
        ) from None
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def nearest(value: Any, walked: list[str], part: str) -> str:
    """What could have been meant by `part`, which `value`, found under `walked`, has not."""
    place = "'" + ".".join(walked) + "'" if walked else "this section's measurements"
    if isinstance(value, Mapping):
        return f"{did_you_mean(part, value)}{place} has {', '.join(list(value)[:20]) or 'nothing'}"
    if isinstance(value, list):
        return f"{place} is a list of {len(value)} items, counted from 0"
    return f"{place} is the single value {value!r:.40}"


def _plain(value: Any, key: str) -> Any:
    """numpy and torch numbers and arrays, and data frames, as Python's own; all finite."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v, f"{key}.{k}".lstrip(".")) for k, v in value.items()}
    if hasattr(value, "columns"):
        value = _rows(value, key)
    for as_list in ("tolist", "to_list"):
        if hasattr(value, as_list):
            value = getattr(value, as_list)()
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{key}.{i}") for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"the measurement '{key}' came out as {value}; it must be a finite number")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"the measurement '{key}' is a {type(value).__name__}, which JSON cannot hold")


def _rows(frame: Any, key: str) -> list[dict]:
    """The rows of a polars or pandas data frame; a named index of pandas is a column."""
    if hasattr(frame, "to_dicts"):
        return frame.to_dicts()
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    if not frame.columns.is_unique:
        raise InputError(f"the measurement '{key}': two columns of the data frame have one name")
    return frame.to_dict(orient="records")


_json = partial(json.dumps, ensure_ascii=False, allow_nan=False)


def _spot(kind: type[ast.AST]) -> Callable[..., Origin | None]:
    """The place of the node of that kind which the caller's caller is at, or of a keyword in it.

    None where its code is not of here. A keyword that is not written out came by the **.
    """
    frame = sys._getframe(2)
    path = frame.f_code.co_filename
    file = _named(path, Path.cwd())
    places: dict = {}
    if file:
        positions = frame.f_code.co_positions()  # of each two bytes of the code
        _, line, _, column = next(islice(positions, frame.f_lasti // 2, None))
        places = _ends(Path(path).read_text(encoding="utf-8")).get((kind, line, column), {})

    def place(keyword: str = "") -> Origin | None:
        spread = "**" if keyword else ""
        found = places.get(keyword) or places.get(spread) or places.get("")
        return found and (file, *found)

    return place


@lru_cache
def _named(file: str, folder: Path) -> str | None:
    """The file as a report names it, below its own folder or the engine's; None elsewhere."""
    path = Path(file).resolve()
    if not path.is_file():
        return None
    if path.is_relative_to(ENGINE):
        return path.relative_to(ENGINE.parent).as_posix()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else None


@lru_cache(maxsize=64)
def _ends(source: str) -> dict[tuple[type[ast.AST], int, int], dict[str, tuple[int, str]]]:
    """Number and name of each node that may put something into a record, by its kind and end.

    Under "" those of the node itself, then those of its keywords.
    """
    numbers = {node: number for number, node in enumerate(syntax.nodes(source))}
    found: dict = {}
    for node, number in numbers.items():
        if isinstance(node, ast.Call | ast.Subscript | ast.AugAssign | ast.BinOp):
            places = {"": (number, _name(node))}
            for keyword in getattr(node, "keywords", ()):
                place = numbers[keyword], _name(keyword)
                # Of several ** any may have brought a value.
                places[_name(keyword)] = places[""] if place[1] in places else place
            # Of operators that end together, a | b + c, the outer one comes first.
            found.setdefault((type(node), node.end_lineno, node.end_col_offset), places)
    return found


def _name(node: ast.AST) -> str:
    return (node.arg or "**") if isinstance(node, ast.keyword) else type(node).__name__
