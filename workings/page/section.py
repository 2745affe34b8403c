"""Fill one section's template with the measurements and choices that it prints."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

from workings.measurements import read
from workings.page import document, template, title


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    name = Path(inputs.template[0]).name.removesuffix(".tex.j2")
    chosen = {block: values for block, values in config.items() if block != "commit"}

    def title_block(abstract: str) -> str:
        kind = document.read(Path("report/report.tex")).name
        return title.title_block(
            kind, config["report"], abstract, config.get("commit", {}).get("date")
        )

    filled = template.fill(
        f"sections/{name}.tex.j2",
        {Path(path).stem: read(path) for path in inputs.measurements},
        chosen,
        {Path(path).stem: read(path) for path in inputs.derivations},
        config["report"]["claims"],
        title_block,
        language=config["report"]["language"],
        engine=config["report"]["engine"],
    )
    Path(outputs.section).write_text(filled.text, encoding="utf-8")
    for path, records in ((outputs.quotes, filled.quotes), (outputs.claims, filled.claims)):
        Path(path).write_text(json.dumps(records, indent=1, ensure_ascii=False), encoding="utf-8")
