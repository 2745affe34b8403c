"""How long a build takes, against the same build with plain `script:` rules, in one run.

    python benchmarks/build.py [--configfile config/tiny.yaml]

Two copies of this checkout are built in turns, step by step: cold; with nothing changed; with one
changed word of prose; with another occlusion patch; cold with what the store then has. The reference
has the same rules and jobs, each as a plain Snakemake `script:` with Snakemake's own rules of what to
run again, without runner and store. Both are without the runs from other seeds, which the engine makes
of the rules. Times are of the whole command with all it starts.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

PLAIN = """
import importlib, os, sys
sys.path.insert(0, os.getcwd())
from types import SimpleNamespace
from workings.build import plan
planned = plan.read(snakemake.params.plan)
os.environ["WORKINGS_CLASS"] = planned.document
os.makedirs("build/origins", exist_ok=True)
importlib.import_module(planned.module).main(
    planned.config, SimpleNamespace(**planned.inputs), SimpleNamespace(**planned.outputs)
)
"""


def copy(folder: Path) -> Path:
    """The files of this checkout as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def plain(folder: Path) -> Path:
    """Turn each rule's shell line into a script, and the engine's rules into rules of the Snakefile."""
    shutil.rmtree(folder / "profiles")
    own = (folder / "Snakefile").read_text()
    engine = (folder / "workings/report.smk").read_text()
    engine = engine.partition("    # Every job once more with another seed")[0]
    (folder / "engine.smk").write_text(scripted(engine))
    (folder / "Snakefile").write_text(
        scripted(own).replace("include: paper.rules", 'include: "engine.smk"')
    )
    (folder / "plain.py").write_text(PLAIN)
    return folder


def scripted(rules: str) -> str:
    """The rules, each with the one script that calls its job's function."""
    return re.sub(r"( +)shell:\n +_?paper\.RUN\n", r'\1script:\n\1    "plain.py"\n', rules)


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Seconds of the clock and of the processors that the command took with all it started."""
    started, before = time.monotonic(), os.times()
    ran = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    after = os.times()
    if ran.returncode != 0:
        raise SystemExit(ran.stdout.decode()[-3000:])
    used = after.children_user + after.children_system
    return time.monotonic() - started, used - before.children_user - before.children_system


def change(name: str, old: str, new: str):
    def make(folder: Path) -> None:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r} any more"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return make


def empty(folder: Path) -> None:
    """As after a fresh clone, but for the store."""
    for name in ("build", ".snakemake"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "report/report.pdf").unlink(missing_ok=True)


STEPS = {
    "cold": lambda folder: None,
    "nothing changed": lambda folder: None,
    "one changed word": change(
        "templates/sections/digits.tex.j2", "The pictures are", "The images are"
    ),
    "another patch": change("config/default.yaml", "patch: 8 ", "patch: 7 "),
    "cold, warm store": empty,
}


def page_and_pass(folder: Path) -> None:
    """Print what the page takes from the filled sections, and one pass of LaTeX over the same."""
    setting = (
        "from pathlib import Path; from workings.page.web.preview import Preview; "
        "preview = Preview(Path('build')); preview.take_over(); preview.html()"
    )
    os.environ["TEXINPUTS"] = f"report:{ROOT / 'workings/style'}:"
    latex = [
        "pdflatex",
        "-interaction=batchmode",
        "-output-directory=build/latex",
        "report/report.tex",
    ]
    took = [timed([sys.executable, "-c", setting], folder), timed(latex, folder)]
    print(f"{'page':20}" + "".join(f"{s:9.2f}" for s in took[0]))
    print(f"{'one pass of LaTeX':20}" + "".join(f"{s:9.2f}" for s in took[1]))
    print(f"{'pass/page, CPU':20}{took[1][1] / took[0][1]:9.2f}")


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("--configfile")
    given.add_argument("--cores", default=str(os.cpu_count()))
    given = given.parse_args()
    options = ["--cores", given.cores]
    options += ["--configfile", given.configfile] if given.configfile else []
    options += ["--config", "seeds={report: false}"]
    with tempfile.TemporaryDirectory(prefix="workings-") as place:
        ours, reference = copy(Path(place) / "ours"), plain(copy(Path(place) / "plain"))
        snakemake = [sys.executable, "-m", "snakemake"]
        version = [timed([*snakemake, "--version"], ours) for _ in range(3)]
        start = sorted(version)[1]
        print(f"{'seconds':20}{'ours':>9}{'CPU':>9}{'plain':>9}{'CPU':>9}{'plain/ours':>12}")
        print(f"{'snakemake --version':20}{start[0]:9.2f}{start[1]:9.2f}")
        for name, prepare in STEPS.items():
            row = []
            for folder in (ours, reference):
                prepare(folder)
                row += timed([*snakemake, *options], folder)
            columns = "".join(f"{s:9.2f}" for s in row)
            print(f"{name:20}{columns}{row[2] / row[0]:12.2f}", flush=True)
        page_and_pass(ours)


if __name__ == "__main__":
    main()
