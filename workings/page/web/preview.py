"""The page as it would be after a saved word, without Snakemake and without TeX.

The last build has left the plan of each of its jobs. The section whose template was saved is filled by its
own job's code, with that plan, into a folder of its own; the page is set from it and the rest of `build/`.
Nothing in `build/` or `report/` is touched: the build that follows makes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

from workings.build import plan
from workings.page import section
from workings.page.web import page


class Preview:
    """The page of the last build, with what was saved since.

    Args:
        folder: for the sections that are filled here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sections: dict[str, dict] = {}
        self.page: dict | None = None
        self.fresh: dict[str, Path] = {}  # what was filled since the last build

    def take_over(self) -> None:
        """The plans of the build that has just ended."""
        self.sections, self.page, self.fresh = {}, None, {}
        for file in plan.FOLDER.glob("*.json"):
            planned = json.loads(file.read_text(encoding="utf-8"))
            if "quotes" in planned["outputs"]:
                self.sections[Path(planned["outputs"]["section"]).stem] = planned
            elif "page" in planned["outputs"]:
                self.page = planned

    def fill(self, changed: Iterable[str]) -> list[str] | None:
        """Fill the sections again whose templates are among the changed files.

        Returns:
            Their names; None where something else changed that only a build can answer.

        Raises:
            InputError: a template is wrong.
        """
        touched = []
        for path in changed:
            those = [n for n, p in self.sections.items() if path in p["inputs"]["template"]]
            inputs = self.page["inputs"] if self.page else {}
            if not those and path not in (inputs.get("shell"), *inputs.get("references", [])):
                return None
            touched += those
        for name in dict.fromkeys(touched):
            planned = self.sections[name]
            outputs = {k: str(self.folder / f"{name}.{k}") for k in ("section", "quotes", "claims")}
            section.main(
                planned["config"],
                SimpleNamespace(**planned["inputs"]),
                SimpleNamespace(**outputs),
            )
            self.fresh[name] = Path(outputs["section"])
        return list(dict.fromkeys(touched))

    def html(self) -> str:
        """The page, which reloads itself.

        Raises:
            InputError: it cannot be set.
        """
        inputs = dict(self.page["inputs"])
        inputs["claims"] = [self._latest(path, "claims") for path in inputs["claims"]]
        inputs["sections"] = {
            Path(path).stem: self._latest(path, "section") for path in inputs["sections"]
        }
        return page.of_files(SimpleNamespace(**inputs), self.page["config"], live=True)

    def _latest(self, path: str, kind: str) -> Path:
        name = Path(path).stem
        return self.folder / f"{name}.{kind}" if name in self.fresh else Path(path)
