r"""What a template may write after a |: how a value is printed, and a few numbers of a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jinja2 import Undefined, pass_environment
from jinja2.runtime import LoopContext

from workings.messages import InputError, did_you_mean
from workings.page.tex import TeX, anchor, code, escape
from workings.page.values import Value, Writer, numeric, raw

ROWS, COLUMNS = 50, 20  # of a matrix on the page; workings.sty says the second to amsmath


def _value(thing: Any, name: str) -> Value:
    raw(thing)  # an error where there is nothing
    if not isinstance(thing, Value):
        raise InputError(f"{thing!r:.40} is no measurement and no choice, which '| {name}' is for")
    return thing


def _notation(name: str, notation: str) -> Callable:
    def filtered(thing: Any, digits: int | None = None) -> Value:
        return _value(thing, name).formatted(notation=notation, digits=digits)

    return filtered


def _unit(thing: Any, unit: str) -> Value:
    return _value(thing, "unit").formatted(unit=unit)


def _dash(thing: Any) -> Value:
    return _value(thing, "dash").formatted(dash=True)


def _code(thing: Any) -> Value | TeX:
    """The typewriter face, letter by letter."""
    return code(thing) if isinstance(thing, str) else _value(thing, "code").formatted(code=True)


def _tex(thing: Any) -> TeX:
    """A text that a job made as TeX. What a person chose is none."""
    value = raw(thing)
    if not isinstance(value, str) or (
        isinstance(thing, Value) and f"{thing.key}".startswith("config.")
    ):
        raise InputError(f"{value!r:.60} is not TeX that a job made, which '| tex' is for")
    return TeX(value)


def _word(writer: Writer, count: Any, one: str, more: str | None) -> str:
    """The word for so many: `one`, or `more` (in English by default with an s)."""
    if more is None and not writer.language.is_english:
        raise InputError(f"'{one}' needs its plural: ('{one}', '…')")
    held = raw(count)
    number = len(held) if isinstance(held, list) else numeric(count)
    return one if writer.language.is_one(number) else more or f"{one}s"


@pass_environment
def _plural(environment: Any, count: Any, one: str, more: str | None = None) -> str:
    """The word for so many; of a list, for its length."""
    return _word(environment.writer, count, one, more)


def _of(thing: Any, one: str, more: str | None = None) -> Value:
    """A number, or the length of a list, with the word for so many."""

    def shape(writer: Writer, value: Value) -> str:
        word = _word(writer, value, one, more)
        if isinstance(value.raw, list):
            shown = writer.number(len(value.raw))
            count = shown.plain if writer.plain else writer.quote(value, *shown[1:])
        else:
            count = writer.link(value)
        return TeX(f"{count} {word}" if writer.plain else f"{count}~{escape(word)}")

    return _value(thing, "of").shaped(shape)


def _in_words(writer: Writer, items: list[str]) -> TeX:
    """a, b and c."""
    last = f" {writer.language.word('and')} "
    return TeX(last.join([", ".join(items[:-1]), items[-1]] if items[1:] else items))


@pass_environment
def _comma(environment: Any, loop: Any) -> str:
    """What stands between an item and the next where a loop lists them: a, b and c."""
    if not isinstance(loop, LoopContext):
        raise InputError(f"{raw(loop)!r:.40} is no loop, which '| comma' is for: loop | comma")
    last = f" {environment.writer.language.word('and')} "
    return "" if loop.last else last if loop.revindex == 2 else ", "


def _items(thing: Any, name: str, part: str | None) -> list[Value]:
    """The items of a list, or what each holds under `part`."""
    value = _value(thing, name)
    if not len(value):
        raise InputError(f"'{value.key}' is empty, of which '| {name}' has nothing to say; ask if")
    return [item.child(part) if part else item for item in value]


def _each(thing: Any, part: str | None = None) -> Value:
    """A list in words, each item linked."""

    def shape(writer: Writer, value: Value) -> str:
        return _in_words(writer, [writer.link(item) for item in _items(value, "each", part)])

    return _value(thing, "each").shaped(shape)


def _matrix(thing: Any, row: bool = False) -> Value:
    """A list as a column (or a row), a list of lists as a matrix: for formulas."""

    def shape(writer: Writer, value: Value) -> str:
        lines = _items(value, "matrix", None)
        if not isinstance(lines[0].raw, list):
            lines = [lines] if row else [[line] for line in lines]
        if len(lines) > ROWS or max(len(line) for line in lines) > COLUMNS:
            raise InputError(
                f"'{value.key}' is too large for a formula, which has room for {ROWS} rows and "
                f"{COLUMNS} columns; let the job choose a part, or draw it"
            )
        cells = [[writer.texts(cell)[not writer.plain] for cell in line] for line in lines]
        if writer.plain:
            return TeX("; ".join(" ".join(line) for line in cells))
        body = r" \\ ".join(" & ".join(line) for line in cells)
        return writer.quote(value, rf"\begin{{bmatrix}} {body} \end{{bmatrix}}")

    return _value(thing, "matrix").shaped(shape)


def _spread(thing: Any) -> Value:
    """“97.6 % ± 0.2 %”, “1.2 ± 0.3 percentage points”: a number with its deviation over the runs
    from other seeds, where there are.

    Where they were not asked for, or one of them had no value, it is the number alone. The deviation of a
    whole number has one digit after the point.
    """

    def shape(writer: Writer, value: Value) -> str:
        deviation = writer.names.at(f"seeds.spread.{value.key}.deviation")
        if deviation is None:
            return writer.link(value)
        sign = " ± " if writer.plain else r"\,\ensuremath{\pm}\,"
        deviation = replace(deviation, format=value.format)
        if value.format.notation is None:  # of a whole number
            deviation = deviation.formatted(digits=1, notation="fixed")
        only_once = value.format.notation == "points"
        return TeX(writer.link(value.formatted(bare=only_once)) + sign + writer.link(deviation))

    return _value(thing, "spread").shaped(shape)


def _length(thing: Any) -> Value:
    return Value(len(_value(thing, "length")))


def _abs(thing: Any) -> Value:
    return Value(abs(numeric(thing)))


def _extreme(name: str, choose: Callable) -> Callable:
    """The least (or largest) item of a list itself, with its key, so that it can be printed."""
    return lambda thing, part=None: choose(_items(thing, name, part), key=numeric)


def _equations(thing: Any) -> Value:
    """The lines of a part of a derivation, each with its name in the margin.

    The name of a line with numbers is linked to their row in the ledger.
    """

    def shape(writer: Writer, value: Value) -> str:
        _, job, *_ = value.key.split(".")
        printed = []
        for line in value.raw:
            first, *more = line["rows"]
            name = escape(line["name"])
            if line["key"] is not None:
                name = writer.quote(writer.names.at(f"{job}.lines.{line['key']}"), name)
            first += f" \\linename{{{anchor(job + '.' + line['name'])}}}{{{name}}}"
            # A short line stays on one page, a long one may go on on the next.
            printed.append((" \\\\*\n" if len(more) < 4 else " \\\\\n").join([first, *more]))
        # Widths are estimated before TeX sets the rows; the gap beside the text column is empty.
        rows = " \\\\[3pt]\n".join(printed)
        return TeX(f"{{\\hfuzz=\\marginparsep\n\\begin{{align*}}\n{rows}\n\\end{{align*}}}}")

    return _derived(thing, "equations").shaped(shape)


def _formulas(thing: Any) -> Value:
    """The lines of a part of a derivation one after the other, each linked."""

    def shape(writer: Writer, value: Value) -> str:
        formulas = [_cell(writer, value.key, line["whole"], line["key"]) for line in value.raw]
        return TeX(",\n".join(formulas))

    return _derived(thing, "formulas").shaped(shape)


def _by_steps(thing: Any) -> Value:
    """A table of a derivation: quantities by steps, each value linked to its row in the ledger."""

    def shape(writer: Writer, value: Value) -> str:
        table = value.raw
        rows = [" & ".join(rf"\({t}\)" for t in table["head"]) + r" \\ \midrule"]
        rows.append(r"\endhead")
        for row in table["rows"]:
            cells = [
                _cell(writer, value.key, cell["tex"], cell["key"]) if cell else ""
                for cell in row["cells"]
            ]
            rows.append(" & ".join([rf"\({row['label']}\)", *cells]) + r" \\")
        name = f"{value.key.split('.')[1]}_{table['name'].replace('.', '_')}"
        rows = [*rows[:2], " \\addlinespace[2pt]\n".join(rows[2:])]
        body = "\n".join([f"{{{name}}}{{{table['caption']}}}{{{'l' * len(table['head'])}}}", *rows])
        lines = min(round(0.85 * table["height"]) + 4, 14)  # which stay on one page
        room = f"\\Needspace{{{lines}\\baselineskip}}\n"
        return TeX(f"{room}\\begin{{longmeasuredtable}}{body}\n\\end{{longmeasuredtable}}")

    return _derived(thing, "by_steps").shaped(shape)


def _cell(writer: Writer, derivation: str, tex: str, key: str | None) -> str:
    """A formula, linked to the numbers of a line if it shows them."""
    if key is not None:
        tex = writer.quote(writer.names.at(f"{derivation.split('.')[1]}.lines.{key}"), tex)
    return rf"\({tex}\)"


@pass_environment
def _line(environment: Any, thing: Any, names: Any) -> TeX:
    """The name of a line of a derivation, linked to the line; of a list of names, in words."""
    derivation = _derived(thing, "line")
    job = derivation.key.split(".")[1]
    groups = [
        group for name, group in derivation.raw.items() if not name.startswith(("names", "tables"))
    ]
    lines = [line["name"] for parts in groups for part in parts for line in part["lines"]]
    links = []
    for name in raw(names) if isinstance(raw(names), list) else [raw(names)]:
        if name not in lines:
            raise InputError(
                f"the derivation '{job}' has no line '{name}': {did_you_mean(str(name), lines)}"
                f"it has {', '.join(lines[:12])} …"
            )
        links.append(f"\\derivationline{{{anchor(f'{job}.{name}')}}}{{{escape(name)}}}")
    return _in_words(environment.writer, links)


def _derived(thing: Any, name: str) -> Value:
    value = _value(thing, name)
    if not f"{value.key}".startswith("derivation."):
        raise InputError(f"'{value.key}' is not of a derivation, which '| {name}' is for")
    return value


_NOTATIONS = ("percent", "points", "significant", "scientific", "exact", "printed")
FORMATS: Mapping[str, Callable] = {
    "digits": _notation("digits", "fixed"),
    **{name: _notation(name, name) for name in _NOTATIONS},
    "unit": _unit,
}
FILTERS: Mapping[str, Callable] = {
    **FORMATS,
    "dash": _dash, "code": _code, "tex": _tex, "plural": _plural, "of": _of, "each": _each,
    "comma": _comma, "matrix": _matrix, "row": partial(_matrix, row=True), "spread": _spread,
    "length": _length, "abs": _abs, "min": _extreme("min", min), "max": _extreme("max", max),
    "equations": _equations, "formulas": _formulas, "by_steps": _by_steps, "line": _line,
}  # fmt: skip
TESTS: Mapping[str, Callable] = {
    "defined": lambda thing: not isinstance(thing, Undefined),
    "none": lambda thing: raw(thing) is None,
}
for _name, _function in (FILTERS | TESTS).items():
    _function.__qualname__ = _name  # as a wrong number of arguments is reported
