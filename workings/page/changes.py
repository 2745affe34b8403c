"""What changed between two builds: measurements, claims, the sentences that cite them.

A measurement that depends on a seed has moved when it differs by more than the range of its values
over the seeds that were run; any other has moved when it differs at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workings.page.tex import anchor, unescaped


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value below `value` with its dotted key; an empty list or mapping is one."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from leaves(inner, f"{key}.{place}")
    else:
        yield key, value


def tolerances(runs: list[Mapping[str, Any]]) -> dict[str, float]:
    """The range of each number over the runs with other seeds; `runs` are measurements by job."""
    values: dict[str, list[float]] = {}
    for run in runs:
        for key, value in leaves(run):
            if _is_number(value):
                values.setdefault(key, []).append(value)
    return {key: max(v) - min(v) for key, v in values.items() if len(v) == len(runs)}


def compare(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    tolerance: Mapping[str, float] | None = None,
) -> dict:
    """Measurements by job, before and after: what moved, what stayed within the seeds' range, and
    which keys are new or gone."""
    old, new = dict(leaves(before)), dict(leaves(after))
    moved, within = [], []
    for key in [key for key in new if key in old and not _same(old[key], new[key])]:
        a, b = old[key], new[key]
        row = {"key": key, "before": a, "after": b, "change": None, "tolerance": None}
        allowed = (tolerance or {}).get(key, 0.0)
        if _is_number(a) and _is_number(b):
            row |= {"change": b - a, "tolerance": allowed}
            (within if abs(b - a) <= allowed else moved).append(row)
        else:
            moved.append(row)
    return {
        "moved": moved,
        "within_seeds": within,
        "new": [key for key in new if key not in old],
        "gone": [key for key in old if key not in new],
    }


def flipped(before: list[dict], after: list[dict]) -> list[dict]:
    """The claims whose verdict is another now, with both sentences."""
    old = {claim["name"]: claim for claim in before}
    pairs = [(old[claim["name"]], claim) for claim in after if claim["name"] in old]
    return [
        {key: now[key] for key in ("name", "condition", "sentence", "place")}
        | {"before": was["holds"], "after": now["holds"], "sentence_before": was["sentence"]}
        for was, now in pairs
        if was["holds"] != now["holds"]
    ]


def split(section: str) -> list[str]:
    """The sentences of a filled section, as TeX."""
    return re.split(r"(?<=[.?!:])\s+|\n\s*\n|\\label\{[^{}]*\}\s*\n", section)


def sentences(section: str, keys: set[str]) -> list[dict]:
    """The sentences of a filled section that print one of the keys: {keys, sentence}."""
    found, named = [], {anchor(key): key for key in keys}
    for sentence in split(section):
        printed = dict.fromkeys(re.findall(r"\\measured\{([^{}]*)\}", sentence))
        if cited := [named[name] for name in printed if name in named]:
            found.append({"keys": cited, "sentence": readable(sentence)})
    return found


def readable(tex: str) -> str:
    """A sentence of TeX as plain words."""
    text = re.sub(r"\\measured\{[^{}]*\}\{[^{}]*\}", "", unescaped(tex))
    text = re.sub(r"\\(?:\w*claim|\w+figure|begin\{\w+\})\{[^{}]*\}", "", text)  # their names
    text = re.sub(r"\\(?:c|C)ref\{[^{}]*\}", "…", text)
    text = re.sub(r"\\[,;!]", " ", text)
    text = re.sub(r"\\[a-zA-Z]+\*?\{|[{}]|\\[()\[\]]", "", text.replace("}{", " "))
    text = re.sub(r"\\[a-zA-Z]+\*?", " ", text)
    return " ".join(re.sub(r"\\([%&_#$])", r"\1", text).split())[:300]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(a: Any, b: Any) -> bool:
    return a == b and (type(a) is type(b) or (_is_number(a) and _is_number(b)))
