r"""Tables and figures.

The rows of a table are written as in LaTeX, with & between cells and \\ at the end of a line. Which
& and \\ are the template's own is known because printed data are escaped, so that a cell may hold any
text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jinja2 import nodes

from workings.messages import InputError
from workings.page.tex import TeX, escape, one_line
from workings.page.values import Value, Writer, place, raw

LONGEST = 30  # rows of a table that stays on one page
SHORTEST = 40  # letters of an alternative text

# A row's \\ carries its line in the template as a letter that no text holds.
_LINES = 0x100000
_RULE = r"\\(?:\w*rule|addlinespace)(?:\[[^\]]*\])?(?:\([^)]*\))?(?:\{[^}]*\})?"
_ROW_END = re.compile(r"\\\\(?=[ \t]*(?:\n|\Z))")
_MARK = re.compile("[\U00100000-\U0010fffd]")
_PLAIN = re.compile(r"\\([%&#$_{}])")  # a sign that TeX would act on, as it is written elsewhere
_TOKEN = re.compile(r"\\\\([\U00100000-\U0010FFFD]?)(?:[ \t]*(\n|\Z))?|\\.|[{}&]", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """The cells of a row, and its line in the template if that is known."""

    cells: list[str]
    line: int | None = None

    @property
    def width(self) -> int:
        spans = (re.match(r"\\multicolumn\{(\d+)\}", cell) for cell in self.cells)
        return sum(int(span[1]) if span else 1 for span in spans)

    def latex(self) -> str:
        # After the \\ of the row before, or after a rule, [ and * would be read as an argument.
        row = re.sub(rf"^((?:{_RULE} )*)(?=[\[*])", r"\1{}", " & ".join(self.cells))
        return row + r" \\"


def figure(
    writer: Writer, name: str, wide: bool, marks: tuple[str, ...], says: Callable[[str], str]
) -> TeX:
    """The figure build/figures/`name`.pdf at its own size, with its alternative text.

    A figure of the text's width has its caption beside it in the margin column, a wide one below.
    """
    caption = one_line(says(""))
    writer.plain = True
    described = one_line(says("alt"))  # no TeX, but words for a screen reader
    writer.plain = False
    if len(described) < SHORTEST:
        raise InputError(
            f"the alternative text of the figure '{name}' has {len(described)} letters; say in "
            f"{SHORTEST} or more what a reader sees who cannot see the picture"
        )
    command = "widefigure" if wide else "textfigure"
    return TeX(f"\\{command}{{{name}}}{{{escape(described)}}}{{{caption}}}\n")


def table(
    writer: Writer,
    name: str,
    align: str,
    records: Any,
    marks: tuple[str, ...],
    says: Callable[[str], str],
) -> TeX:
    """A table with one rule under its head: of the rows in the template, or of a list of records.

    One of more than LONGEST rows may break over pages.
    """
    if ("rows" in marks) == (raw(records) is not None):
        raise InputError(f"table '{name}': give it either rows or `of` a list of records")
    caption = one_line(says(""))
    head = _split(name, says("head")) if "head" in marks else []
    if "rows" in marks:
        rows = _split(name, says("rows"))
    else:
        names, rows = _of_records(writer, name, records)
        head = head or [Row([escape(column.replace("_", " ")) for column in names])]
    if not rows:
        raise InputError(f"table '{name}' has no rows; decide with an if whether to print it")
    width = (head or rows)[0].width
    for row in [*head, *rows]:
        if row.width != width:
            error = InputError(
                f"table '{name}': the row “{' & '.join(row.cells):.80}” has {row.width} cells, the "
                f"first one {width}"
            )
            if row.line is not None:
                error.place = f"{place().rsplit(':', 1)[0]}:{row.line}"
            raise error
    long = len(rows) > LONGEST
    lines = [row.latex() for row in head]
    if head:
        lines[-1] += r" \midrule"
    if long:
        lines.append(r"\endhead")
    environment = "longmeasuredtable" if long else "measuredtable"
    body = "\n".join([*lines, *(row.latex() for row in rows)])
    align = align or _alignment(
        writer, [row.cells for row in rows if len(row.cells) == width], width
    )
    return TeX(
        f"\\begin{{{environment}}}{{{name}}}{{{caption}}}{{{align}}}\n"
        f"{body}\n\\end{{{environment}}}\n"
    )


def mark_lines(body: list[nodes.Node]) -> None:
    r"""Let each \\ that ends a row say its line in the template."""
    for part in body:
        for data in part.find_all(nodes.TemplateData) if part else []:
            data.data = _ROW_END.sub(
                lambda end, data=data: (
                    end[0] + chr(_LINES + data.lineno + data.data[: end.start()].count("\n"))
                ),
                data.data,
            )


def unescape(body: list[nodes.Node]) -> None:
    r"""Let an alternative text be plain characters: \% is %, and so on."""
    for part in body:
        for data in part.find_all(nodes.TemplateData):
            data.data = _PLAIN.sub(r"\1", data.data)


def _split(name: str, text: str) -> list[Row]:
    """The rows and cells of a table's body, at the & and \\ that stand in no braces."""
    rows, cells, start, depth = [], [], 0, 0
    for token in _TOKEN.finditer(text):
        sign = token[0][0]
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if depth or (sign != "&" and not token[0].startswith(r"\\")):
            continue
        cells.append(one_line(_MARK.sub("", text[start : token.start()])))
        start = token.end()
        if sign != "&":
            if token[2] is None:
                raise InputError(f"table '{name}': a row ends with \\\\ at the end of its line")
            rows.append(Row(cells, ord(token[1]) - _LINES if token[1] else None))
            cells = []
    if cells or text[start:].strip():
        raise InputError(f"table '{name}': the row “{text[start:].strip():.80}” ends without \\\\")
    return rows


def _of_records(writer: Writer, name: str, records: Any) -> tuple[list[str], list[Row]]:
    """The columns, and a row for each of a list of records with the same keys."""
    if not (
        isinstance(records, Value) and records and all(isinstance(r.raw, dict) for r in records)
    ):
        raise InputError(f"table '{name}': of takes a list of records that a job recorded")
    columns = list(records.raw[0])
    rows = []
    for record in records:
        if list(record.raw) != columns:
            raise InputError(
                f"table '{name}': '{record.key}' holds {', '.join(record.raw)}, the first record "
                f"{', '.join(columns)}"
            )
        rows.append(Row([_cell(writer, value) for value in record]))
    return columns, rows


def _cell(writer: Writer, value: Value) -> str:
    """A value of a record: counts and words as they are, other numbers by the table's format."""
    if isinstance(value.raw, bool):
        return writer.quote(value, escape(writer.language.word("yes" if value.raw else "no")))
    if not isinstance(value.raw, float):
        return writer.link(Value(value.raw, value.key).formatted(dash=True))
    return writer.link(value)


def _alignment(writer: Writer, rows: list[list[str]], width: int) -> str:
    """Numbers to the right, texts to the left."""

    def is_number(cell: str) -> bool:
        link = re.match(r"\\measured\{[^}]*\}\{[\w-]+\.(\d+)\}", cell)
        value = writer.quotes[int(link[1]) - 1]["value"] if link else None
        return isinstance(value, int | float) and not isinstance(value, bool)

    def column(cells: list[str]) -> str:
        told = [cell for cell in cells if cell not in ("", "–")]
        return "r" if told and all(map(is_number, told)) else "l"

    return "".join(map(column, zip(*rows, strict=True))) or "l" * width
