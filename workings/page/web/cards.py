"""What the page knows of each number: the data of its cards, and the ledger as a table."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any

from workings.languages import ENGLISH, Language
from workings.page.numbers import as_json
from workings.page.tex import anchor

LONGEST = 60  # characters of a raw value in the table


def rows(ledger: Mapping[str, Any]) -> Iterator[tuple[str, dict]]:
    """Every row of the ledger under the name that links have: measurements, figures, choices."""
    for job in ledger["jobs"]:
        for figure in job["figures"]:
            yield f"figure.{figure['name']}", figure
        for row in job["rows"]:
            yield anchor(row["key"]), row
    for row in ledger["choices"]:
        yield anchor(row["key"]), row


def data(
    ledger: Mapping[str, Any],
    seeds: Mapping[str, Any] | None = None,
    language: Language = ENGLISH,
) -> dict[str, Any]:
    """What the cards show, for the page's script: numbers with a point have the decimal mark."""
    found, mark = {}, language.mark
    for name, row in rows(ledger):
        use = row.get("uses", [])
        found[name] = {
            "key": _name(row),
            "value": _marked(row["value"], mark) if "key" in row else f"sha256 {row['sha256']}",
            "job": row["job"],
            "at": _place(row),
            "link": row["link"],
            "file": row["file"],
            "line": row["line"],
            "uses": [
                [u["anchor"], u["section"], how(u.get("format"), language), u["place"]] for u in use
            ],
        }
        if spread := _spread(row.get("key"), seeds):
            found[name]["seeds"] = {name: _marked(each, mark) for name, each in spread.items()}
    jobs = {
        job["job"]: {
            "script": job["script"],
            "changed": job["changed"],
            "configuration": [[c["key"], c["value"], c["place"]] for c in job["configuration"]],
            "inputs": [[file["path"], file["sha256"]] for file in job["inputs"]],
            "results": [job["measurements"]["path"], job["measurements"]["sha256"]],
        }
        for job in ledger["jobs"]
    }
    code = ledger.get("code", {})
    return {
        "rows": found, "jobs": jobs, "code": code, "commit": ledger["commit"], "words": language.words,
    }  # fmt: skip


def _name(row: Mapping[str, Any]) -> str:
    return row["key"] if "key" in row else f"figure {row['name']}"


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['file']}:{row['line']}" if row["line"] else row["file"]


def _marked(value: Any, mark: str) -> Any:
    """A value; a number with a point as the text that has the decimal mark."""
    return json.dumps(value).replace(".", mark) if isinstance(value, float) else value


def how(format: Mapping[str, Any] | None, language: Language = ENGLISH) -> str:
    """The format of a printed number in words."""
    if not format:
        return ""
    digits = format.get("digits")
    count = f"{digits} {language.word('digit' if digits == 1 else 'digits')}"
    words = {
        None: "",
        "exact": "not rounded",
        "printed": "as it was printed elsewhere",
        "fixed": "rounded to {} after the point",
        "significant": "rounded to {}",
        "scientific": "rounded to {}, with a power of ten",
        "percent": "as a percentage, rounded to {} after the point",
        "points": "in percentage points, rounded to {} after the point",
    }[format.get("notation")]
    unit = language.word("in {}").format(format["unit"]) if format.get("unit") else ""
    return ", ".join(filter(None, [language.word(words).format(count), unit]))


def _spread(key: str | None, seeds: Mapping[str, Any] | None) -> dict | None:
    held: Any = (seeds or {}).get("spread", {})
    for part in (key or "").split("."):
        held = held.get(part) if isinstance(held, Mapping) else None
    return held if isinstance(held, Mapping) and "deviation" in held else None


def table(
    ledger: Mapping[str, Any], sections: Mapping[str, tuple[str, str, str]], mark: str = "."
) -> str:
    """The ledger as a table, which the page's script lets a reader search and sort."""
    made = []
    for name, row in rows(ledger):
        value = as_json(row["value"], mark, LONGEST) if "key" in row else row["sha256"][:12]
        code = f"<code>{html.escape(_place(row))}</code>"
        if row["link"]:
            code = f'<a href="{html.escape(row["link"])}">{code}</a>'
        uses = row.get("uses") or [{"anchor": name, "section": ""}]
        links = ", ".join(
            f'<a href="#use:{html.escape(use["anchor"])}">{html.escape(_shown(use["section"], sections))}</a>'
            for use in uses
        )
        key = html.escape(_name(row))
        made.append(
            f'<tr id="ledger:{html.escape(name)}"><th scope="row"><code>{key}</code></th>'
            f"<td><code>{html.escape(value)}</code></td><td>{code}</td><td>{links}</td></tr>"
        )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("key", "raw value", "line", "printed in")
    )
    return (
        "<p>Each number and each figure of this page is a link to its row here, and the row links back "
        "to each place where it is printed. A row has the key, the raw value and the line that "
        "records it, or for a choice the line of the configuration that makes it.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="The ledger">'
        f'<table id="ledger"><thead><tr>{head}</tr></thead><tbody>{"".join(made)}</tbody></table></div>'
    )


def _shown(section: str, sections: Mapping[str, tuple[str, str, str]]) -> str:
    if not section:
        return "figure"
    return sections.get(section, ("",))[0] or section
