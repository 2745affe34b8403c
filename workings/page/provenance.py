"""The line of a script that records a measurement, found in its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache

COPIED = "**"  # a mapping whose keys are another's, say the configuration's


def recorded_at(key: str, script: str, sources: dict[str, str]) -> tuple[str, int] | None:
    """(file, line) that records `key` (without its job's name): in the job's `script`, or else in
    one of the modules it reaches; where only a word above the last is written, in the script again.

    `sources` are the texts of the script and of these modules.
    """
    for whole in (True, False):
        for file in [script, *sorted(set(sources) - {script})] if whole else [script]:
            line = line_of_key(sources[file], key, whole, recorded=file != script)
            if line is not None:
                return file, line
    return None


def line_of_key(source: str, key: str, whole: bool = False, recorded: bool = False) -> int | None:
    """The line that records `key` (without its job's name) in the code `source`.

    With `whole` the key's last word must be there; with `recorded` only where a value is recorded.

    Of the places where a word of the key is written, in a mapping, as a keyword or as an index, the
    one counts whose surroundings share most of the key's words, from the last word backwards; places
    in lists are not written and count as nothing. Where no word is there, it is where a whole mapping
    is copied; None when there is no such place.
    """
    words = [word for word in key.split(".") if not word.isdigit()]
    places = _places(source)
    for end in range(len(words), len(words) - 1 if whole else 0, -1):
        wanted = words[:end]
        found = [
            place
            for place in places
            if _is(place[0][-1], wanted[-1])
            and not (recorded and (not place[2] or "*" in place[0][-1]))
        ]
        if found:
            return max(found, key=lambda place: _likely(place, wanted))[1]
    copied = [line for path, line, _ in places if path[-1] == COPIED]
    return min(copied, default=None) if not whole else None


def line_of_output(source: str, name: str) -> int | None:
    """The line that writes the output `name` of a job."""
    lines = [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == "outputs"
    ]
    return min(lines, default=None)


def _likely(place: tuple[tuple[str, ...], int, bool], wanted: list[str]) -> tuple:
    """Shared words first, then a value recorded, then what an f-string spells out, then the first."""
    path, line, recorded = place
    return _shared(path, wanted), recorded, len(path[-1].replace("*", "")), -line


def _shared(path: tuple[str, ...], wanted: list[str]) -> int:
    """How many words both have in common, counted backwards; gaps in the path are no harm."""
    remaining = list(path)
    count = 0
    for word in reversed(wanted):
        if word in remaining:
            del remaining[len(remaining) - 1 - remaining[::-1].index(word) :]
            count += 1
    return count


@lru_cache(maxsize=64)
def _places(source: str) -> list[tuple[tuple[str, ...], int, bool]]:
    """(words from the outside in, line, whether a value is recorded there rather than read)."""
    return list(_walk(ast.parse(source), ()))


def _walk(node: ast.AST, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int, bool]]:
    match node:
        case ast.FunctionDef(name=name):  # a part of a key is often what a function returns
            above = (*above, name)
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                path = above
                if (word := _word(key)) is not None:
                    path = (*above, word)
                    yield path, key.lineno, True
                yield from _walk(value, path)
            return
        case ast.DictComp(key=ast.JoinedStr() as key):
            yield (*above, _word(key)), key.lineno, True
        case ast.DictComp(key=ast.Name() as key):
            yield (*above, COPIED), key.lineno, True
        case ast.Subscript(ctx=ast.Load()):  # what is read is not recorded here
            yield from _walk(node.value, above)
            return
        case ast.Assign(targets=[*targets]):
            for target in targets:
                inside = (*above, *_indices(target))
                if inside != above:
                    yield inside, target.lineno, True
            path = (*above, *_indices(targets[-1]))
            yield from _walk(node.value, path)
            return
        case ast.Call(func=ast.Name(id="dict")):
            for keyword in node.keywords:
                if keyword.arg:
                    yield (*above, keyword.arg), keyword.lineno, True
        case ast.AnnAssign(target=ast.Name(id=name)):  # a field of a record
            yield (*above, name), node.lineno, True
        case ast.Constant(value=str(word)) if word.isidentifier():
            yield (*above, word), node.lineno, False
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, above)


def _word(key: ast.AST | None) -> str | None:
    """The text of a key; the holes of an f-string are stars."""
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return key.value
    if isinstance(key, ast.JoinedStr):
        return "".join(p.value if isinstance(p, ast.Constant) else "*" for p in key.values)
    return None


def _is(word: str, wanted: str) -> bool:
    """Whether a word of the code is the wanted one; one that is all hole is too little to tell."""
    return word == wanted or (
        "*" in word and word not in ("*", COPIED) and fnmatchcase(wanted, word)
    )


def _indices(target: ast.AST) -> tuple[str, ...]:
    """The words in values["gates"]["vanishing"]."""
    if isinstance(target, ast.Subscript):
        inner = _indices(target.value)
        index = target.slice
        word = index.value if isinstance(index, ast.Constant) else None
        return (*inner, word) if isinstance(word, str) else inner
    return ()
