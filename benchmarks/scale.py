"""How a report grows: what its jobs need, what more images cost, how Snakemake and the store bear size.

    python benchmarks/scale.py jobs      time and memory of every job of this report
    python benchmarks/scale.py images    a patch search over more images, in one part and in several
    python benchmarks/scale.py networks  a training study with more networks of each kind, likewise
    python benchmarks/scale.py seeds     more seeds of the classifier and of what depends on it
    python benchmarks/scale.py dag       Snakemake's own time for reports of many empty jobs
    python benchmarks/scale.py store     a store of many entries: lookup, eviction, writers at once
    python benchmarks/scale.py slurm     what a job costs here, and on a Slurm that is up

The first four are of the report in this folder; what stands after -- goes to snakemake, say
`images 1000 10000 -- --configfile config/full.yaml`. Times are of this machine, which other work may share, so CPU time stands beside the clock's.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
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


def running(folder: Path) -> Iterator[tuple[str, float, float]]:
    """Plan, greatest memory in MB and seconds of the processor so far, of each job that runs."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError, StopIteration):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[1:3] != ["-m", "workings.job"] or (entry / "cwd").readlink() != folder:
                continue
            status = (entry / "status").read_text().splitlines()
            kb = next(line.split()[1] for line in status if line.startswith("VmHWM"))
            yield words[3], int(kb) / 1000, cpu_of(entry)


def cpu_of(entry: Path) -> float:
    """Seconds of the processor that a process of /proc has used."""
    fields = (entry / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def measured(folder: Path, *words: str, cores: int = 1) -> dict[str, tuple[float, float]]:
    """Memory in MB and CPU time in s of each job of a build."""
    found: dict[str, tuple[float, float]] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(GLANCE):
            for plan, *used in running(folder):
                found[plan] = tuple(map(max, zip(used, found.get(plan, (0, 0)), strict=True)))

    threading.Thread(target=watch, daemon=True).start()
    try:
        run(*words, folder=folder, cores=cores)
    except SystemExit as failed:  # what there is of a build that failed counts too
        print(failed, file=sys.stderr)
    ended.set()
    plans = folder / ".snakemake/workings/plans"
    return {
        json.loads((plans / f"{p}.json").read_text())["label"]: used for p, used in found.items()
    }


def jobs(*words: str) -> None:
    """Build with `snakemake --cores 1 WORDS`, and note the memory and the time of each job."""
    print("| job | MB | CPU, s |\n|---|---:|---:|")
    for label, (peak, cpu) in measured(Path.cwd(), *words).items():
        print(f"| {label} | {peak:.0f} | {cpu:.1f} |", flush=True)


# -- more of the same ------------------------------------------------------------------------------


def _split(words: tuple[str, ...], default: tuple[int, ...]) -> tuple[list[int], list[str]]:
    """The counts, and what goes to snakemake."""
    place = words.index("--") if "--" in words else len(words)
    return list(map(int, words[:place] or default)), list(words[place + 1 :])


def _grow(job: str, counts: list[int], chosen: Callable[[int], str], words: list[str]) -> None:
    """A job with more and more to do, in 1, 2 and 4 parts."""
    print("| | parts | CPU, all | longest part | ideal | MB |\n|---:|---:|---:|---:|---:|---:|")
    for count in counts:
        alone = 0.0
        for parts in (1, 2, 4):
            config = ["--config", chosen(count), f"shards={{{job}: {parts}}}"]
            asked = (f"build/measurements/{job}.json", "--forcerun", f"{job}_part", *words, *config)
            used = measured(Path.cwd(), *asked)
            cpu = {label: seconds for label, (_, seconds) in used.items()}
            longest = max(seconds for label, seconds in cpu.items() if "part" in label)
            alone = alone or longest  # of one part
            peak = max(megabytes for megabytes, _ in used.values())
            print(
                f"| {count} | {parts} | {sum(cpu.values()):.1f} | {longest:.1f} | "
                f"{alone / parts:.1f} | {peak:.0f} |", flush=True,
            )  # fmt: skip


def images(*words: str) -> None:
    """The patch search over so many images, with the network that is here."""
    counts, words = _split(words, (100, 300))
    _grow("patch_search", counts, lambda n: f"patch_search={{per_class: {n // 10}}}", words)


def networks(*words: str) -> None:
    """The training study at short delays, with so many networks of each kind."""
    counts, words = _split(words, (10, 20, 40))
    _grow("training", counts, lambda n: f"training={{repeats: {n}, delays: [10, 12]}}", words)


def seeds(*words: str) -> None:
    """The classifier, and what the block `seeds` names, from so many seeds."""
    counts, words = _split(words, (2, 5, 10))
    print("| seeds | jobs | CPU, all | CPU of a seed | MB |\n|---:|---:|---:|---:|---:|")
    for count in counts:
        config = ["--config", f"seeds={{values: {list(range(101, 101 + count))}, report: false}}"]
        used = measured(Path.cwd(), "seeds", "--forcerun", "seed_classifier", *words, *config)
        cpu = sum(seconds for label, (_, seconds) in used.items() if label != "seeds")
        peak = max(megabytes for megabytes, _ in used.values())
        print(f"| {count} | {len(used)} | {cpu:.1f} | {cpu / count:.1f} | {peak:.0f} |", flush=True)


# -- how many jobs ---------------------------------------------------------------------------------

EMPTY = """scattergather:
    empty={jobs},


rule empty_part:
    output:
        part="build/parts/empty/{{scatteritem}}.txt",
    params:
        **paper.job("empty_part"),
    shell:
        paper.RUN


rule empty:
    input:
        parts=gather.empty("build/parts/empty/{{scatteritem}}.txt"),
    output:
        measurements="build/measurements/empty.json",
    params:
        **paper.job("empty"),
    shell:
        paper.RUN


rule bills:
"""
PLAIN = """rule all:
    input: expand("build/{{number}}.txt", number=range({jobs}))

rule empty:
    output: "build/{{number}}.txt"
    shell: "touch {{output}}"
"""
PART = '''"""Nothing."""
from pathlib import Path


def main(config, inputs, outputs):
    Path(outputs.part).write_text("nothing")
'''
WHOLE = '''"""How many nothings there are."""
from workings.measurements import record, write


def main(config, inputs, outputs):
    write(outputs.measurements, record(parts=len(inputs.parts)))
'''


def empty(folder: Path, count: int) -> Path:
    """The report of `workings new`, with so many empty jobs more."""
    from workings.commands.new import lay_down

    lay_down(folder, "Empty", ["Nobody"], "article")
    own = (folder / "Snakefile").read_text()
    (folder / "Snakefile").write_text(own.replace("rule bills:\n", EMPTY.format(jobs=count)))
    (folder / "analysis/empty_part.py").write_text(PART)
    (folder / "analysis/empty.py").write_text(WHOLE)
    with (folder / "templates/sections/bills.tex.j2").open("a") as file:
        file.write("\nThere are \\VAR{empty.parts} empty ones.\n")
    return folder


def plain(folder: Path, count: int) -> Path:
    """So many empty jobs and nothing else."""
    folder.mkdir()
    (folder / "Snakefile").write_text(PLAIN.format(jobs=count))
    return folder


def dag(*counts: str) -> None:
    """`snakemake -n`: of the engine, and of Snakemake alone."""
    print("| jobs | ours, s | CPU | plain, s | CPU |\n|---:|---:|---:|---:|---:|")
    for count in map(int, counts or ("100", "1000", "10000")):
        with tempfile.TemporaryDirectory() as place:
            made = [make(Path(place) / make.__name__, count) for make in (empty, plain)]
            times = [f"{seconds:.1f}" for folder in made for seconds in run("-n", folder=folder)]
        print(f"| {count} | {' | '.join(times)} |", flush=True)


# -- how many entries ------------------------------------------------------------------------------


def fill(kept: store.Store, numbers: range) -> None:
    """Entries of one small file each, as `keep` writes them but at once."""
    sums = '{"out": "' + "0" * 64 + '"}'
    for number in numbers:
        key = store.key(str(number), {})
        entry = kept.folder / key[:2] / key[2:]
        entry.mkdir(parents=True)
        (entry / "out").write_text("x" * 100)
        (entry / store.ENTRY).write_text(sums)


def put(folder: Path, name: str, megabytes: float, many: int = 1) -> float:
    """Seconds that it takes to keep so many new entries."""
    kept, file = store.Store(folder, megabytes), folder / f"{name}.txt"
    file.write_text(name)
    began = time.perf_counter()
    for number in range(many):
        kept.keep(
            store.key(f"{name} {number}", {}), {"out": str(file)}, {"out": store.sum_of(file)}
        )
    return time.perf_counter() - began


def entries(*counts: str) -> None:
    """Times of a store with so many entries, in ms for each new or looked-up entry."""
    print(
        "| entries | lookup | new entry | eviction, s | 4 writers: new entry |\n|---:|---:|---:|---:|---:|"
    )
    with tempfile.TemporaryDirectory() as place:
        folder, done = Path(place), 0
        put(folder, "first", 1e6)
        for count in map(int, counts or ("1000", "10000", "100000")):
            kept = store.Store(folder, 1e6)
            fill(kept, range(done, count))
            done = count
            file = folder / "first.txt"
            out, key = {"out": str(folder / "back")}, store.key("first 0", {})
            began = time.perf_counter()
            for _ in range(50):
                assert kept.restore(key, out)["out"] == store.sum_of(file)
            looked = (time.perf_counter() - began) / 50
            new = put(folder, f"new {count}", 1e6, 50) / 50
            with ProcessPoolExecutor(4) as pool:
                began = time.perf_counter()
                writers = [pool.submit(put, folder, f"w{n} {count}", 1e6, 25) for n in range(4)]
                [writer.result() for writer in writers]
            together = (time.perf_counter() - began) / 100
            (kept.folder / store.TALLY).unlink()  # which does not know of those that were put there
            evicted = put(folder, f"full {count}", count * 170 / store.MEGABYTE)
            print(
                f"| {count} | {1000 * looked:.1f} | {1000 * new:.1f} | {evicted:.1f} | "
                f"{1000 * together:.1f} |", flush=True,
            )  # fmt: skip
            shutil.rmtree(kept.folder)
            put(folder, "first", 1e6)
            done = 0


# -- what a job costs ------------------------------------------------------------------------------


def watch_cpu(folder: Path, ended: threading.Event, used: dict[str, float]) -> None:
    """Seconds of the processors of each process in the folder, whoever started it."""
    while not ended.wait(GLANCE):
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                if (entry / "cwd").readlink() == folder:
                    used[entry.name] = cpu_of(entry)


def slurm(count: str = "8") -> None:
    """So many empty jobs built here, on Slurm one by one, and on Slurm in fours."""
    profile = ["--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1"]
    ways = {
        "here": [],
        "Slurm": profile,
        "Slurm, four in a job": [*profile, "--groups", "empty_part=e", "--group-components", "e=4"],
    }
    print(f"| {count} empty jobs | s | CPU of all processes |\n|---|---:|---:|")
    for way, words in ways.items():
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/tmp")) as place:
            folder = empty(Path(place) / "report", int(count))
            ended, used = threading.Event(), {}
            threading.Thread(target=watch_cpu, args=(folder, ended, used), daemon=True).start()
            took, _ = run(*words, "--", "build/measurements/empty.json", folder=folder, cores=2)
            ended.set()
            print(f"| {way} | {took:.0f} | {sum(used.values()):.0f} |", flush=True)


if __name__ == "__main__":
    what, *words = sys.argv[1:] or ["help"]
    known = {
        "jobs": jobs, "images": images, "networks": networks, "seeds": seeds,
        "dag": dag, "store": entries, "slurm": slurm,
    }  # fmt: skip
    if what not in known:
        raise SystemExit(__doc__)
    known[what](*words)
