r"""Which letters a report can print, and how TeX sets those that it does not know of itself.

pdfLaTeX sets what its T1 typefaces hold, Latin letters with the accents of TeX or of Vietnamese, Greek,
and the signs of units and formulas. LuaLaTeX sets every letter that an installed typeface holds.
"""

from __future__ import annotations

import re
import subprocess
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from workings.messages import InputError
from workings.page import document

PDFLATEX, LUALATEX = "pdflatex", "lualatex"

# What every typeface in T1 holds, with the signs of TS1.
T1 = (
    "".join(map(chr, range(0x20, 0x7F))) + "\t\n\r\u00a0\u00ad"
    "¡¢£¤¥¦§¨©ª«®¯°´¶¸º»¼½¾¿ĂĄĆČĎĚĘĞĹĽŁŃŇŊŐŔŘŚŠŞŤŢŰŮŸŹŽŻĲİđăąćčďěęğĺľłńňŋőŕřśšşťţűůÿźžżĳ"
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖŒØÙÚÛÜÝÞẞàáâãäåæçèéêëìíîïðñòóôõöœøùúûüýþßĐıȷ‐‑–—‘’‚“”„‹›†‡•…‰€™ﬁﬂ"
)
# The letters of Vietnamese, as T5 numbers them from 128 on; the five before have other places.
T5 = (
    "ÀÁÃẢẠÂẦẤẪẨẬĂẰẮẴẲẶÈÉẼẺẸÊỀẾỄỂỆÌÍĨỈàáãảạâầấẫẩậăằắẵẳặèéẽẻẹêềếễểệìíĩỉỊÒÓÕỎỌÔỒỐỖỔỘƠỜỚỠỞỢÙÚŨỦỤƯỪỨỮỬỰỲÝỸ"
    "ịòóõỏọôồốỗổộơờớỡởợùúũủụưừứữửựỳýỹ"
)
VIETNAMESE = {letter: 128 + place for place, letter in enumerate(T5)}
VIETNAMESE |= {"Ỷ": 26, "ỷ": 27, "Ỵ": 28, "ỵ": 29}
# A combining accent, and TeX's for texts.
ACCENTS = {
    "\u0300": r"\`", "\u0301": r"\'", "\u0302": r"\^", "\u0303": r"\~", "\u0304": r"\=", "\u0306": r"\u",
    "\u0307": r"\.", "\u0308": r"\"", "\u030a": r"\r", "\u030b": r"\H", "\u030c": r"\v", "\u0323": r"\d",
    "\u0326": r"\textcommabelow", "\u0327": r"\c", "\u0328": r"\k", "\u0331": r"\b",
}  # fmt: skip
BELOW = "\u0323\u0326\u0327\u0328\u0331"
GREEK = {"\u0301": r"\acute", "\u0308": r"\ddot"}  # accents in formulas
# Signs, as formulas have them.
SIGNS = {
    "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta", "ε": r"\varepsilon", "ζ": r"\zeta",
    "η": r"\eta", "θ": r"\theta", "ι": r"\iota", "κ": r"\kappa", "λ": r"\lambda", "μ": r"\mu",
    "ν": r"\nu", "ξ": r"\xi", "ο": "o", "π": r"\pi", "ρ": r"\rho", "σ": r"\sigma", "ς": r"\varsigma",
    "τ": r"\tau", "υ": r"\upsilon", "φ": r"\varphi", "χ": r"\chi", "ψ": r"\psi", "ω": r"\omega",
    "ϑ": r"\vartheta", "ϕ": r"\phi", "ϵ": r"\epsilon", "ϖ": r"\varpi", "ϱ": r"\varrho",
    "Α": r"\mathrm{A}", "Β": r"\mathrm{B}", "Γ": r"\Gamma", "Δ": r"\Delta", "Ε": r"\mathrm{E}",
    "Ζ": r"\mathrm{Z}", "Η": r"\mathrm{H}", "Θ": r"\Theta", "Ι": r"\mathrm{I}", "Κ": r"\mathrm{K}",
    "Λ": r"\Lambda", "Μ": r"\mathrm{M}", "Ν": r"\mathrm{N}", "Ξ": r"\Xi", "Ο": r"\mathrm{O}",
    "Π": r"\Pi", "Ρ": r"\mathrm{P}", "Σ": r"\Sigma", "Τ": r"\mathrm{T}", "Υ": r"\Upsilon",
    "Φ": r"\Phi", "Χ": r"\mathrm{X}", "Ψ": r"\Psi", "Ω": r"\Omega",
    "−": "-", "±": r"\pm", "∓": r"\mp", "×": r"\times", "÷": r"\div", "·": r"\cdot", "⋅": r"\cdot",
    "∘": r"\circ", "∗": "*", "≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "≈": r"\approx", "≡": r"\equiv",
    "∼": r"\sim", "≃": r"\simeq", "≅": r"\cong", "∝": r"\propto", "≪": r"\ll", "≫": r"\gg",
    "∞": r"\infty", "∂": r"\partial", "∇": r"\nabla", "∑": r"\textstyle\sum", "∏": r"\textstyle\prod",
    "∫": r"\textstyle\int", "√": r"\surd", "∈": r"\in", "∉": r"\notin", "∋": r"\ni", "⊂": r"\subset",
    "⊆": r"\subseteq", "⊃": r"\supset", "∪": r"\cup", "∩": r"\cap", "∅": r"\emptyset",
    "∀": r"\forall", "∃": r"\exists", "¬": r"\neg", "∧": r"\wedge", "∨": r"\vee", "⊕": r"\oplus",
    "⊗": r"\otimes", "⊙": r"\odot", "⊥": r"\perp", "∥": r"\parallel", "∠": r"\angle", "⟨": r"\langle",
    "⟩": r"\rangle", "→": r"\rightarrow", "←": r"\leftarrow", "↑": r"\uparrow", "↓": r"\downarrow",
    "↔": r"\leftrightarrow", "⇒": r"\Rightarrow", "⇐": r"\Leftarrow", "⇔": r"\Leftrightarrow",
    "↦": r"\mapsto", "′": r"{}^{\prime}", "″": r"{}^{\prime\prime}", "ℓ": r"\ell", "ℏ": r"\hbar",
    "★": r"\star", "♯": r"\sharp", "♭": r"\flat",
    **{letter: f"{{}}^{{{sign}}}" for letter, sign in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni", strict=True)},
    **{letter: f"{{}}_{{{sign}}}" for letter, sign in zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", "0123456789+-=()", strict=True)},
}  # fmt: skip
# Those that texts set in another way than formulas.
TEXTS = {
    "°": r"\textdegree", "Ω": r"\textohm", "μ": r"\textmu", "µ": r"\textmu", "·": r"\textperiodcentered", "²": r"\texttwosuperior",
    "¹": r"\textonesuperior", "³": r"\textthreesuperior", "¬": r"\textlnot", "±": r"\textpm",
    "×": r"\texttimes", "÷": r"\textdiv", "→": r"\textrightarrow", "←": r"\textleftarrow",
    "↑": r"\textuparrow", "↓": r"\textdownarrow", "‒": r"\textendash", "―": r"\textemdash",
    "\u2009": r"\,", "\u202f": r"\,", "\u200a": r"\,", "\u2007": "~", "\u2002": r"\enspace ",
    "\u2003": r"\quad ", "\u200b": r"\hspace{0pt}", "\u2060": "", "\ufeff": "", "″": "''", "Đ": r"\DJ", "ẞ": "SS",
    "ŀ": r"l\textperiodcentered", "Ŀ": r"L\textperiodcentered", "ŉ": "'n", "…": r"\textellipsis", "‐": "-", "‑": r"\mbox{-}",
    "ĳ": "ij", "Ĳ": "IJ", "™": r"\textsuperscript{TM}",  # which typewriter faces lack
}  # fmt: skip
SIGNS |= {"µ": r"\mu", "°": r"{}^{\circ}"}


@cache
def declared() -> dict[str, tuple[str, str]]:
    """How pdfLaTeX sets each letter beyond T1: in texts, and in formulas."""
    found = {letter: ("", formula) for letter, formula in SIGNS.items()}
    for code in (*range(0xC0, 0x250), *range(0x370, 0x400), *range(0x1E00, 0x1F00)):
        letter = chr(code)
        base, *accents = unicodedata.normalize("NFD", letter)
        if letter in VIETNAMESE and letter not in T1:
            found[letter] = (f"\\vietnameseletter{{{VIETNAMESE[letter]}}}", "")
        elif accents and letter not in T1 and base.isascii() and _is_set(base, accents):
            found[letter] = (accented(base, accents), "")
        elif accents and base in SIGNS and set(accents) <= set(GREEK):
            formula = SIGNS[base]
            for accent in accents:
                formula = f"{GREEK[accent]}{{{formula}}}"
            found[letter] = ("", formula)
    for letter, text in TEXTS.items():
        found[letter] = (text, found.get(letter, ("", text))[1])
    return {
        letter: (text or f"\\ensuremath{{{formula}}}", formula or f"\\mbox{{{text}}}")
        for letter, (text, formula) in found.items()
    }


def _is_set(base: str, accents: Iterable[str]) -> bool:
    """Whether TeX puts these accents well: of two above a letter T1 must have it with the first."""
    above = [accent for accent in accents if accent not in BELOW]
    inner = unicodedata.normalize("NFC", base + "".join(above[:1]))
    return set(accents) <= set(ACCENTS) and (not above[1:] or (inner in T1 and not above[2:]))


def accented(base: str, accents: Iterable[str]) -> str:
    r"""A letter with its accents as TeX has it: \^{a}."""
    above = [accent for accent in accents if accent not in BELOW]
    base = f"\\{base} " if above and base in "ij" else base
    for accent in above:
        base = f"{ACCENTS[accent]}{{{base}}}"
    for accent in (accent for accent in accents if accent in BELOW):
        if ACCENTS[accent] == r"\c" and base in "acegmnopqrsuvwxyz":
            base = f"\\c{{{base}}}"
        else:  # The letter comes last, since where it ends readers see the next one begin.
            base = f"\\rlap{{{ACCENTS[accent]}{{\\phantom{{{base}}}}}}}{base}"
    return base


def declarations(engine: str, texts: str) -> str:
    """What workings.sty reads: how each letter that TeX does not know of itself is set.

    Under pdfLaTeX each has its text and its formula, under LuaLaTeX come the further typefaces that
    the texts need.
    """
    if engine == LUALATEX:
        known = {*T1, *VIETNAMESE}
        needed = {font_of(letter) for letter in {*texts} - known}
        fonts = "".join(f'"file:{font}:mode=node",' for font in FALLBACKS if font in needed)
        feature = "RawFeature={fallback=workings}" if fonts else ""
        return (
            f'\\directlua{{luaotfload.add_fallback("workings",{{{fonts}}})}}\n'
            f"\\newcommand{{\\fallback}}{{{feature}}}\n"
        )
    return "".join(
        f"\\DeclareUnicodeCharacter{{{ord(letter):04X}}}"
        f"{{\\setletter{{{ord(letter):04X}}}{{{text}}}{{{formula}}}}}\n"
        for letter, (text, formula) in declared().items()
    )


# -- what can be printed ---------------------------------------------------------------------------

# Typefaces that LuaLaTeX takes letters from which the report's own lack, and their Debian packages.
FALLBACKS = {
    "DejaVuSerif.ttf": "fonts-dejavu-core",
    "DejaVuSans.ttf": "fonts-dejavu-core",
    "DroidSansFallbackFull.ttf": "fonts-droid-fallback",
    "NanumMyeongjo.ttf": "fonts-nanum",
}
_ACCENTED = re.compile(f"([A-Za-z])([{''.join(ACCENTS)}]+)")


def composed(text: str) -> str:
    """The text with each letter and its accents as one letter, or as TeX that sets them."""
    return _ACCENTED.sub(_of_accents, unicodedata.normalize("NFC", text))


def _of_accents(found: re.Match) -> str:
    if not _is_set(found[1], found[2]):
        return found[0]
    codes = found[0].encode("utf-16-be").hex()
    made = accented(found[1], found[2])
    return f"\\setletter{{{codes}}}{{{made}}}{{\\mbox{{{made}}}}}"


@cache
def _known(engine: str) -> frozenset[str]:
    return frozenset({*T1, *(declared() if engine == PDFLATEX else VIETNAMESE)})


def missing(text: str, engine: str = PDFLATEX) -> str | None:
    """The first letter of the text that the engine cannot print."""
    for letter in unicodedata.normalize("NFC", text):
        if letter not in _known(engine) and not (engine == LUALATEX and font_of(letter)):
            return letter
    return None


def refuse(text: str, engine: str = PDFLATEX) -> None:
    """Hold that the engine can print the text.

    Raises:
        InputError: it cannot; the message names the letter, and what would print it.
    """
    letter = missing(composed(text), engine)
    if letter is None:
        return
    what = f"{text!r:.80} holds {letter!r} (U+{ord(letter):04X}), which "
    name = unicodedata.name(letter, "")
    if not name:
        raise InputError(f"{what}is no letter; take it out")
    if unicodedata.bidirectional(letter) in ("R", "AL"):
        raise InputError(f"{what}is written from right to left, as no report can yet")
    if engine == PDFLATEX:
        raise InputError(f"{what}pdfLaTeX cannot print; set `report.engine` to lualatex, which can")
    lacking = dict.fromkeys(package for font, package in FALLBACKS.items() if not _held(font))
    advice = f"on Debian {', '.join(lacking)} may have it" if lacking else "leave it out"
    raise InputError(f"{what}no typeface here has; {advice}")


def spelled(text: str, engine: str) -> str:
    """The text with each letter that cannot be printed spelled by its number, as JSON has it."""
    lost = {letter for letter in set(text) if missing(letter, engine)}
    return "".join(
        f"\\textbackslash{{}}u{ord(letter):04x}" if letter in lost else letter for letter in text
    )


def in_sources(files: Iterable[Path], engine: str) -> Iterator[str]:
    """What is wrong with the letters of files that TeX reads as they are, with file and line."""
    for file in files:
        text = file.read_text(encoding="utf-8-sig")
        for number, line in enumerate(_without_comments(file, text).splitlines(), 1):
            try:
                refuse(line.strip(), engine)
            except InputError as error:
                yield f"{file}:{number}: {error}"


def _without_comments(file: Path, text: str) -> str:
    """The text with what is no comment in its lines."""
    if file.suffix == ".j2":
        return re.sub(
            r"<#.*?#>", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.DOTALL
        )
    return document.uncommented(text) if file.suffix == ".tex" else text


@cache
def font_of(letter: str) -> str | None:
    """The typeface that LuaLaTeX takes a letter from which the report's own may lack."""
    if unicodedata.bidirectional(letter) in ("R", "AL"):
        return None
    return next((name for name in FALLBACKS if ord(letter) in _held(name)), None)


@cache
def _held(font: str) -> frozenset[int]:
    """The letters of an installed typeface."""
    from fontTools.ttLib import TTFont

    try:
        found = subprocess.run(["kpsewhich", font], capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return frozenset()
    return frozenset(TTFont(found).getBestCmap()) if found else frozenset()
