"""Write requirements.lock anew: `python analysis/pipeline/lock.py`.

Installs what pyproject.toml names into a fresh environment and lists all that came, so that the
lock holds the indirect packages too. A local build of torch (2.13.0+cpu) is listed by its release.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

HEADER = "# Every package with its version, for Python 3.11 on Linux; made by `make lock`.\n"


def named(pyproject: Path = Path("pyproject.toml")) -> list[str]:
    """The requirements of the project and of its tests."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["test"]]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", *named()], check=True)
        frozen = subprocess.run(
            [*pip, "freeze", "--exclude", "pip"], check=True, capture_output=True, text=True
        )
    lines = [line.split("+")[0] for line in frozen.stdout.splitlines()]
    Path("requirements.lock").write_text(HEADER + "\n".join(sorted(lines, key=str.lower)) + "\n")


if __name__ == "__main__":
    sys.exit(main())
