"""The real report in a folder of its own, on the tiny configuration."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.engine.running import CONFIG, ROOT

TITLE = r"Löss & gain: 100 % of $5_{0} #1 ~ ^ \ “Œuvre” {wildcard}"


def project(to: Path) -> Path:
    """The project's own files, as git knows them, with a tiny configuration beside them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for name in listed:
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    tiny = (ROOT / "config/tiny.yaml").read_text(encoding="utf-8")
    title = f"report: {{title: {json.dumps(TITLE)}}}\n"
    (to / CONFIG).write_text(tiny + title, encoding="utf-8")
    return to
