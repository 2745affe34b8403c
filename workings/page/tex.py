"""Text -> TeX that prints it letter by letter, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from workings.messages import InputError


class TeX(str):
    """A text that is TeX already and is printed as it is."""


_SPECIAL = {
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
}
# What T1-encoded TeX Gyre Pagella sets through inputenc.
_LETTERS = re.compile("[\t\n\r -~\u00a0-\u017f\u2013\u2014\u2018-\u201a\u201c-\u201e\u2026\u20ac]*")
# Two signs that T1 would join to one: -- is a dash, << a quotation mark.
_JOINED = re.compile(r"([-`',<>])(?=\1)|[?!](?=`)")


def escape(text: str) -> TeX:
    """`text` as TeX that prints it literally, on one line.

    Raises:
        InputError: it holds a letter that the report's typeface does not have.
    """
    if isinstance(text, TeX):
        return text
    text = re.sub(r"\s*[\n\r]\s*", " ", text)
    set_up_to = _LETTERS.match(text).end()
    if set_up_to < len(text):
        raise InputError(
            f"{text!r:.80} holds {text[set_up_to]!r} (U+{ord(text[set_up_to]):04X}), which the "
            "report's typeface cannot print; Latin letters with any accent are right"
        )
    pieces = (_SPECIAL.get(letter, letter) for letter in _JOINED.sub("\\g<0>\0", text))
    return TeX("".join(pieces).replace("\0", "{}"))


def code(text: str) -> TeX:
    """`text` letter by letter in the typewriter face; lines may break after its punctuation."""
    pieces = re.findall(r"[^\W_]+_?|.", one_line(text))
    return TeX(r"\texttt{" + r"\allowbreak{}".join(escape(piece) for piece in pieces) + "}")


def one_line(text: str) -> str:
    return " ".join(text.split())


def anchor(key: str) -> str:
    """`key` as the name of a link's target: what TeX would act on is spelled by its number."""
    return re.sub(r"[^\w./\[\]+-]", lambda match: f":{ord(match[0]):x}:", key, flags=re.ASCII)


def environment(*folders: Path, finalize: Callable[[str], str] = escape) -> SandboxedEnvironment:
    """Jinja2 with the marks of the sections, for the engine's own templates, which print texts alone."""
    made = SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folders),
        block_start_string=r"\BLOCK{",
        block_end_string="}",
        variable_start_string=r"\VAR{",
        variable_end_string="}",
        undefined=jinja2.StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"anchor": lambda key: TeX(anchor(key)), "code": code, "tex": TeX}
    return made
