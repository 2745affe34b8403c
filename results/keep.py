"""Keep what the full study measured, with its commit, in results/full_set/.

    snakemake --profile profiles/slurm --configfile config/full.yaml build/measurements/{JOBS}.json
    python results/keep.py

with the names of JOBS below, or with --cores 4 instead of a profile. It takes hours of a processor, so
the report reads it from there, and `workings diff --configfile config/full.yaml results/full_set` says
what another run of it changed.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

JOBS = (
    "digits", "classifier", "filters", "feature_maps", "translation", "occlusion", "patch_colour", "atlas",
    "patch_search", "gradient_lags", "echo_state", "training", "seeds",
)  # fmt: skip
KEPT = Path("results/full_set")


def git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout


def main() -> None:
    if changed := git("status", "--porcelain", "--untracked-files=no"):
        sys.exit(f"commit first, for the commit is kept with the numbers:\n{changed}")
    measured = [Path(f"build/measurements/{name}.json") for name in JOBS]
    if json.loads(measured[0].read_text())["training_images"] != 60_000:
        sys.exit("build/ is not of a run with --configfile config/full.yaml")
    (KEPT / "measurements").mkdir(parents=True, exist_ok=True)
    for path in measured:
        shutil.copyfile(path, KEPT / "measurements" / path.name)
    (KEPT / "commit").write_text(git("rev-parse", "HEAD"))


if __name__ == "__main__":
    main()
