"""Fill one section's template with the measurements that it quotes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from workings.measurements import Measurements, read
from workings.page import latex


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    name = Path(inputs.template[0]).name.removesuffix(".tex.j2")
    measurements = Measurements.of_files(inputs.measurements)
    derivations = {Path(path).stem: read(path) for path in inputs.derivations}
    # A section may also print what a person chose: config.report.title and the like.
    measurements.jobs["config"] = config
    refuted_too = config["report"]["claims"] == "report"
    section = latex.Section(name, measurements, derivations, refuted_too)
    text, quotes = latex.fill(f"sections/{name}.tex.j2", section)
    Path(outputs.section).write_text(text, encoding="utf-8")
    Path(outputs.quotes).write_text(json.dumps(quotes, indent=1), encoding="utf-8")
    claims = json.dumps(latex.claims_of(section), indent=1, ensure_ascii=False)
    Path(outputs.claims).write_text(claims, encoding="utf-8")
