"""How a name is written in formulas."""

from __future__ import annotations

import re

from workings.derive.expression import GREEK, LOSS, TARGET

_ACCENTS = {"hat": r"\hat", "tilde": r"\tilde", "bar": r"\bar"}


def symbol(name: str, t: str | None = None) -> str:
    """The LaTeX of a name, with the step `t` as a subscript: W_f -> W_{f}, h1 -> h^{(1)}_{t}."""
    if name == LOSS:
        return r"\ell" + (f"_{{{t}}}" if t is not None else "")
    if name == TARGET:
        return "y^{*}" + (f"_{{{t}}}" if t is not None else "")
    base, *rest = name.split("_")
    accents = [part for part in rest if part in _ACCENTS]
    below = [part for part in rest if part and part not in _ACCENTS]
    match = re.fullmatch(r"([A-Za-z]+)(\d+)", base)
    above = ""
    if match:
        base, above = match[1], f"^{{({match[2]})}}"
    base = _word(base)
    for accent in accents:
        base = f"{_ACCENTS[accent]}{{{base}}}"
    subscript = ",".join([*(_word(part) for part in below), *([t] if t is not None else [])])
    return base + above + (f"_{{{subscript}}}" if subscript else "")


def _word(text: str) -> str:
    if text in GREEK.values():
        return "\\" + text
    return text if len(text) <= 1 or text.isdigit() else rf"\mathrm{{{text}}}"


def symbol_width(text: str) -> float:
    """The rough width, in digits, of a symbol's LaTeX."""
    if text.startswith(r"\frac"):
        return max(symbol_width(part) for part in text.removeprefix(r"\frac").split("}{"))
    plain = re.sub(r"\\(mathrm|operatorname|hat|tilde|bar)\b", "", text)
    plain = re.sub(r"\\[A-Za-z]+", "o", plain)
    raised = sum(len(script) for script in re.findall(r"[_^]\{([^{}]*)\}", plain))
    base = re.sub(r"[_^]\{[^{}]*\}|[{}_^\s]", "", plain)
    return sum(1.7 if letter.isupper() else 1.2 for letter in base) + 0.9 * raised
