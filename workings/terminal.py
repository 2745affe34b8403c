"""What a build shows: a line for each job with its reason, a bar, and at the end what came of it.

Snakemake's own lines are left out where they repeat it; what went wrong comes last, once.
"""

from __future__ import annotations

import ast
import errno
import logging
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase

from workings.build.files import NO_ROOM
from workings.build.fingerprint import keyed
from workings.notes import WIDTH, Notes, block

GLANCE = 0.25  # seconds between two looks of the bar
FEW = 6  # changed lines, files or jobs that are named one by one
NOISE = re.compile(
    "Assuming unrestricted|Building DAG|Using shell|Provided |Rules |Select jobs|Execute |host:|"
    "Complete log|Elapsed time|Reasons:|Some jobs were triggered|This was a dry-run|Shutting down|"
    "Exiting because|Removing output files|Cannot restore |Restor(ing|ed) |Terminating processes|None$|"
    r"\d+ jobs have|DAG of jobs will|--keep-incomplete mode|Cleaning up SLURM|.*SLURM account|No account was"
)
PARAMS = "Params have changed since last execution: "
STRING = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
LIST = rf"((?:{STRING},?)*)(?:<nothing exclusive>)?"
CLEAR = "\r\x1b[J"  # this line and what is below


class LogHandler(LogHandlerBase):
    """Snakemake's messages, as a person wants them."""

    writes_to_stream, writes_to_file = True, False
    has_filter, has_formatter, needs_rulegraph = False, True, False

    def __post_init__(self) -> None:
        logging.raiseExceptions = False  # a log file on a full disk is no concern of this build
        self.stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self.stream = self.stream or Path(os.devnull).open("w")  # noqa: SIM115 where it was closed
        if hasattr(self.stream, "reconfigure"):
            self.stream.reconfigure(errors="replace")  # of a terminal that has not all letters
        self.started = time.time()
        self.labels: dict[int, str] = {}  # of the jobs, by Snakemake's number
        self.outputs: dict[str, str] = {}  # the job's label, by its first output
        self.running: dict[int, float] = {}
        self.failed: dict[str, str] = {}  # what Snakemake says of a failed job, by first output
        self.errors: list[str] = []
        self.logs: list[str] = []  # of a cluster, of the group that failed last
        self.done = self.total = 0
        self.interrupted = False
        self.notes = Notes()
        self.ended = threading.Event()
        self.bar = threading.Thread(target=self._redraw, daemon=True)
        if self.stream.isatty():
            self.bar.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event = getattr(record, "event", None)
            tell = getattr(self, f"_{event.value}", None) if event else self._other
            if tell:
                tell(record)
        except Exception:
            self.handleError(record)  # or the thread that hands on the messages would end

    def close(self) -> None:
        """The end of the build: what was done, or what was wrong."""
        if self.notes is None:
            return
        self.ended.set()
        if self.bar.is_alive():
            self.bar.join()
        dry = self.common_settings.dryrun
        wrong = [*self.notes.by_output("failed").values(), *self.failed.values()] or self.errors
        if wrong and not self.interrupted:
            self._print("\n" + "\n".join(map(block, dict.fromkeys(wrong))))
        elif self.total and not dry and self.done < self.total:
            self._print(f"workings: stopped after {self.done} of {self.total} jobs")
        elif self.total:
            self._print(self._summary(dry))
        self.notes = self.notes.remove()
        super().close()

    # A method for each of Snakemake's events that is shown, of its name.

    def _run_info(self, record: Any) -> None:
        self.total = sum(n for rule, n in record.stats.items() if rule not in ("all", "total"))

    def _job_info(self, record: Any) -> None:
        if not (record.output or record.shellcmd):
            return  # `rule all` does nothing
        label = " ".join([record.rule_name, *map(str, record.wildcards.values())])
        self.labels[record.jobid] = label
        self.outputs[_first(record.output)] = label
        self.running[record.jobid] = time.time()
        said = f"{label}: {record.rule_msg}" if record.rule_msg else label
        self._print(f"{said} ({'; '.join(reasons(record.reason))})")

    def _job_finished(self, record: Any) -> None:
        self.done += self.running.pop(record.job_id, 0) > 0

    def _job_error(self, record: Any) -> None:
        self.running.pop(record.jobid, None)
        said = [self.errors.pop().splitlines()[-1]] if self.errors else []
        # Of a cluster: what it says of the job, and the log of what the machine said.
        said += [(record.rule_msg or "").partition("For further error details")[0].strip()]
        said += [
            f"its log: {os.path.relpath(file)}"
            for file in [*getattr(record, "log", ()), *self.logs]
        ]
        label = self.labels.get(record.jobid, record.rule_name)
        if self.interrupted:
            return
        others = f"; {len(self.running)} still running" if self.running else ""
        self._print(f"{label}: failed{others}")
        if _first(record.output) not in self.notes.by_output("failed"):
            self.failed[label] = (
                f"workings: {label}: ended without a word. {' '.join(filter(None, said))}"
            )

    def _group_error(self, record: Any) -> None:
        self.logs = record.aux_logs  # which Snakemake does not hand on to the group's jobs

    def _error(self, record: Any) -> None:
        if "At least one job did not complete" not in record.getMessage():
            self.errors.append(told(record.getMessage()))

    def _shellcmd(self, record: Any) -> None:
        if record.shellcmd:
            self._print(record.shellcmd)

    def _other(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self.interrupted |= text.startswith("Terminating processes")  # Control-C
        if not NOISE.match(text):
            self._print("nothing to do" if text.startswith("Nothing to be done") else text)

    def _summary(self, dry: bool) -> str:
        if dry:
            return f"workings: {self.total} jobs would run"
        said = [f"{time.time() - self.started:.0f} s"]
        for kind in ("computed", "restored"):
            names = [self.outputs.get(output, output) for output in self.notes.by_output(kind)]
            many = f"{len(names)} jobs" if len(names) > FEW else ", ".join(names)
            said += [f"{kind}: {many}"] if names else []
        editions = ", ".join(self.notes.by_output("edition").values()) or "done"
        return f"workings: {editions} ({'; '.join(said)})"

    def _print(self, text: str) -> None:
        clear = CLEAR if self.stream.isatty() else ""
        self._write(clear + "\n".join(map(_cut, text.splitlines())) + "\n")

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError:  # nobody reads on: `snakemake -n | head -1`
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())

    def _redraw(self) -> None:
        while not self.ended.wait(GLANCE):
            if self.running:
                width = os.get_terminal_size(self.stream.fileno()).columns or 80
                full = round(20 * self.done / max(self.total, 1))
                names = [self.labels[job] for job in list(self.running)]
                text = (
                    f"{'━' * full}{'╌' * (20 - full)} {self.done} of {self.total}, "
                    f"{time.time() - self.started:.0f} s: {', '.join(names)}"
                )
                # Below an empty line, on which the cursor waits: whatever else is printed has it.
                self._write(f"{CLEAR}\n{text[: width - 1]}\x1b[A\r")


def told(error: str) -> str:
    """An error that Snakemake met, its cause last; one that a person can mend, as it is."""
    if f"[Errno {errno.ENOSPC}]" in error or f"[Errno {errno.EDQUOT}]" in error:
        return f"workings: {NO_ROOM}"
    _, inside, error = error.rpartition("Traceback (most recent call last):")
    lines = [line for line in error.splitlines() if line.strip()]
    if inside:  # Snakemake itself
        lines = [line for line in lines if line[0] != " "]
    frames = [line for line in lines if line.startswith('  File "')]
    lines = [line for line in lines if line not in frames]
    text = "\n".join(lines)
    if met := re.search(
        r"InputError(:| in file .*:)\s|\w*Error(:| in file .*:)\s\[Errno \d+\] ", text
    ):
        return f"workings: {text[met.end() :]}"
    return "\n".join([*frames, *lines])


def cause(output: str) -> str:
    """What was wrong, from all that a build which failed has printed."""
    return output.strip().rpartition("\n\n")[2]


def reasons(text: str) -> list[str]:
    """Snakemake's reason for a job, each part short.

    `config a.b = 1` before and `config a.b = 2` now are one change: `a.b = 1 → 2`.
    """
    files, _, params = text.partition(PARAMS)
    found = []
    for part in filter(None, files.strip("; ").split("; ")):
        what, colon, names = part.partition(": ")
        what = {
            "Missing output files": "missing",
            "Input files updated by another job": "after",
            "Updated input files": "changed",
        }.get(what, what)
        if (names or not colon) and not (what == "after" and found):
            found.append(f"{what} {_few(sorted(names.split(', ')))}".strip())
    if match := re.search(f"before: {LIST} now: {LIST}", params):
        before, now = (
            dict(keyed(ast.literal_eval(word)) for word in re.findall(STRING, side))
            for side in match.groups()
        )
        found.append(_few([_change(key, before, now) for key in sorted(before | now)]))
    return found


def _change(key: str, before: dict, now: dict) -> str:
    kind, _, name = key.partition(" ")
    if kind in ("code", "text", "style"):  # of a file
        return name
    old, new = (side.get(key, "nothing") for side in (before, now))
    return f"{name or kind}{' =' if kind == 'config' else ''} {old} → {new}"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more


def _first(outputs: list[str]) -> str:
    return outputs[0].split(" (")[0] if outputs else ""


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
