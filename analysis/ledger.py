"""List every printed number: its key, raw value, job, and where it is printed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from analysis.reporting import latex
from analysis.reporting.measurements import Measurements, read

LONGEST = 46  # characters of a raw value in a row


def rows(quotes: dict[str, list[dict]]) -> list[dict]:
    """One row per key in alphabetical order: {key, value, job, uses}.

    `quotes` maps each section to what it quoted, in print order; a use is (section, number).
    """
    by_key: dict[str, dict] = {}
    for section, quoted in quotes.items():
        for number, quote in enumerate(quoted, 1):
            key = quote["key"]
            row = by_key.setdefault(
                key,
                {"key": key, "value": raw(quote["value"]), "job": key.split(".")[0], "uses": []},
            )
            row["uses"].append({"anchor": f"{section}.{number}", "section": section})
    return [by_key[key] for key in sorted(by_key, key=_natural)]


def raw(value) -> str:
    """The raw value as JSON, cut in the middle when it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    quotes = {Path(path).stem: read(path) for path in inputs.quotes}
    listed = {"rows": rows(quotes), "count": sum(map(len, quotes.values()))}
    section = latex.Section("ledger", Measurements({"ledger": listed}))
    text, _ = latex.fill("sections/ledger.tex.j2", section)
    Path(outputs.section).write_text(text, encoding="utf-8")


def _natural(key: str) -> list:
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in key.split(".")]
