"""This repository's report in a folder of its own, on the tiny configuration."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.engine.changing import append, commit
from tests.engine.running import CONFIG, ROOT

TITLE = r"Löss & gain: 100 % of $5_{0} #1 ~ ^ \ “Œuvre” {wildcard}"
PARTIAL = "templates/partial.tex.j2"
NOT_OF_THE_REPORT = ("tests", "workings", "docs", "benchmarks")


def project(to: Path) -> Path:
    """The report's own files, as git knows them, committed with a tiny configuration beside them.

    It has a partial, which its own sections do without.
    """
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (ROOT / name).is_file() and name.partition("/")[0] not in NOT_OF_THE_REPORT:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    tiny = (ROOT / "config/tiny.yaml").read_text(encoding="utf-8")
    title = f"report: {{title: {json.dumps(TITLE)}}}\n"
    (to / CONFIG).write_text(tiny + title, encoding="utf-8")
    (to / PARTIAL).write_text("This is said in a partial.\n")
    for section in ("filters", "built"):
        include = f"\n\\BLOCK{{ include '{Path(PARTIAL).name}' }}\n"
        append(f"templates/sections/{section}.tex.j2", include)(to)
    commit(to, "all")
    return to
