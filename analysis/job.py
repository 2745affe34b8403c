"""Run one job: `python -m analysis.job NAME FILES FINGERPRINT…`.

A job is a module `analysis/NAME.py` with a function

    main(config, inputs, outputs)

that gets the blocks of the configuration it declared and the named paths of its inputs and outputs. The runner is the only
place where a job meets Snakemake: it checks the inputs, hands out temporary output paths, puts
finished files in place, and turns what the user can mend into one message without a traceback.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

# Results differ across thread counts, not across repeats; Snakemake runs jobs side by side.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

from analysis.pipeline import fingerprint, settings  # noqa: E402
from analysis.pipeline.errors import InputError  # noqa: E402
from analysis.pipeline.files import written_whole  # noqa: E402


def params(config: dict, name: str, *blocks: str) -> list:
    """The `params:` of the rule `name`: its files, then its fingerprint, a line each.

    The job is given its own block of the configuration and the other named ones, no more; a name
    with points (``occlusion.digit``) gives a single key.
    Functions, since Snakemake looks for {wildcards} in plain texts and a title may hold braces.
    """
    part = _chosen(config, [name, *blocks])
    lines = fingerprint.lines(Path(f"analysis/{name}.py"), part)
    return [_files, *(lambda wildcards, line=line: line for line in lines)]


def run(name: str, files: dict, config: dict) -> None:
    """Run the job in this process; its outputs appear whole or not at all.

    Raises:
        InputError: the job, or the runner, found something that the user can mend.
    """
    for path in _each(files["input"]):
        if not Path(path).exists():
            raise InputError(f"{path}: this input of the job '{name}' is missing")
    job = importlib.import_module(f"analysis.{name}")
    try:
        with written_whole(files["output"]) as temporary:
            job.main(config, SimpleNamespace(**files["input"]), SimpleNamespace(**temporary))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        place = Path(next(iter(files["output"].values()))).parent
        raise InputError(
            f"{place}: no room left on the disk, so the job '{name}' wrote nothing. "
            "Free some space and run the same command again"
        ) from None


def main() -> int:
    name, files, *lines = sys.argv[1:]
    try:
        run(name, json.loads(files), fingerprint.config_of(lines))
    except InputError as error:
        places = json.loads(os.environ.get("WORKINGS_CONFIG", '{"files": []}'))
        where = f"{settings.locate(error.key, **places)}: {error.key}: " if error.key else ""
        message = f"workings: {where}{error}"
        print(f"\n{message}\n", file=sys.stderr)
        if notes := os.environ.get("WORKINGS_ERRORS"):  # repeated at the end of the build
            with Path(notes).open("a", encoding="utf-8") as file:
                file.write(f"{message}\n")
        return 1
    return 0


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
