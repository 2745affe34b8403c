"""The ledger: for each printed value and figure the job, line, configuration and inputs it came from.

A measurement's line is where the job put it in (`measurements.record`), a choice's where the
configuration sets it. `build/ledger.json` has everything; the section prints as much of it as
`report.ledger` says.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

from workings import languages
from workings.build import commit, fingerprint
from workings.build.store import sum_of
from workings.config import locate
from workings.measurements import line_of, origin_of, origins_path, read
from workings.messages import InputError
from workings.page import letters, lint
from workings.page.numbers import as_json
from workings.page.tex import TeX, anchor, code, environment, escape

LONGEST = 42  # characters of a raw value in the short ledger
DIGITS = 6  # significant ones of a number in it
CHOICE = "config"
AROUND = 3  # lines of code before and after the one that records


def rows(quotes: Mapping[str, list[dict]], labelled: Mapping[str, bool]) -> list[dict]:
    """One row per key in alphabetical order: {key, value, job, uses}.

    Args:
        quotes: what each section printed, in order.
        labelled: whether a section has a label `sec:NAME`, so that a use can name its number.
    """
    by_key: dict[str, dict] = {}
    for section, quoted in quotes.items():
        for number, quote in enumerate(quoted, 1):
            key = quote["key"]
            row = by_key.setdefault(
                key, {"key": key, "value": quote["value"], "job": key.split(".")[0], "uses": []}
            )
            use = {"anchor": f"{section}.{number}", "section": section}
            use |= {"labelled": labelled[section], "format": quote["format"]}
            row["uses"].append(use | {"text": quote["text"], "place": quote["place"]})
    return [by_key[key] for key in sorted(by_key, key=_natural)]


class Sources:
    """The code as it was built: of the commit where it is the same code, else of the folder."""

    def __init__(self, built: Mapping, repository: str | None) -> None:
        self.built, self.repository = built, repository
        self.changed = {entry.rsplit(" ", 1)[0] for entry in built["changed"]}
        self.texts: dict[str, str] = {}

    def text(self, file: str) -> str:
        """The text of a file of the report or the engine."""
        if file not in self.texts:
            known = None if file in self.changed else commit.text(self.built["sha"], file)
            read = fingerprint.located(file).read_text(encoding="utf-8")
            self.texts[file] = read if known is None else known
        return self.texts[file]

    def at(self, file: str, line: int | None) -> dict:
        """Where something stands: {file, line, link}; no link where the commit has another text."""
        known = self.repository and self.built["sha"] and file not in self.changed
        known = known and Path(file).is_file()
        base = f"{(self.repository or '').rstrip('/')}/blob/{self.built['sha']}/{file}"
        link = base + (f"#L{line}" if line else "") if known else ""
        return {"file": file, "line": line, "link": link}


def recorded_at(key: str) -> str:
    """file:line that records the measurement `key` of the last build."""
    name, _, rest = key.partition(".")
    origin = origin_of(rest, read(origins_path(f"build/measurements/{name}.json")))
    if origin is None:
        return f"build/measurements/{name}.json:1"
    return f"{origin[0]}:{line_of(origin, fingerprint.located(origin[0]).read_text('utf-8'))}"


def line_of_output(source: str, name: str) -> int | None:
    """The first line of a script that names its output `outputs.name`."""
    written = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    lines = [node.lineno for node in written if ast.unparse(node) == f"outputs.{name}"]
    return min(lines, default=None)


def listed(config: Mapping, quotes: Mapping[str, list[dict]], claims: list[dict]) -> dict:
    """The whole ledger, job by job in the order of the Snakefile."""
    sources = Sources(config["commit"], config["report"]["repository"])
    values = rows(quotes, config["sections"])
    jobs = []
    for name, job in config["jobs"].items():
        origins = read(origins_path(job["measurements"]))
        own = [row for row in values if row["job"] == name]
        for row in own:
            origin = origin_of(row["key"].partition(".")[2], origins)
            file = origin[0] if origin else job["script"]
            row |= sources.at(file, line_of(origin, sources.text(file)) if origin else None)
        figures = [
            {"name": Path(path).stem, "job": name, "sha256": sum_of(path)}
            | sources.at(job["script"], line_of_output(sources.text(job["script"]), output))
            for output, path in job["figures"].items()
            if Path(path).stem in config["figures"]
        ]
        code = fingerprint.reached(job["script"])[0]
        jobs.append(
            {
                "job": name,
                "script": job["script"],
                "changed": sorted(code & sources.changed),
                "configuration": [
                    {"key": key, "value": value, "place": locate(key, **config["places"])}
                    for key, value in fingerprint.flat(job["configuration"])
                ],
                "measurements": _summed(job["measurements"]),
                "inputs": [_summed(path) for path in job["inputs"]],
                "rows": own,
                "figures": figures,
            }
        )
    choices = [row for row in values if row["job"] == CHOICE]
    for row in choices:
        place = locate(row["key"].partition(".")[2], **config["places"])
        file, _, line = place.rpartition(":")
        row |= sources.at(file, int(line)) if file else {"file": place, "line": None, "link": ""}
    return {
        "commit": {name: config["commit"][name] for name in ("sha", "date", "why", "changed")},
        "jobs": jobs,
        "choices": choices,
        "claims": claims,
        "code": excerpts(sources, [*values, *(row for job in jobs for row in job["figures"])]),
    }


def excerpts(sources: Sources, rows: list[dict]) -> dict[str, dict[int, str]]:
    """The lines around each that a row names, by file and number."""
    found: dict[str, dict[int, str]] = {}
    for row in rows:
        if row["line"]:
            lines = sources.text(row["file"]).splitlines()
            around = range(max(row["line"] - AROUND, 1), min(row["line"] + AROUND, len(lines)) + 1)
            found.setdefault(row["file"], {}).update((n, lines[n - 1]) for n in around)
    return {file: dict(sorted(lines.items())) for file, lines in sorted(found.items())}


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    quotes = {Path(path).stem: read(path, list) for path in inputs.quotes}
    measured = {name: read(job["measurements"]) for name, job in config["jobs"].items()}
    whole = listed(config, quotes, [claim for path in inputs.claims for claim in read(path, list)])

    if found := lint.of_values(quotes, measured, map(Path, inputs.templates), recorded_at):
        raise InputError("\n".join(map(str, found)))
    Path(outputs.ledger).write_text(
        json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    text = letters.spelled(printed(whole, config), config["report"]["engine"])
    # So that TeX runs again when the attached ledger is another.
    digest = hashlib.sha256(Path(outputs.ledger).read_bytes()).hexdigest()
    Path(outputs.section).write_text(f"{text}% {digest}\n", encoding="utf-8")


def printed(whole: Mapping, config: Mapping) -> str:
    """The section: a line for each value or array, and the choices of each job as one block."""
    form = config["report"]["ledger"]
    mark = languages.look_up(config["report"]["language"]).mark
    shorten = (LONGEST, DIGITS) if form == "short" else ()
    page = environment(Path(__file__).parent)
    page.filters |= {
        "lines": lambda rows, above: lines(rows, above, form == "short"),
        "values": lambda line: _values(line, mark, *shorten),
        "places": _places,
        "uses": _uses,
    }
    blocks: dict[str, list[dict]] = {}
    for row in whole["choices"]:
        blocks.setdefault(row["key"].split(".")[1], []).append(row)
    jobs = [job | {"choices": blocks.pop(job["job"], [])} for job in whole["jobs"]]
    seen: set[str] = set()  # files whose sums stand above
    for job in jobs:
        job["files"] = [
            (file["path"], "" if file["path"] in seen else file["sha256"][:12])
            for file in job["inputs"]
        ]
        seen |= {file["path"] for file in job["inputs"]}
    others = [row for block in blocks.values() for row in block]
    given = whole | {"jobs": jobs, "others": others, "form": form, "page": config["page"]}
    return page.get_template("ledger.tex.j2").render(given)


def lines(rows: list[dict], above: int, together: bool) -> list[dict]:
    """What is printed of the rows of a job or of choices: {key, rows, uses} for each line.

    Args:
        above: how many words of the keys the head says already.
        together: an array is one line, with one use in each section; else each value has its own,
            with every use.
    """
    arrays: dict[str, list[dict]] = {}
    for row in rows:
        key = re.sub(r"\.\d+(?=\.|$)", ".*", row["key"]) if together else row["key"]
        arrays.setdefault(key, []).append(row)
    made = []
    for held in arrays.values():
        parts = zip(*(row["key"].split(".")[above:] for row in held), strict=True)
        uses = [use for row in held for use in row["uses"]]
        if together:
            uses = list({use["section"]: use for use in reversed(uses)}.values())[::-1]
        made.append({"key": ".".join(map(_span, parts)), "rows": held, "uses": uses})
    return made


def _span(parts: tuple[str, ...]) -> str:
    """A part of the keys of a line: a name, or the places in an array, as 0–9 or 0,3,7."""
    several = list(dict.fromkeys(parts))
    if len(several) > 2 and several == [str(int(several[0]) + n) for n in range(len(several))]:
        return f"{several[0]}–{several[-1]}"
    return ",".join(several)


def _values(line: Mapping, mark: str, *shorten: int) -> TeX:
    """The raw values, each the target of its links, and a link to where it is printed first."""
    shown = (
        rf"\ledgervalue{{{anchor(row['key'])}}}{{{row['uses'][0]['anchor']}}}"
        rf"{{{escape(as_json(row['value'], mark, *shorten))}}}"
        for row in line["rows"]
    )
    return TeX((", " if mark == "." else "; ").join(shown))


def _places(line: Mapping, script: str) -> TeX:
    """The lines that record the values, each with its file where that is not the script."""
    shown = []
    for row in line["rows"]:
        at = rf"\texttt{{:{row['line']}}}" if row["line"] else ""
        if not at or row["file"] != script:
            at = code(row["file"].removeprefix("analysis/").removeprefix("config/")) + at
        shown.append(rf"\ledgerlink{{{escape(row['link'])}}}{{{at}}}" if row["link"] else at)
    return TeX(", ".join(dict.fromkeys(shown)))


def _uses(line: Mapping) -> TeX:
    """The sections that print the values, each a link to the place."""
    shown = []
    for use in line["uses"]:
        name = rf"\S\,\ref*{{sec:{use['section']}}}" if use["labelled"] else escape(use["section"])
        shown.append(rf"\ledgeruse{{{use['anchor']}}}{{{name}}}")
    return TeX(", ".join(shown))


def _summed(path: str) -> dict:
    return {"path": path, "sha256": sum_of(path)}


def _natural(key: str) -> list:
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in key.split(".")]
