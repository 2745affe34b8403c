"""Install what a report needs from the system: TeX Live with its class, and two PDF tools.

Debian and Ubuntu: apt-get, with sudo when not root, of what is missing alone. Elsewhere: what to
install is said.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from pathlib import Path

from workings import classes, languages
from workings import config as configuration
from workings.messages import InputError, say
from workings.page import document, letters
from workings.page.typeset import FOR_BIBER, FOR_HOUSE, FOR_LANGUAGE, FOR_LUALATEX, NEEDED


def needed(
    report: document.Document,
    engine: str = letters.PDFLATEX,
    language: languages.Language = languages.ENGLISH,
) -> dict[str, str]:
    """The programs and files that the report needs, with their Debian packages."""
    known = classes.CLASSES.get(report.name)
    found = NEEDED | ({f"{report.name}.cls": known.package} if known else {})
    found |= {f"{language.babel}.ldf": language.package}
    for asked, files in (
        (report.layout == classes.HOUSE, FOR_HOUSE),
        (report.biber, FOR_BIBER),
        (engine == letters.LUALATEX, FOR_LUALATEX),
    ):
        found |= files if asked else {}
    return found


def missing(files: dict[str, str]) -> dict[str, str]:
    """Those that are not here."""
    return {name: package for name, package in files.items() if not _is_here(name)}


def _is_here(name: str) -> bool:
    if "." not in name:
        return shutil.which(name) is not None
    return shutil.which("kpsewhich") is not None and (
        subprocess.run(["kpsewhich", name], capture_output=True).returncode == 0
    )


def install(files: dict[str, str]) -> None:
    """Install what is missing of `files`.

    Raises:
        InputError: what is missing and cannot be installed from here.
    """
    left = missing(files)
    if not left:
        return
    packages = sorted(set(left.values()))
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None:
        raise InputError(
            f"not here: {', '.join(left)}; this is neither Debian nor Ubuntu, so install TeX Live "
            "with them yourself (on macOS: MacTeX), and poppler, qpdf and latexdiff"
        )
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    if as_root and shutil.which("sudo") is None:
        raise InputError(f"not here: {', '.join(left)}; as root, run: {' '.join(command)}")
    say(f"workings: installing {', '.join(packages)} (TeX Live is about 500 MB; once)")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update", "-q"], command):
        if subprocess.run([*as_root, *step], env=environment).returncode != 0:
            raise InputError(f"'{' '.join(step)}' failed; what it says stands above")
    if left := missing(files):
        raise InputError(f"apt-get went well, but {', '.join(left)} is still missing")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--all",
        action="store_true",
        help="what the engine's own tests need too: every class and language, LuaLaTeX, a browser",
    )


def run(given: argparse.Namespace) -> int:
    every = {
        f"{name}.cls": known.package for name, known in classes.CLASSES.items() if "[" not in name
    }
    every |= FOR_LANGUAGE | FOR_LUALATEX | {"chromium": "chromium"}
    chosen = configuration.load().values["report"]
    language = languages.look_up(chosen["language"])
    files = needed(document.read(Path("report/report.tex")), chosen["engine"], language)
    install(files | (every if given.all else {}))
    return 0
