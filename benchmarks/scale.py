"""How a report grows: what its jobs need, what more images cost, how Snakemake and the store bear size.

    python benchmarks/scale.py jobs      time and memory of every job of this report
    python benchmarks/scale.py images    a patch search over more images, in one part and in several
    python benchmarks/scale.py dag       Snakemake's own time for reports of many empty jobs
    python benchmarks/scale.py store     a store of many entries: lookup, eviction, writers at once
    python benchmarks/scale.py slurm     what a job costs here, and on a Slurm that is up

Times are of this machine, which other work may share, so CPU time stands beside the clock's.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from workings.build import store

ROOT = Path(__file__).parents[1]
SNAKEMAKE = [sys.executable, "-m", "snakemake"]
GLANCE = 0.2  # seconds between two looks at a job's memory


def run(*words: str, folder: Path, cores: int = 1) -> tuple[float, float]:
    """Seconds of the clock and of the processors that `snakemake WORDS` takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [*SNAKEMAKE, "--cores", str(cores), *words], cwd=folder, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return took, sum(getattr(after, n) - getattr(before, n) for n in ("ru_utime", "ru_stime"))


# -- what the jobs need ----------------------------------------------------------------------------


def running() -> Iterator[tuple[int, str, float]]:
    """Process, plan and memory in MB of each job that runs."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[1:3] != ["-m", "workings.job"] or (entry / "cwd").readlink() != Path.cwd():
                continue
            status = (entry / "status").read_text()
            kb = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            yield int(entry.name), words[3], int(kb.split()[1]) / 1000


def jobs(*words: str) -> None:
    """Build with `snakemake --cores 1 WORDS`, and note the memory and the time of each job."""
    import json

    peaks: dict[str, float] = {}
    seen: dict[str, list[float]] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(GLANCE):
            for _, plan, megabytes in running():
                peaks[plan] = max(peaks.get(plan, 0), megabytes)
                seen.setdefault(plan, [time.time(), 0.0])[1] = time.time()

    threading.Thread(target=watch, daemon=True).start()
    run(*words, folder=Path.cwd())
    ended.set()
    print("| job | MB | s |\n|---|---:|---:|")
    for plan, peak in peaks.items():
        file = Path(f".snakemake/workings/plans/{plan}.json")
        label = json.loads(file.read_text())["label"]
        print(f"| {label} | {peak:.0f} | {seen[plan][1] - seen[plan][0]:.1f} |", flush=True)


if __name__ == "__main__":
    what, *words = sys.argv[1:] or ["help"]
    known = {"jobs": jobs}
    if what not in known:
        raise SystemExit(__doc__)
    known[what](*words)
