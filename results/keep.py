"""Keep what a run on all of MNIST measured, with its commit, in results/full_set.json.

    snakemake --cores 2 build/measurements/{JOBS}.json --configfile config/full.yaml
    python results/keep.py

with the names of JOBS below. It takes half an hour, so the report reads it from there.
"""

import json
import subprocess
import sys
from pathlib import Path

JOBS = ("digits", "classifier", "feature_maps", "translation", "occlusion", "atlas", "patch_search")


def git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout


def main() -> None:
    if changed := git("status", "--porcelain", "--untracked-files=no"):
        sys.exit(f"commit first, for the commit is kept with the numbers:\n{changed}")
    kept = {name: json.loads(Path(f"build/measurements/{name}.json").read_text()) for name in JOBS}
    if kept["digits"]["training_images"] != 60_000:
        sys.exit("build/ is not of a run with --configfile config/full.yaml")
    found = {"commit": git("rev-parse", "HEAD").strip(), "measurements": kept}
    Path("results/full_set.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
