"""Run one job: `python -m workings.job NAME FILES FINGERPRINT…`.

A job is a module `analysis/NAME.py` with a function

    main(config, inputs, outputs)

that gets the blocks of the configuration it declared and the named paths of its inputs and outputs.
The runner is the only place where a job meets Snakemake: it looks in the store whether the same was
computed before, hands out temporary output paths, puts finished files in place, and turns what the
user can mend into one message without a traceback.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

# Results differ across thread counts, not across repeats; Snakemake runs jobs side by side.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from workings import config as settings  # noqa: E402
from workings.build import (
    fingerprint,
    manifests,
    store,
)
from workings.build import lock as exclusive  # noqa: E402
from workings.build.files import written_whole  # noqa: E402
from workings.messages import (
    InputError,
    say,
)


ENGINE = ("section", "ledger", "report")  # the rules whose jobs are the engine's own


def module_of(name: str) -> str:
    """The module of the rule `name`."""
    return f"workings.page.{name}" if name in ENGINE else f"analysis.{name}"


def params(config: dict, name: str, *blocks: str, programs: Iterable[str] = ()) -> list:
    """The `params:` of the rule `name`: its files, then its fingerprint, a line each.

    `programs` are those that the job runs; their versions count like those of packages.

    The job is given its own block of the configuration and the other named ones, no more; a name
    with points (``occlusion.digit``) gives a single key.
    Functions, since Snakemake looks for {wildcards} in plain texts and a title may hold braces.
    """
    part = _chosen(config, [name, *blocks])
    lines = fingerprint.lines(Path(f"{module_of(name).replace('.', '/')}.py"), part)
    lines += [f"program {fingerprint.program_version(program)}" for program in programs]
    return [_files, *(lambda wildcards, line=line: line for line in lines)]


def run(name: str, files: dict, lines: Iterable[str] = (), kept: store.Store | None = None) -> str:
    """Run the job in this process, or restore what the store has; outputs appear whole or not at all.

    Args:
        files: the paths under "input" and "output", by their names in the rule.
        lines: the job's fingerprint, which holds its configuration.
        kept: the store, where there is one.

    Returns:
        "computed" or "restored".

    Raises:
        InputError: the job, or the runner, found something that the user can mend.
    """
    inputs = _each(files["input"])
    for path in inputs:
        if not Path(path).exists():
            raise InputError(f"{path}: this input of the job '{name}' is missing")
    outputs = files["output"]
    input_sums = {path: store.sum_of(path) for path in inputs}
    key = store.key(name, lines, input_sums, outputs)
    # Should this run be cut off, no manifest calls its files complete.
    manifests.place(outputs).unlink(missing_ok=True)
    try:
        with written_whole(outputs) as temporary:
            sums = kept.restore(key, temporary) if kept else None
            how = "restored" if sums else "computed"
            if not sums:
                job = importlib.import_module(module_of(name))
                job.main(
                    fingerprint.config_of(lines),
                    SimpleNamespace(**files["input"]),
                    SimpleNamespace(**temporary),
                )
        if not sums:
            sums = {output: store.sum_of(path) for output, path in outputs.items()}
            if kept:
                kept.keep(key, outputs, sums)
        manifests.Manifest(key, input_sums, outputs, sums).write()
    except InputError:
        raise
    except Exception as error:
        if not _of_a_full_disk(error):
            raise
        place = Path(next(iter(outputs.values()))).parent
        raise InputError(
            f"{place}: no room left on the disk, so the job '{name}' wrote nothing. "
            "Free some space and run the same command again"
        ) from None
    return how


def main() -> int:
    name, given, *lines = sys.argv[1:]
    files = json.loads(given)
    # One rule may serve several results: `section` fills all sections.
    result = Path(next(iter(files["output"].values()))).stem
    label = name if result == name or name != "section" else f"{name} {result}"
    exclusive.begin_job()
    where = os.environ.get("WORKINGS_STORE")
    try:
        how = run(name, files, lines, store.Store(**json.loads(where)) if where else None)
    except InputError as error:
        places = json.loads(os.environ.get("WORKINGS_CONFIG", '{"files": []}'))
        where = f"{settings.locate(error.key, **places)}: {error.key}: " if error.key else ""
        message = f"workings: {where}{error}"
        say(f"\n{message}\n")
        _note("failed", message)
        return 1
    if how == "restored":
        say(f"workings: {label}: restored from the store")
    _note(how, label)
    return 0


def _of_a_full_disk(error: BaseException | None) -> bool:
    """Whether the disk was full; a library that then closes its file may hide it behind an error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False


def _note(kind: str, text: str) -> None:
    """For the end of the build, which repeats what went wrong and counts what was done."""
    if notes := os.environ.get("WORKINGS_NOTES"):
        with Path(notes).open("a", encoding="utf-8") as file:
            file.write(json.dumps([kind, text]) + "\n")


def _chosen(config: dict, keys: list[str]) -> dict:
    part: dict = {}
    for key in keys:
        *above, last = key.split(".")
        source, target = config, part
        for step in above:
            source, target = source[step], target.setdefault(step, {})
        if last in source:
            target[last] = source[last]
    return part


def _files(wildcards, input, output) -> str:
    return json.dumps({"input": _named(input), "output": _named(output)})


def _named(files) -> dict:
    return {name: list(f) if not isinstance(f, str) else str(f) for name, f in files.items()}


def _each(inputs: dict) -> list[str]:
    return [p for f in inputs.values() for p in ([f] if isinstance(f, str) else f)]


if __name__ == "__main__":
    sys.exit(main())
