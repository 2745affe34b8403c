"""Run one job: `python -m workings.job PLAN [anew] THREADS`.

A job is a module, `analysis/NAME.py` of the report or one of the engine's own, with a function

    main(config, inputs, outputs)

that gets the blocks of the configuration it declared and the named paths of its inputs and outputs.
The runner is the only place where a job meets Snakemake: it looks in the store whether the same was
computed before, hands out temporary output paths, puts finished files in place, and says in one
block what went wrong.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

# Results differ across thread counts, not across repeats; Snakemake runs jobs side by side.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Control-C ends it, and the build says so

from workings import config as configuration  # noqa: E402
from workings.build import fingerprint, lease, lock, manifests, plan, store  # noqa: E402
from workings.build.files import is_full, written_whole  # noqa: E402
from workings.measurements import origins_path  # noqa: E402
from workings.messages import InputError, say  # noqa: E402
from workings.notes import block, note, of_exception  # noqa: E402


def run(planned: plan.Plan, kept: store.Store | None = None, anew: bool = False) -> str:
    """Run the job in this process, or restore what the store has; outputs appear whole or not at all.

    Where a job records measurements, where each came from (`measurements.record`) is one output more.

    Args:
        anew: whether to compute what the store has.

    Returns:
        "computed" or "restored".

    Raises:
        InputError: the job, or the runner, found something that the user can mend.
    """
    inputs = list(listed(planned.inputs))
    for path in inputs:
        if not Path(path).exists():
            raise InputError(f"{path}: this input of the job '{planned.label}' is missing")
    outputs = dict(planned.outputs)
    if "measurements" in outputs:
        outputs[manifests.ORIGINS] = str(origins_path(outputs["measurements"]))
    input_sums = {path: store.sum_of(path) for path in inputs}
    key = store.key(planned.hash, input_sums)
    if anew and kept:
        kept.forget(key)
    # Should this run be cut off, no manifest calls its files complete.
    manifests.place(outputs).unlink(missing_ok=True)
    try:
        with written_whole(outputs) as temporary:
            sums = kept.restore(key, temporary) if kept else None
            how = "restored" if sums else "computed"
            if not sums:
                os.environ["WORKINGS_CLASS"] = planned.document  # how wide its figures are
                importlib.import_module(planned.module).main(
                    planned.config,
                    SimpleNamespace(**planned.inputs),
                    SimpleNamespace(**temporary),
                )
                _hold_still(planned, input_sums)
            lease.hold()
        if not sums:
            sums = {output: store.sum_of(path) for output, path in outputs.items()}
            if kept:
                kept.keep(key, outputs, sums)
        manifests.Manifest(planned.hash, input_sums, outputs, sums).write()
    except InputError:
        raise
    except Exception as error:
        if not is_full(error):
            raise
        place = Path(next(iter(outputs.values()))).parent
        raise InputError(
            f"{place}: no room left on the disk, so the job '{planned.label}' wrote nothing. "
            "Free some space and run the same command again"
        ) from None
    return how


def main() -> int:
    name, *anew, threads = sys.argv[1:]
    os.environ["WORKINGS_THREADS"] = threads
    where = os.environ.get("WORKINGS_STORE")
    output = label = name
    try:
        (lease if lease.is_submitted() else lock).begin_job()
        planned = plan.read(name)
        output, label = next(iter(planned.outputs.values())), planned.label
        how = run(planned, store.Store(**json.loads(where)) if where else None, bool(anew))
    except InputError as error:
        return _fail(output, f"workings: {_placed(error)}")
    except Exception as error:
        return _fail(output, of_exception(error, label))
    note(how, output, label)
    if planned.outputs.keys() & {"report", "page"}:
        note("edition", output, f"{output} is up to date")
    return 0


def listed(files: Mapping[str, str | list[str]]):
    """Each path of a rule's inputs."""
    for paths in files.values():
        yield from [paths] if isinstance(paths, str) else paths


def _hold_still(planned: plan.Plan, input_sums: Mapping[str, str]) -> None:
    """Refuse a result of inputs or code that changed meanwhile: it would be kept under a wrong key."""
    changed = [path for path, digest in input_sums.items() if store.sum_of(path) != digest]
    began = float(os.environ.get("WORKINGS_BEGAN", "0"))
    for key, digest in map(fingerprint.keyed, planned.fingerprint):
        kind, _, label = key.partition(" ")
        file = fingerprint.located(label)
        if (
            kind == "code"
            and file.stat().st_ctime > began
            and fingerprint.code_hash(file) != digest
        ):
            changed.append(label)
    if changed:
        raise InputError(
            f"{', '.join(changed)}: changed while the job '{planned.label}' ran; "
            "run the same command again"
        )


def _fail(output: str, message: str) -> int:
    """The terminal says it once all else is said; where none listens, it is said here."""
    if not note("failed", output, message):
        say(block(message))
    return 1


def _placed(error: InputError) -> str:
    """The message, with the file and line of the configuration's key that it is about."""
    if not error.key:
        return str(error)
    places = json.loads(os.environ.get("WORKINGS_CONFIG", '{"files": []}'))
    return f"{configuration.locate(error.key, **places)}: {error.key}: {error}"


if __name__ == "__main__":
    sys.exit(main())
