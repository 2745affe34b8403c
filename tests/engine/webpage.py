"""A page made of a few lines of LaTeX, without building a report."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workings.page.web import page

SHELL = r"""\documentclass{article}
\usepackage{workings}
\usepackage{workings-house}
\addbibresource{references.bib}
\begin{document}
%s
\printbibliography
\appendix
\input{build/sections/ledger}
\end{document}
"""
REPORT = {"title": "A title", "language": "en-GB", "authors": ["Ada Lovelace"], "date": None}
REPORT |= {"subtitle": "", "keywords": [], "subject": "", "acknowledgements": ""}
COMMIT = {"sha": "", "date": "", "why": "outside a git repository", "changed": []}


def row(key: str, value: Any, *uses: str) -> dict[str, Any]:
    """A row of the ledger."""
    made = [{"anchor": u, "section": u.split(".")[0], "place": "x.tex.j2:1"} for u in uses]
    where = {"file": "analysis/job.py", "line": 2, "link": ""}
    return {"key": key, "value": value, "job": "job", "uses": made} | where


def ledger(*rows: dict) -> dict[str, Any]:
    """A ledger of one job with these rows."""
    job = {"job": "job", "script": "analysis/job.py", "changed": [], "figures": []}
    job |= {"configuration": [{"key": "job.bin", "value": "2", "place": "config/default.yaml:3"}]}
    job |= {"measurements": {"path": "build/measurements/job.json", "sha256": "ab" * 32}}
    job |= {"inputs": [{"path": "data/birds.csv", "sha256": "cd" * 32}], "rows": list(rows)}
    code = {"analysis/job.py": {"1": "return record(", "2": "    mean=x.mean(),", "3": ")"}}
    return {"commit": COMMIT, "jobs": [job], "choices": [], "claims": [], "code": code}


def set_page(
    folder: Path,
    sections: Mapping[str, str],
    *,
    shell: str = SHELL,
    report: Mapping[str, Any] = REPORT,
    references: str = "",
    rows: Sequence[dict] = (),
    claims: Sequence[dict] = (),
    figures: Mapping[str, Path] | None = None,
    explored: Mapping[str, Any] | None = None,
    seeds: Mapping[str, Any] | None = None,
) -> str:
    """The page of these sections, in their order."""
    inputs = "\n".join(rf"\input{{build/sections/{name}}}" for name in sections)
    (folder / "report.tex").write_text(shell.replace("%s", inputs), encoding="utf-8")
    (folder / "references.bib").write_text(references, encoding="utf-8")
    return page.page(
        folder / "report.tex", [folder / "references.bib"], sections, claims, figures or {},
        ledger(*rows), report, explored or {}, seeds,
    )  # fmt: skip


def words(markup: str) -> str:
    """What a reader reads of the text: without the contents, the ledger, what opens and closes."""
    main = markup[markup.index("<main") : markup.index("</main>")]
    main = re.sub(r'<h2 id="sec:ledger".*', "", main, flags=re.DOTALL)
    main = re.sub(r"<details>.*?</details>|<svg.*?</svg>", " ", main, flags=re.DOTALL)
    main = re.sub(r'<a class="anchor".*?</a>', "", main)
    main = re.sub(r"</(?:p|h\d|figcaption|td|th|li|mtd|div|header|math)>|<br>", " ", main)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", main)).split())
