"""Lay down a small report to start from: two sections on real data, which builds in seconds.

FOLDER is the new report's folder, which must not be there or be empty. Change the example step by
step into a report of your own; its README says what first.
"""

from __future__ import annotations

import argparse
import json
import re
from importlib.metadata import distribution, version
from pathlib import Path

from workings import classes
from workings.messages import InputError, did_you_mean
from workings.page import letters

SCAFFOLD = Path(__file__).parents[1] / "scaffold"
DOTTED = ("gitignore", "gitattributes", "github")  # stored without the dot that git would heed


def lay_down(folder: Path, title: str, authors: list[str], document_class: str) -> None:
    """Write the scaffold into `folder`.

    Raises:
        InputError: the folder holds something, its name or a text cannot be used, or the class is
            unknown.
    """
    if not re.fullmatch(r"[\w.+-]+", folder.name, flags=re.ASCII):
        raise InputError(
            f"{str(folder)!r}: TeX and make cannot work in a folder whose name holds spaces or other "
            "signs than letters, digits, '.', '_', '+' and '-'; name it, say, "
            f"{re.sub(r'[^A-Za-z0-9._+-]+', '-', folder.name).strip('-') or 'report'!r}"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder}: there is something already; name a folder that is new or empty"
        )
    texts = [title, *authors]
    engine = letters.LUALATEX if any(map(letters.missing, texts)) else letters.PDFLATEX
    for option, text in zip(["--title", *("--author" for _ in authors)], texts, strict=True):
        try:
            letters.refuse(text, engine)
        except InputError as error:
            raise InputError(f"{option}: {error}") from None
    known = [name for name in classes.CLASSES if "[" not in name]
    if document_class not in known:
        raise InputError(
            f"--class {document_class}: {did_you_mean(document_class, known)}"
            f"known are {', '.join(known)}; docs/classes.md says how to use another"
        )
    words = {
        "@title@": json.dumps(title, ensure_ascii=False),
        "@title_plain@": title,
        "@authors@": json.dumps(authors, ensure_ascii=False),
        "@preamble@": classes.opening(document_class, "report/references.bib"),
        "@bibliography@": classes.references(document_class, "report/references.bib"),
        "@engine@": _engine(),
        "@typesetter@": engine,
    }
    for source in sorted(SCAFFOLD.rglob("*")):
        if not source.is_file() or "__pycache__" in source.parts:
            continue
        first, *rest = source.relative_to(SCAFFOLD).parts
        place = folder.joinpath(f".{first}" if first in DOTTED else first, *rest)
        place.parent.mkdir(parents=True, exist_ok=True)
        data = source.read_bytes()
        if b"@" in data:
            text = re.sub("|".join(words), lambda word: words[word[0]], data.decode("utf-8"))
            data = text.encode("utf-8")
        place.write_bytes(data)


def _engine() -> str:
    """The engine as pip names it: where it was installed from, or its release."""
    told = distribution("workings").read_text("direct_url.json")
    if not told:
        return f"workings=={version('workings')}"
    source = json.loads(told)
    vcs = source.get("vcs_info")
    return (
        f"workings @ {vcs['vcs']}+{source['url']}@{vcs['commit_id']}"
        if vcs
        else (f"workings @ {source['url']}")
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--title", help="the report's title (default: made from the folder's name)")
    parser.add_argument("--author", action="append", help="an author's name; may be given again")
    parser.add_argument(
        "--class",
        dest="document_class",
        metavar="CLASS",
        default="article",
        help="the document class, such as article (the default), IEEEtran or elsarticle",
    )


def run(given: argparse.Namespace) -> int:
    folder = given.folder
    title = given.title or re.sub(r"[._+-]+", " ", folder.name).strip().capitalize()
    lay_down(folder, title, given.author or ["The author"], given.document_class)
    print(f"workings: {folder} is ready; now: cd {folder} && snakemake --cores 4")
    return 0
