"""Text -> TeX that prints it letter by letter, whatever it holds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from workings.page.letters import composed


class TeX(str):
    """A text that is TeX already and is printed as it is."""


# What TeX, or a language of babel's, would act on; [ ] and * where they would be read as arguments.
_SPECIAL = {
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
}
# Two that a typeface would join to one: -- is a dash.
_JOINED = re.compile(r"([,<>‘’])(?=\1)|[-–](?=-)|[?!](?=‘)")


def escape(text: str) -> TeX:
    """`text` as TeX that prints it literally, on one line: the one door from any text to TeX."""
    if isinstance(text, TeX):
        return text
    text = re.sub(r"\s*[\n\r]\s*", " ", text)
    pieces = (_SPECIAL.get(letter, letter) for letter in _JOINED.sub("\\g<0>\0", text))
    return TeX(composed("".join(pieces)).replace("\0", r"\unjoined{}"))


def unescaped(tex: str) -> str:
    """TeX with the signs that `escape` spelled in words as they were, but for the backslash."""
    for sign, spelled in _SPECIAL.items():
        if spelled.endswith("}") and sign not in "{}\\":
            tex = tex.replace(spelled, sign)
    return tex.replace(r"\unjoined{}", "")


def code(text: str) -> TeX:
    """`text` letter by letter in the typewriter face; lines may break after its punctuation."""
    text = unicodedata.normalize("NFC", one_line(text))
    pieces = re.findall(
        "(?:[^\\W_][\u0300-\u036f]*)+_?|.[\u0300-\u036f]*", text
    )  # with their accents
    return TeX(r"\texttt{" + r"\allowbreak{}".join(escape(piece) for piece in pieces) + "}")


def one_line(text: str) -> str:
    return " ".join(text.split())


def anchor(key: str) -> str:
    """`key` as the name of a link's target: what TeX would act on is spelled by its number."""
    return re.sub(r"[^\w./\[\]+-]", lambda match: f"={ord(match[0]):x}=", key, flags=re.ASCII)


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
