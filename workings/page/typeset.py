"""Typeset the report with latexmk, and refuse a PDF that is not clean."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

from workings import languages
from workings.build import processes
from workings.build.files import hold_writable, is_full
from workings.messages import InputError
from workings.page import bibliography, bibtex, document, letters, log

# Outside the declared outputs, which Snakemake deletes before a rerun: with what the last run left
# here, a changed word costs one LaTeX pass.
WORK = Path("build/latex")
NAMES = WORK / "names"  # the bibliography as BibTeX reads it
STYLE = Path(__file__).parents[1] / "style"
FULL = "no room left on the disk for TeX's files in build/latex; free some space"

# Programs and TeX's files, and the Debian packages that have them.
NEEDED = {
    "latexmk": "latexmk",
    "pdflatex": "texlive-latex-base",
    "latexdiff": "latexdiff",
    "pdftotext": "poppler-utils",
    "qpdf": "qpdf",
    "microtype.sty": "texlive-latex-recommended",
    "cleveref.sty": "texlive-latex-extra",
    "ulem.sty": "texlive-plain-generic",
    "lmodern.sty": "lmodern",
    "phvr8t.tfm": "texlive-fonts-recommended",
    "tgpagella.sty": "tex-gyre",
}
FOR_HOUSE = {"scrlayer-scrpage.sty": "texlive-latex-recommended"}
FOR_BIBER = {"biber": "biber", "biblatex.sty": "texlive-bibtex-extra"}
FOR_LUALATEX = {
    "luaotfload.sty": "texlive-luatex",
    "lmroman10-regular.otf": "fonts-lmodern",
    "texgyrepagella-regular.otf": "fonts-texgyre",
    "texgyrepagella-math.otf": "fonts-texgyre-math",
    "DejaVuSerif.ttf": letters.FALLBACKS["DejaVuSerif.ttf"],
    "DroidSansFallbackFull.ttf": letters.FALLBACKS["DroidSansFallbackFull.ttf"],
}
FOR_LANGUAGE = {f"{each.babel}.ldf": each.package for each in languages.LANGUAGES.values()}
PACKAGES = NEEDED | FOR_HOUSE | FOR_BIBER | FOR_LUALATEX | FOR_LANGUAGE


def typeset(
    shell: Path, engine: str = letters.PDFLATEX, language: languages.Language = languages.ENGLISH
) -> Path:
    """Run latexmk on `shell`; the PDF in the working folder.

    Raises:
        InputError: TeX is missing, or stopped at an error (with TeX's file:line and message).
    """
    read = document.read(shell)
    needed = ("latexmk", engine, "biber" if read.biber else "bibtex")
    missing = [program for program in needed if shutil.which(program) is None]
    if missing:
        raise InputError(
            f"{', '.join(missing)}: not installed; 'make tex' installs TeX Live on Debian and "
            "Ubuntu, elsewhere install TeX Live with latexmk, biber, KOMA-Script and TeX Gyre"
        )
    last = WORK / f"{shell.stem}.fls"  # the files that the last run read
    if last.exists() and str(STYLE) not in last.read_text(encoding="utf-8", errors="replace"):
        shutil.rmtree(WORK)  # latexmk would not look at the macros of an engine in another place
    texts = "".join(
        file.read_text(encoding="utf-8", errors="replace")
        for file in (shell, *read.references, *sorted(Path(document.SECTION).glob("*.tex")))
        if file.exists()
    )
    named = () if read.biber else [file for file in read.references if file.exists()]
    prepare(engine, texts, language, named)
    command = [
        *("latexmk", "-pdf", "-norc", "-silent", "-file-line-error", "-halt-on-error"),
        "-bibtexfudge-",  # which has BibTeX read the report's own file before the one in NAMES
        *("-interaction=nonstopmode", f"-outdir={WORK}"),
        f"-pdflatex={engine} -no-shell-escape %O %S",
        str(shell),
    ]
    environment = os.environ | {
        "TEXINPUTS": inputs(shell),
        "BIBINPUTS": f"{NAMES}:{os.environ.get('BIBINPUTS', '')}:",
        "openin_any": "p",  # no file outside the report by its path
        "max_print_line": "10000",
        "SOURCE_DATE_EPOCH": "0",
        "FORCE_SOURCE_DATE": "1",
        "TZ": "UTC",
    }
    for attempt in ("with what the last run left", "from nothing"):
        run = processes.run(command, environment)
        said = _log(shell)
        # TeX does not notice when a full disk cuts off its log, where the complaints are read.
        if run.returncode == 0 and "Output written on" in said:
            break
        in_a_section = any(document.SECTION in file for file, _, _ in log.stops(said))
        if attempt == "from nothing" or in_a_section:
            if run.returncode == 0:
                raise InputError(FULL)
            raise InputError(_why(said, run.stdout + run.stderr, shell, read.references))
        shutil.rmtree(WORK)  # TeX may have read what an interrupted run had half written
        prepare(engine, texts, language, named)
    return WORK / f"{shell.stem}.pdf"


def prepare(
    engine: str, texts: str, language: languages.Language, references: Iterable[Path]
) -> None:
    """What workings.sty and BibTeX read in the working folder: how letters are set, the language."""
    WORK.mkdir(parents=True, exist_ok=True)
    explained = letters.composed(language.word(languages.CLAIM))
    lines = f"\\newcommand{{\\reportlanguage}}{{{language.babel}}}\n"
    lines += f"\\newcommand{{\\claimexplained}}{{{explained}}}\n"
    lines += letters.declarations(engine, texts)
    (WORK / "workings-letters.tex").write_text(lines, encoding="utf-8")
    for file in references:
        (NAMES / file).parent.mkdir(parents=True, exist_ok=True)
        text = bibtex.for_bibtex(file.read_text(encoding="utf-8-sig"))
        (NAMES / file).write_text(text, encoding="utf-8")


def inputs(shell: Path) -> str:
    """TEXINPUTS: where TeX looks for what the report and the engine bring."""
    return f"{shell.parent}:{STYLE}:{os.environ.get('TEXINPUTS', '')}:"


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["report"]
    shell = Path(inputs.shell)
    pdf = typeset(shell, chosen["engine"], languages.look_up(chosen["language"]))
    bbl, references = WORK / f"{shell.stem}.bbl", document.read(shell).references
    problems = log.complaints(_log(shell), shell, bbl, references)
    if problems:
        raise InputError("the report is not clean:\n  " + "\n  ".join(problems))
    shutil.copyfile(pdf, outputs.report)


def _log(shell: Path) -> str:
    file = WORK / f"{shell.stem}.log"
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def _why(said: str, output: str, shell: Path, references: Iterable[Path]) -> str:
    """Why TeX stopped: its reason, or that the disk was full."""
    # latexmk is silent, so the reason may be in the log alone; and pdfTeX may just fail to write.
    if re.search(r"No space left|pdfTeX error: .*\bf(write|flush)\(\) failed", said + output):
        return FULL
    reason, bbl = log.why(said, output, PACKAGES), WORK / f"{shell.stem}.bbl"
    if key := log.stopped_at(said, shell, bbl):
        reason = f"{bibliography.told(key, references)}: {reason}"
    elif not log.stops(said):
        key, message = bibliography.refused(bbl.with_suffix(".blg"))
        reason = bibliography.told(key, references, message) if key else reason
    # TeX may have read what was cut off for want of room.
    return f"{FULL} ({reason})" if _is_full() else reason


def _is_full() -> bool:
    """Whether less room is left than TeX's files take: the next pass would write them anew."""
    size = sum(file.stat().st_size for file in WORK.iterdir())
    try:
        hold_writable(WORK, max(size, 1))
    except OSError as error:
        return is_full(error)
    return False
