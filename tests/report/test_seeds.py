"""Runs from other seeds: how far a number spreads, and that another seed is all that differs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from analysis import seed, seeds
from workings import config as settings
from workings.measurements import Measurements
from workings.messages import InputError
from workings.page import latex
from workings.workflow import templates

ROOT = Path(__file__).parents[2]


def runs(*values: float) -> list[dict]:
    return [
        {"seed": i, "measurements": {"job": {"part": {"x": value}}}}
        for i, value in enumerate(values)
    ]


def test_the_spread_is_numpys_and_stands_under_the_numbers_own_key():
    found = seeds.spread(runs(1.0, 2.0, 4.5), ["job.part.x"])["job"]["part"]["x"]
    assert found["deviation"] == pytest.approx(np.std([1.0, 2.0, 4.5], ddof=1), rel=1e-12)
    assert (found["lowest"], found["highest"], found["mean"]) == (1.0, 4.5, 2.5)
    assert seeds.spread(runs(1.0, None), ["job.part.x"]) == {}
    with pytest.raises(InputError, match=r"no measurement 'job.part.y'"):
        seeds.spread(runs(1.0, 2.0), ["job.part.y"])


def test_another_seed_changes_the_seeds_and_nothing_else():
    config = settings.read_yaml(ROOT / "config/default.yaml")
    other = seed.seeded(config, 99)
    for block, values in other.items():
        if block in seed.SEEDED:
            assert values == config[block] | {"seed": 99} != config[block]
        else:
            assert values == config[block]
    has_seed = {b for b, values in config.items() if "seed" in values}
    # These two draw several networks themselves and print their range.
    assert has_seed == {*seed.SEEDED, "gradient_lags", "training"}


def test_the_jobs_write_what_the_snakefile_says(root):
    snakefile = (root / "Snakefile").read_text()
    for module, writes in seed.WRITES:
        name = module.__name__.rsplit(".", 1)[-1]
        rule = re.search(rf"^rule {name}:(.*?)^rule ", snakefile, re.MULTILINE | re.DOTALL)[1]
        output = re.search(r"output:(.*?)\n    \w+:", rule, re.DOTALL)[1]
        paths = dict(re.findall(r'(\w+)="([^"]+)"', output))
        assert set(paths) == set(writes) | {"measurements"}
        assert all(paths[key].endswith(f".{end}") for key, end in writes.items())


def test_what_is_printed_with_a_deviation_is_a_headline(in_root):
    used = {
        key
        for file in templates()
        for key in re.findall(r"spread\('([\w.]+)'", file.read_text(encoding="utf-8"))
    }
    assert used and used <= set(seeds.HEADLINES)


def test_a_deviation_is_printed_when_there_is_one_and_nothing_otherwise(tmp_path):
    (tmp_path / "t.tex.j2").write_text(r"\VAR{spread('job.part.x', digits=1)}|\VAR{seeds()}")
    without = latex.fill("t.tex.j2", latex.Section("s", Measurements({})), tmp_path)
    assert without == ("|", [])
    measured = {"count": 3, "spread": seeds.spread(runs(1.0, 2.0, 4.5), ["job.part.x"])}
    text, _ = latex.fill(
        "t.tex.j2", latex.Section("s", Measurements({"seeds": measured})), tmp_path
    )
    assert text.startswith(r"\,\ensuremath{\pm}\,\measured{seeds.spread.job.part.x.deviation}")
    assert text.endswith("|" + r"\measured{seeds.count}{s.2}{3}")
    assert latex.quoted("t.tex.j2", ["job", "seeds"], tmp_path) == ["job", "seeds"]
    assert latex.quoted("t.tex.j2", ["job"], tmp_path) == ["job"]
