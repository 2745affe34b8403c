"""`snakemake seeds`: every job that a seed decides once more from other seeds, only when asked for."""

from __future__ import annotations

import csv
import json

import numpy as np

from .changing import append, replace
from .running import build, page, plain

CONFIG = "config/default.yaml"
SEEDS = {2, 3}
RUNS = {f"seed_{job} {seed}" for job in ("mass", "doubled") for seed in SEEDS}


def lowest_slope(folder, seed: int) -> float:
    """What `mass` records, worked out with numpy's own fit."""
    with (folder / "data/penguins.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["body_mass_g"] != "NA"]
    x, y = (
        np.array([float(r[name]) for r in rows]) for name in ("flipper_length_mm", "body_mass_g")
    )
    drawn = np.random.default_rng(seed).integers(len(x), size=(1000, len(x)))
    return np.quantile([np.polyfit(x[birds], y[birds], 1)[0] for birds in drawn], 0.025)


def test_other_seeds_run_on_demand_are_printed_when_asked_for(built):
    append(CONFIG, "\nseeds: {blocks: [mass], values: [2, 3]}\n")(built)
    slope = "\\VAR{mass.lowest_slope | digits(1)"
    replace("templates/sections/mass.tex.j2", slope, f"{slope} | spread")(built)
    without = build(built)
    assert without and without.computed == {"section mass", "ledger", "page", "report"}
    assert "±" not in page(built)

    tried = build(built, "seeds")
    assert tried and tried.computed == RUNS | {"seeds"}, tried.said
    values = [lowest_slope(built, seed) for seed in SEEDS]
    gathered = json.loads((built / "build/measurements/seeds.json").read_text())
    found = gathered["spread"]["mass"]["lowest_slope"]
    assert np.allclose([found["lowest"], found["highest"]], sorted(values), rtol=1e-9)
    assert {run["seed"] for run in gathered["runs"]} == SEEDS

    replace(CONFIG, "[2, 3]}", "[2, 3], report: true}")(built)
    printed = build(built)
    assert printed and printed.computed == {"section mass", "ledger", "page", "report"}, (
        printed.said
    )
    own = json.loads((built / "build/measurements/mass.json").read_text())["lowest_slope"]
    assert plain(f"{own:.1f} ± {np.std(values, ddof=1):.1f}") in plain(page(built))

    replace(CONFIG, "[2, 3], report", "[2, 3], jobs: [mass], report")(built)
    wrong = build(built, "-n", "seeds", "--config", "seeds={jobs: [bills]}")
    assert not wrong and "seeds.jobs: no seed of seeds.blocks decides 'bills'" in wrong.said
    fewer = build(built)
    assert fewer and "seeds" in fewer.computed, fewer.said
    gathered = json.loads((built / "build/measurements/seeds.json").read_text())
    assert [list(run["measurements"]) for run in gathered["runs"]] == [["mass"], ["mass"]]

    replace(CONFIG, "seed: 1", "seed: 2")(built)
    moved = build(built)
    assert moved and "mass" in moved.computed, moved.said  # its files have other names there
    assert f"{values[0]:.1f} ±" in page(built)


def test_what_no_seed_decides_is_made_once(built):
    append(CONFIG, "\nseeds: {blocks: [mass], values: [2, 3]}\n")(built)
    outputs = '    output:\n        measurements="build/measurements/mass.json"'
    replace("Snakefile", outputs, f'        bills="build/measurements/bills.json",\n{outputs}')(
        built
    )
    tried = build(built, "seeds")
    assert tried and tried.computed == RUNS | {"seeds"}, tried.said
    assert not list((built / "build/seeds").rglob("bills*"))
