"""List every printed number and figure with the job, line, code and inputs that it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace

from workings.build import commit, fingerprint
from workings.build.store import sum_of
from workings.measurements import Measurements, read
from workings.messages import InputError
from workings.page import latex, lint, provenance

LONGEST = 42  # characters of a raw value in a row
HASH = 12  # digits of a sum that are printed; the attached ledger has them all


def rows(quotes: dict[str, list[dict]]) -> list[dict]:
    """One row per key in alphabetical order: {key, value, job, uses}.

    `quotes` maps each section to what it quoted, in print order; a use is (section, number).
    """
    by_key: dict[str, dict] = {}
    for section, quoted in quotes.items():
        for number, quote in enumerate(quoted, 1):
            key = quote["key"]
            row = by_key.setdefault(
                key, {"key": key, "value": quote["value"], "job": key.split(".")[0], "uses": []}
            )
            use = {"anchor": f"{section}.{number}", "section": section}
            row["uses"].append(use | {"text": quote["text"], "place": quote["place"]})
    return [by_key[key] for key in sorted(by_key, key=_natural)]


def raw(value) -> str:
    """The raw value as JSON, cut in the middle when it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"


class Sources:
    """The code as it was built: of the commit where it is the same code, else of the folder."""

    def __init__(self, built: Mapping, files: Iterable[str]) -> None:
        self.changed = {entry.rsplit(" ", 1)[0] for entry in built["changed"]}
        files = sorted(files)
        unchanged = [file for file in files if file not in self.changed]
        committed = commit.texts(built["sha"], unchanged)
        self.texts = {f: committed.get(f) or Path(f).read_text(encoding="utf-8") for f in files}
        self.of_job: dict[str, dict[str, str]] = {}  # looked up once a job: there are many keys

    def recorded_at(self, job: str, key: str) -> tuple[str, int | None]:
        """(file, line) that records the key."""
        script = f"analysis/{job}.py"
        if job not in self.of_job:
            self.of_job[job] = {file: self.texts[file] for file in measuring_code(job)}
        return provenance.recorded_at(key, script, self.of_job[job]) or (script, None)

    def written_at(self, job: str, output: str) -> tuple[str, int | None]:
        """(file, line) that writes an output."""
        script = f"analysis/{job}.py"
        return script, provenance.line_of_output(self.texts[script], output)


def measuring_code(job: str) -> list[str]:
    """The job's script and the modules that it measures with."""
    script = f"analysis/{job}.py"
    reached, _ = fingerprint.reached(Path(script))
    return [f for f in sorted(reached) if f == script or f.startswith(("analysis/maths/", "workings/derive/"))]


def link(repository: str | None, sha: str, file: str, line: int | None) -> str:
    """The address of a line at a commit; empty without a repository."""
    if not (repository and sha):
        return ""
    return f"{repository.rstrip('/')}/blob/{sha}/{file}" + (f"#L{line}" if line else "")


def figure_row(path: str, jobs: list[str], sources: Sources) -> dict:
    """A figure's name, job, sum and the line that writes it."""
    name = Path(path).stem
    job = max((job for job in jobs if name.startswith(job)), key=len)
    output = name.removeprefix(job).lstrip("_") or "figure"
    file, line = sources.written_at(job, output)
    return {"name": name, "job": job, "sha256": sum_of(path), "file": file, "line": line}


def listed(config: dict, inputs: SimpleNamespace) -> dict:
    """The whole ledger, job by job in the order of the report."""
    built = config["commit"]
    results = {Path(path).stem: path for path in inputs.measurements}
    sources = Sources(built, {file for job in results for file in measuring_code(job)})
    quotes = {Path(path).stem: read(path) for path in inputs.quotes}
    figures = [figure_row(path, list(results), sources) for path in inputs.figures]
    numbers = rows(quotes)
    repository = config["report"]["repository"]
    for row in numbers:
        if row["job"] in results:
            rest = row["key"].partition(".")[2]
            row["file"], row["line"] = sources.recorded_at(row["job"], rest)
    for row in [*numbers, *figures]:
        if "file" in row:
            gone = row["file"] in sources.changed
            row["link"] = "" if gone else link(repository, built["sha"], row["file"], row["line"])
    jobs = [
        {
            "job": job,
            "script": f"analysis/{job}.py",
            "configuration": job,
            "changed": sorted(set(measuring_code(job)) & sources.changed),
            "measurements": {"path": path, "sha256": sum_of(path)},
            "inputs": [
                {"path": file, "sha256": sum_of(file)} for file in _each(getattr(inputs, job, []))
            ],
            "numbers": [row for row in numbers if row["job"] == job],
            "figures": [row for row in figures if row["job"] == job],
        }
        for job, path in results.items()
    ]
    return {
        "commit": built["sha"],
        "changed": built["changed"],
        "jobs": jobs,
        "other": [row for row in numbers if row["job"] not in results],
        "claims": [claim for path in inputs.claims for claim in read(path)],
    }


def printable(whole: Mapping) -> dict:
    """What the section prints of the ledger: short sums, cut values, lines as texts."""
    jobs = []
    for job in whole["jobs"]:
        sums = "".join(file["sha256"] for file in job["inputs"]).encode()
        shown = [
            {**row, "value": raw(row["value"]), "at": _at(row, job["script"])}
            for row in job["numbers"]
        ]
        figures = [
            {**row, "value": f"sha256 {row['sha256'][:HASH]}", "at": _at(row, job["script"])}
            for row in job["figures"]
        ]
        jobs.append(
            {
                **job,
                "numbers": shown,
                "figures": figures,
                "has_inputs": bool(job["inputs"]),
                "inputs_sum": hashlib.sha256(sums).hexdigest()[:HASH],
                "results_sum": job["measurements"]["sha256"][:HASH],
                "inputs": [
                    {"path": file["path"], "sum": file["sha256"][:HASH]} for file in job["inputs"]
                ],
            }
        )
    return {
        "jobs": jobs,
        "other": [{**row, "value": raw(row["value"])} for row in whole["other"]],
        "commit": whole["commit"][:HASH],
        "changed": [entry.rsplit(" ", 1)[0] for entry in whole["changed"]],
    }


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    quotes = {Path(path).stem: read(path) for path in inputs.quotes}
    measured = {Path(path).stem: read(path) for path in inputs.measurements}
    if found := lint.of_values(quotes, measured, map(Path, inputs.templates)):
        raise InputError("\n".join(map(str, found)))
    whole = listed(config, inputs)
    Path(outputs.ledger).write_text(
        json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    section = latex.Section("ledger", Measurements({"ledger": printable(whole)}))
    text, _ = latex.fill("sections/ledger.tex.j2", section)
    # So that TeX runs again when the attached ledger is another.
    text += f"% {sum_of(outputs.ledger)}\n"
    Path(outputs.section).write_text(text, encoding="utf-8")


def _at(row: Mapping, script: str) -> str:
    """The line as it is printed: with its file where that is not the job's script."""
    line = str(row["line"] or "–")
    return line if row["file"] == script else f"{row['file'].removeprefix('analysis/')}:{line}"


def _each(files: str | list[str]) -> list[str]:
    return [files] if isinstance(files, str) else list(files)


def _natural(key: str) -> list:
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in key.split(".")]
