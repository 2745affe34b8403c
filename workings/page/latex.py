r"""Fill LaTeX templates from measurements: a small, strict template environment.

Templates are Jinja2 with TeX-friendly marks: ``\VAR{…}`` prints, ``\BLOCK{…}`` controls,
``<# … #>`` is a comment. An unknown name or a missing measurement is an error with the template's
line; whatever is printed is escaped unless it is a piece of TeX made by a helper. The helpers are
the methods of `Section` without an underscore; a template has nothing else.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta
from jinja2.sandbox import SandboxedEnvironment

from workings.derive.expression import ExpressionError
from workings.measurements import Measurements
from workings.messages import InputError
from workings.page import predicate as predicates
from workings.page.numbers import Number, number

TEMPLATES = Path("templates")


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


def escape(value: Any) -> TeX:
    """`value` as TeX that prints it literally.

    Raises:
        InputError: a number, which only `Section.num` prints, or a letter that the report's
            typeface does not have.
    """
    if isinstance(value, TeX):
        return value
    if isinstance(value, (int, float)):
        raise InputError(
            f"the bare number {value!r} would have no link to the ledger; print it with num(key, …)"
        )
    text = str(value)
    set_up_to = _LETTERS.match(text).end()
    if set_up_to < len(text):
        raise InputError(
            f"{text!r:.80} holds {text[set_up_to]!r} (U+{ord(text[set_up_to]):04X}), which the "
            "report's typeface cannot print; Latin letters with any accent are right"
        )
    return TeX("".join(_SPECIAL.get(letter, letter) for letter in text))


def environment(folder: Path = TEMPLATES) -> SandboxedEnvironment:
    """The Jinja2 environment of the templates in `folder`."""
    return SandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folder, encoding="utf-8"),
        block_start_string=r"\BLOCK{",
        block_end_string="}",
        variable_start_string=r"\VAR{",
        variable_end_string="}",
        comment_start_string="<#",
        comment_end_string="#>",
        undefined=jinja2.StrictUndefined,
        finalize=escape,
        extensions=["jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def partials(template: str, folder: Path = TEMPLATES) -> list[str]:
    """The template's file and every template it includes or extends, transitively."""
    found: list[str] = []
    waiting = [template]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.append(name)
            waiting += [n for n in meta.find_referenced_templates(parse(folder / name)) if n]
    return [str(folder / name) for name in found]


def quoted(template: str, jobs: Iterable[str], folder: Path = TEMPLATES) -> list[str]:
    """Those of `jobs` whose keys the template and its partials name, in the given order.

    A key is a text in the template, or a part of one (of a predicate), that begins with the job's
    name and a point.
    """
    named = {job for text in _texts(template, folder) for job in predicates.jobs_in(text)}
    if _calls(template, folder) & {"spread", "seeds"}:
        named.add("seeds")
    return [job for job in jobs if job in named]


def derived(template: str, jobs: Iterable[str], folder: Path = TEMPLATES) -> list[str]:
    """Those of `jobs` whose derivation the template and its partials name."""
    texts = _texts(template, folder)
    return [job for job in jobs if job in texts]


def _calls(template: str, folder: Path) -> set[str]:
    """The helpers that the template and its partials call."""
    trees = [parse(Path(file)) for file in partials(template, folder)]
    calls = (call.node for tree in trees for call in tree.find_all(jinja2.nodes.Call))
    return {node.name for node in calls if isinstance(node, jinja2.nodes.Name)}


def _texts(template: str, folder: Path) -> set[str]:
    """Every quoted text in the expressions of the template and its partials."""
    found: set[str] = set()
    for file in partials(template, folder):
        tree = parse(Path(file))
        found |= {c.value for c in tree.find_all(jinja2.nodes.Const) if isinstance(c.value, str)}
    return found


def parse(file: Path) -> jinja2.nodes.Template:
    """The syntax tree of a template; InputError with its line when it cannot be read."""
    try:
        tree = _tree(file, file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such template") from None
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(f"{file}:{line}: not UTF-8 text; save the file as UTF-8") from None
    except jinja2.TemplateSyntaxError as error:
        hint = "; is the } of a \\VAR{…} or \\BLOCK{…} missing?" if "char" in error.message else ""
        raise InputError(f"{file}:{error.lineno}: {error.message}{hint}") from None
    if (line := _comment_in(tree)) is not None:
        raise InputError(f"{file}:{line}: a bare % begins a comment in TeX; write \\% (or <# … #>)")
    return tree


def _comment_in(tree: jinja2.nodes.Template) -> int | None:
    """The line of the first bare % in the prose, which TeX would take for a comment."""
    for output in tree.find_all(jinja2.nodes.Output):
        for node in output.nodes:
            if isinstance(node, jinja2.nodes.TemplateData):
                found = re.search(r"(?<!\\)(?:\\\\)*%", node.data)
                if found:
                    return node.lineno + node.data[: found.start()].count("\n")
    return None


@cache
def _tree(file: Path, text: str) -> jinja2.nodes.Template:
    return environment(file.parent).parse(text)


class Section:
    """One section being filled: what its template can say, and what it has quoted so far.

    Args:
        name: the section's name; it makes the labels and the anchors of the quotes.
        measurements: the jobs whose keys the template may name.
        derivations: for each job that derives, what `analysis.recurrence.printed` gives.
        report_refuted: print a claim that does not hold as refuted, instead of failing.
    """

    def __init__(
        self,
        name: str,
        measurements: Measurements,
        derivations: Mapping[str, Any] | None = None,
        report_refuted: bool = False,
    ) -> None:
        self._name = name
        self._measurements = measurements
        self._derivations = dict(derivations or {})
        self._report_refuted = report_refuted
        self._quotes: list[dict[str, Any]] = []
        self._claims: list[dict[str, Any]] = []

    def num(
        self,
        key: str,
        digits: int | None = None,
        notation: str | None = None,
        unit: str = "",
    ) -> TeX:
        """The number under `key`, linked to its row in the ledger."""
        value = self._measurements[key]
        return self._measured(key, value, self._format(key, value, digits, notation, unit).latex())

    def spread(self, key: str, digits: int | None = None, notation: str | None = None) -> TeX:
        """“± 0.2 %” after the number under `key`: its deviation over the runs from other seeds.

        Nothing where these were not asked for (seeds.report) or one of them had no value, so that it
        can always stand there.
        """
        if f"seeds.spread.{key}" not in self._measurements:
            return TeX("")
        deviation = self.num(f"seeds.spread.{key}.deviation", digits, notation)
        return TeX(rf"\,\ensuremath{{\pm}}\,{deviation}")

    def seeds(self) -> TeX:
        """The number of these runs; nothing where they were not asked for."""
        return self.num("seeds.count") if "seeds" in self._measurements else TeX("")

    def text(self, key: str) -> TeX:
        """The text under `key` (a word that a job measured), linked to its row in the ledger."""
        value = self._measurements[key]
        if not isinstance(value, str):
            raise InputError(f"'{key}' is {value!r:.60}, not a text; use num(…) or matrix(…)")
        return self._measured(key, value, escape(value))

    def plain(
        self, key: str, digits: int | None = None, notation: str | None = None, unit: str = ""
    ) -> str:
        """The value under `key` as characters alone: for alternative texts, which hold no links."""
        value = self._measurements[key]
        if isinstance(value, str):
            return value
        return self._format(key, value, digits, notation, unit).plain()

    def value(self, key: str) -> Any:
        """The raw value under `key`, to decide between two wordings; it is not for printing."""
        return self._measurements[key]

    def places(self, key: str) -> list[int]:
        """0, 1, … for the list under `key`, to walk through it."""
        value = self._measurements[key]
        if not isinstance(value, list):
            raise InputError(f"'{key}' is {value!r:.60}, not a list")
        return list(range(len(value)))

    def series(self, key: str, digits: int | None = None, notation: str | None = None) -> TeX:
        """The list under `key` in words: “a, b and c”, each linked to its row in the ledger."""
        items = [self.num(f"{key}.{place}", digits, notation) for place in self.places(key)]
        if not items:
            raise InputError(f"'{key}' is [], which has no words; decide with value(…) first")
        head, last = ", ".join(items[:-1]), items[-1]
        return TeX(f"{head} and {last}" if head else last)

    def matrix(
        self, key: str, digits: int | None = None, notation: str | None = None, row: bool = False
    ) -> TeX:
        """The list under `key` as a column (or, with `row`, a row), a list of lists as a matrix."""
        value = self._measurements[key]
        if not isinstance(value, list) or not value:
            raise InputError(f"'{key}' is {value!r:.60}, not a vector or a matrix; use num(…)")
        rows = value if isinstance(value[0], list) else [value] if row else [[v] for v in value]
        body = r" \\ ".join(
            " & ".join(self._format(key, v, digits, notation, "").latex() for v in line)
            for line in rows
        )
        return self._measured(key, value, rf"\begin{{bmatrix}} {body} \end{{bmatrix}}")

    def figure(self, name: str, caption: str, alt: str, width: str = "text") -> TeX:
        """The figure build/figures/`name`.pdf at its own size, with its alternative text.

        `width` is the one that the job gave it: a figure of the text's width has its caption
        beside it in the margin column, a wide one below.
        """
        described = " ".join(alt.split())
        if len(described) < 40:
            raise InputError(
                f"the alternative text of the figure '{name}' has {len(described)} letters; say in "
                "40 or more what a reader sees who cannot see the picture"
            )
        command = {"text": "textfigure", "wide": "widefigure"}.get(width)
        if command is None:
            raise InputError(f"figure '{name}': width '{width}'; expected 'text' or 'wide'")
        return TeX(f"\\{command}{{{name}}}{{{described}}}{{{' '.join(caption.split())}}}")

    def table(
        self,
        name: str,
        caption: str,
        align: str,
        header: Sequence[Any],
        rows: Sequence[Sequence[Any]],
    ) -> TeX:
        """A table with one rule under its header; cells are numbers from `num`, or texts."""
        width = len(header)
        for index, row in enumerate(rows):
            if len(row) != width:
                raise InputError(
                    f"table '{name}': row {index} has {len(row)} cells, the header {width}"
                )
        lines = [" & ".join(escape(cell) for cell in row) + r" \\" for row in [header, *rows]]
        body = "\n".join([lines[0] + r" \midrule", *lines[1:]])
        return TeX(
            f"\\begin{{measuredtable}}{{{name}}}{{{' '.join(caption.split())}}}{{{align}}}\n"
            f"{body}\n\\end{{measuredtable}}"
        )

    def holds(self, predicate: str) -> bool:
        """Whether the predicate holds, to decide between two wordings."""
        return self._judged(predicate)[0]

    def claim(
        self,
        name: str,
        predicate: str,
        sentence: str | None = None,
        *,
        holds: str | None = None,
        fails: str | None = None,
    ) -> TeX:
        """A sentence with the predicate that it rests on, its verdict and the values.

        With `sentence` the predicate must hold; with `holds` and `fails` it chooses the wording.

        Raises:
            InputError: it does not hold, so the sentence must not be printed (unless the
                configuration's report.claims is `report`: then it is printed as refuted); or the
                predicate is not one.
        """
        if (sentence is None) == (holds is None) or (holds is None) != (fails is None):
            raise InputError(f"claim '{name}': give one sentence, or both holds=… and fails=…")
        verdict, values = self._judged(predicate)
        if sentence is None:
            said = " ".join((holds if verdict else fails).split())
            shown, command = ("holds" if verdict else "measured"), "claim"
        else:
            said = " ".join(sentence.split())
            shown, command = ("holds", "claim") if verdict else ("refuted", "refutedclaim")
            if not verdict and not self._report_refuted:
                listed = "; ".join(f"{key} is {_short(value)}" for key, value in values.items())
                raise InputError(
                    f"the claim '{name}' does not hold: “{said}” rests on the predicate "
                    f"`{' '.join(predicate.split())}`, where {listed}"
                )
        self._claims.append(
            {
                "name": name,
                "predicate": " ".join(predicate.split()),
                "holds": verdict,
                "sentence": said,
                "values": values,
                "place": self._place(),
            }
        )
        evidence = ", ".join(self._evidence(predicate, key, v) for key, v in values.items())
        return TeX(f"\\{command}{{{name}}}{{{said}}}{{{shown}}}{{{evidence}}}")

    def parts(self, job: str) -> list[str]:
        """The names of the parts of the job's derivation, in order."""
        return [part["name"] for part in self._derivation(job)["parts"]]

    def heading(self, job: str, part: str) -> TeX:
        """The heading of a part of the job's derivation."""
        return TeX(self._part(job, part)["heading"])

    def note(self, job: str, part: str) -> TeX:
        """What a part of the job's derivation leaves out, in a sentence; empty if nothing."""
        return TeX(self._part(job, part)["note"])

    def names(self, job: str) -> list[list[TeX]]:
        """Each symbol of the job's derivation with what it is."""
        return [
            [TeX(f"\\({symbol}\\)"), escape(text)]
            for symbol, text in self._derivation(job)["names"]
        ]

    def derivation(self, job: str, part: str) -> TeX:
        """A part of the job's derivation, as the job's symbolic program printed it.

        Each line carries its name in the margin; where it has numbers, linked to the ledger.
        """
        printed = []
        for line in self._part(job, part)["lines"]:
            first, *more = line["rows"]
            name = escape(line["name"])
            if line["key"] is not None:
                key = f"{job}.lines.{line['key']}"
                name = self._measured(key, self._measurements[key], name)
            first += f" \\linename{{{job}.{line['name']}}}{{{name}}}"
            # A short line stays on one page, a long one may go on on the next.
            row_end = " \\\\*\n" if len(more) < 4 else " \\\\\n"
            printed.append(row_end.join([first, *more]))
        # Widths are estimated before TeX sets the rows; the gap beside the text column is empty.
        rows = " \\\\[3pt]\n".join(printed)
        return TeX(f"{{\\hfuzz=\\marginparsep\n\\begin{{align*}}\n{rows}\n\\end{{align*}}}}")

    def line(self, job: str, name: str) -> TeX:
        """The name of a line of the job's derivation, linked to the line."""
        lines = [line["name"] for part in self._derivation(job)["parts"] for line in part["lines"]]
        if name not in lines:
            close = difflib.get_close_matches(name, lines, n=3)
            raise InputError(
                f"the derivation '{job}' has no line '{name}'; "
                f"near it: {', '.join(close or lines[:12])}"
            )
        return TeX(f"\\derivationline{{{job}.{name}}}{{{escape(name)}}}")

    def code(self, text: str) -> TeX:
        """`text` letter by letter in the typewriter face; lines may break after its punctuation."""
        pieces = re.findall(r"[^\W_]+_?|.", text)
        return TeX(r"\texttt{" + r"\allowbreak{}".join(escape(piece) for piece in pieces) + "}")

    def tex(self, text: str) -> TeX:
        """`text` unescaped: for the names of anchors, which are made by the project alone."""
        return TeX(text)

    def _judged(self, predicate: str) -> tuple[bool, dict[str, Any]]:
        """The verdict on the predicate, and the values of the keys that it asked for."""
        try:
            return predicates.parse(predicate).holds(self._measurements.__getitem__)
        except ExpressionError as error:
            raise InputError(refused_predicate(predicate, error)) from None

    def _evidence(self, predicate: str, key: str, value: Any) -> str:
        """A key of a claim's predicate with its value, linked to its row in the ledger."""
        if isinstance(value, bool | str) or value is None:
            text = escape("true" if value is True else "false" if value is False else str(value))
        elif isinstance(value, int | float):
            exact = isinstance(value, int) or len(repr(value)) <= 8
            notation = (
                "exact" if exact else "significant" if 1e-3 < abs(value) < 1e6 else "scientific"
            )
            text = number(value, None if exact else 4, notation).latex()
        else:
            text = f"{len(value)} items"
        return f"{self.code(key)} = {self._measured(key, value, text)}"

    def _place(self) -> str:
        """file:line of the template whose helper is running."""
        frame = sys._getframe(1)
        while frame is not None:
            template = frame.f_globals.get("__jinja_template__")
            if template is not None and template.filename:
                return f"{template.filename}:{template.get_corresponding_lineno(frame.f_lineno)}"
            frame = frame.f_back
        return ""

    def _derivation(self, job: str) -> Mapping[str, Any]:
        if job not in self._derivations:
            raise InputError(f"no derivation '{job}'; there is {', '.join(self._derivations)}")
        return self._derivations[job]

    def _part(self, job: str, name: str) -> Mapping[str, Any]:
        for part in self._derivation(job)["parts"]:
            if part["name"] == name:
                return part
        raise InputError(
            f"the derivation '{job}' has no part '{name}'; it has {', '.join(self.parts(job))}"
        )

    def _format(
        self, key: str, value: Any, digits: int | None, notation: str | None, unit: str
    ) -> Number:
        try:
            return number(value, digits, notation, unit)
        except (TypeError, ValueError) as error:
            raise InputError(f"'{key}': {error}") from None

    def _measured(self, key: str, value: Any, text: str) -> TeX:
        place = self._place()
        self._quotes.append({"key": key, "value": value, "text": text, "place": place})
        return TeX(f"\\measured{{{key}}}{{{self._name}.{len(self._quotes)}}}{{{text}}}")

    def _helpers(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in dir(self) if not name.startswith("_")}


def refused_predicate(predicate: str, error: ExpressionError) -> str:
    """The message for a predicate that cannot be read or worked out."""
    where = f"column {error.column} of " if error.column else ""
    return f"{where}the predicate `{' '.join(predicate.split()):.300}`: {error.message}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:118]} …"


def fill(template: str, section: Section, folder: Path = TEMPLATES) -> tuple[str, list[dict]]:
    """The template filled for `section`, and what it quoted in print order: {key, value, text, place}.

    Raises:
        InputError: with template:line, whatever in the template or its measurements is wrong.
    """
    partials(template, folder)  # reads them all, and refuses one that cannot be read
    try:
        text = environment(folder).get_template(template).render(section._helpers())
    except (InputError, jinja2.TemplateError, TypeError, ValueError, LookupError) as error:
        raise InputError(f"{_line_of(error, folder, template)}: {error}") from None
    return text, section._quotes


def claims_of(section: Section) -> list[dict]:
    """The claims that a filled section made: {name, predicate, holds, sentence, values, place}."""
    return section._claims


def _line_of(error: Exception, folder: Path, template: str) -> str:
    """file:line of the innermost template in the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f for f in frames if f.filename.startswith(str(folder) + "/")]
    return f"{inside[-1].filename}:{inside[-1].lineno}" if inside else str(folder / template)
