"""Typeset the report with latexmk, and refuse a PDF that is not clean."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

from workings import classes, languages
from workings.build import processes
from workings.messages import InputError
from workings.page import document, letters

# Outside the declared outputs, which Snakemake deletes before a rerun: with what the last run left
# here, a changed word costs one LaTeX pass.
WORK = Path("build/latex")
STYLE = Path(__file__).parents[1] / "style"
OVERFULL = 1.0  # points
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
    **letters.FALLBACKS,
}


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
    prepare(engine, texts, language)
    command = [
        *("latexmk", "-pdf", "-norc", "-silent", "-file-line-error", "-halt-on-error"),
        *(
            "-interaction=nonstopmode",
            f"-outdir={WORK}",
            f"-pdflatex={engine} -no-shell-escape %O %S",
        ),
        str(shell),
    ]
    environment = os.environ | {
        "TEXINPUTS": inputs(shell),
        "openin_any": "p",  # no file outside the report by its path
        "max_print_line": "10000",
        "SOURCE_DATE_EPOCH": "0",
        "FORCE_SOURCE_DATE": "1",
        "TZ": "UTC",
    }
    for attempt in ("with what the last run left", "from nothing"):
        run = processes.run(command, environment)
        log = _log(shell)
        # TeX does not notice when a full disk cuts off its log, where the complaints are read.
        if run.returncode == 0 and "Output written on" in log:
            break
        in_a_section = any("build/sections/" in file for file, _, _ in _stops(log))
        if attempt == "from nothing" or in_a_section:
            reason = FULL if run.returncode == 0 else why(log, run.stdout + run.stderr)
            if reason != FULL and _is_full():  # TeX may have read what was cut off for want of room
                reason = f"{FULL} ({reason})"
            raise InputError(reason)
        shutil.rmtree(WORK)  # TeX may have read what an interrupted run had half written
        prepare(engine, texts, language)
    return WORK / f"{shell.stem}.pdf"


def prepare(engine: str, texts: str, language: languages.Language) -> None:
    """What workings.sty reads in the working folder: the language, how the texts' letters are set."""
    WORK.mkdir(parents=True, exist_ok=True)
    lines = f"\\newcommand{{\\reportlanguage}}{{{language.babel}}}\n"
    lines += letters.declarations(engine, texts)
    (WORK / "workings-letters.tex").write_text(lines, encoding="utf-8")


def inputs(shell: Path) -> str:
    """TEXINPUTS: where TeX looks for what the report and the engine bring."""
    return f"{shell.parent}:{STYLE}:{os.environ.get('TEXINPUTS', '')}:"


def complaints(log: str) -> list[str]:
    """What a reader would stumble over, from TeX's log."""
    found = []
    for pattern, words in (
        (r"LaTeX Warning: Reference `([^']*)' on page", "reference to nothing: {}"),
        (
            r"Warning: Citation [`']([^']*)' on page",  # LaTeX's own, biblatex's or natbib's
            "citation missing from the bibliography: {}",
        ),
        (
            r"Float too large for page by ([\d.]+)pt",
            "a figure or table is {} pt higher than its page",
        ),
        (r"Missing character: There is no (\S+) ", "letter missing from the typeface: {}"),
        (r"LaTeX Warning: Label `([^']*)' multiply defined", "label given twice: {}"),
        (r"name\{([^}]*)\} has been referenced but does not exist", "link to nothing: {}"),
    ):
        found += [words.format(match) for match in re.findall(pattern, log)]
    for width, where in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)([^\n]*)", log):
        if float(width) > OVERFULL:
            found.append(f"a line is {width} pt too wide:{where}{_file_at(log, width, where)}")
    return list(dict.fromkeys(found))


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    chosen = config["report"]
    language = languages.look_up(chosen["language"])
    pdf = typeset(Path(inputs.shell), chosen["engine"], language)
    problems = complaints(_log(Path(inputs.shell)))
    if problems:
        raise InputError("the report is not clean:\n  " + "\n  ".join(problems))
    shutil.copyfile(pdf, outputs.report)


def _log(shell: Path) -> str:
    log = WORK / f"{shell.stem}.log"
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def _stops(log: str) -> list[tuple[str, str, str]]:
    """(file, line, message) of TeX's own errors."""
    return re.findall(r"^(\S+\.\w+):(\d+): (.*)$", log, flags=re.MULTILINE)


def why(log: str, output: str) -> str:
    """Where TeX stopped and what it said, from its log and from what latexmk printed."""
    stops = _stops(log)
    said = re.search(r"^! (.*)$", log, flags=re.MULTILINE)
    # latexmk is silent, so the reason may be in the log alone; and pdfTeX may just fail to write.
    if re.search(r"No space left|pdfTeX error: .*\bf(write|flush)\(\) failed", log + output):
        return FULL
    if not stops:
        biber = re.findall(r"^ERROR - (.*)$", output, flags=re.MULTILINE)
        tail = "; ".join(biber) or (said[1] if said else " ".join(output.split()[-60:]))
        return f"TeX stopped: {tail}"
    file, line, message = stops[0]
    if said and message == "Emergency stop.":  # of a missing package TeX tells the reason apart
        message = said[1]
    message += _hint(message, log)
    file = file.removeprefix("./")
    source = re.sub(r"^build/sections/(\w+)\.tex$", r"templates/sections/\1.tex.j2", file)
    made = f" (filled from {source})" if source != file else ""
    return f"{file}:{line}{made}: TeX stopped: {message}"


def _hint(message: str, log: str) -> str:
    """What TeX's message leaves out: the name of the command, and who has the file."""
    if message.startswith("Undefined control sequence"):
        found = re.search(r"Undefined control sequence\.\n.*?(\\[A-Za-z@]+) *\n", log)
        return f" {found[1]}" if found else ""
    if found := re.search(r"babel Error: Unknown option '(\w+)'", message):
        package = {each.babel: each.package for each in languages.LANGUAGES.values()}.get(found[1])
        return f" On Debian install the package {package}" if package else ""
    found = re.search(r"File `(\S+)' not found", message)
    if not found:
        return ""
    known = {f"{name}.cls": known.package for name, known in classes.CLASSES.items()}
    package = (NEEDED | FOR_HOUSE | FOR_BIBER | known).get(found[1])
    owner = f"the package {package}" if package else f"what `apt-file search /{found[1]}` names"
    return f" On Debian install {owner}"


def _is_full() -> bool:
    """Whether less room is left than TeX's files take: the next pass would write them anew."""
    size = sum(file.stat().st_size for file in WORK.iterdir())
    try:
        with tempfile.TemporaryFile(dir=WORK) as probe:
            probe.write(bytes(max(size, 1)))
            probe.flush()
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def _file_at(log: str, width: str, where: str) -> str:
    """The last section that TeX had opened when it said so."""
    before = log[: log.find(f"({width}pt too wide){where}")]
    opened = re.findall(r"\((?:\./)?(build/sections/\w+\.tex)", before)
    return f" of {opened[-1]}" if opened else ""
