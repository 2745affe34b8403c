r"""Fill LaTeX templates from measurements: a small, strict language on top of Jinja2.

``\VAR{…}`` prints, ``\BLOCK{…}`` controls, ``<# … #>`` is a comment. A job's name stands for its
measurements, `config` for what a person chose, `derivation` for printed derivations. Whatever is
printed is escaped, linked and kept as a quote; a name that is missing is an error with the template's
line; nothing of Python can be reached. docs/templates.md has the whole language.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment

from workings import languages
from workings.messages import InputError, did_you_mean
from workings.page import claims, letters, tables
from workings.page.filters import FILTERS, TESTS
from workings.page.tex import TeX
from workings.page.values import Value, Writer, computed, numeric, place, raw

TEMPLATES = Path("templates")
SUFFIX = ".tex.j2"

_LANGUAGE = {
    "Template", "Output", "TemplateData", "If", "For", "Assign", "Include", "ExprStmt",
    "ExtensionAttribute", "Name", "Const", "List", "Tuple", "Getattr", "Getitem", "Filter", "Keyword",
    "Test", "Compare", "Operand", "And", "Or", "Not", "Add", "Sub", "Mul", "Div", "Neg", "CondExpr",
}  # fmt: skip
_INSTEAD = {
    "Concat": "~: write the texts side by side",
    "AssignBlock": "set with an end: write the text where it is printed",
    "Macro": "macro: put what stands in several places into a file, and include it",
    "Call": "calls: filters take their place, as in \\VAR{lengths.mean | digits(1)}",
}
_LOOP = {"index", "index0", "first", "last", "length", "revindex", "previtem", "nextitem"}
# No job and nothing else can have a word of the grammar for its name, nor one that has its meaning.
_GRAMMAR = {"and", "or", "not", "in", "is", "if", "else", "true", "false", "none"}
_MEANING = {"config", "derivation", "seeds", "loop"}
WORDS = _GRAMMAR | _MEANING
_WORD = re.compile(rf"(?<![\w.])({'|'.join(_GRAMMAR)})\.\w")
TURNS = 100_000  # of all loops of a template: what takes more is for a job to work out
_TOO_DEEP = (RecursionError, MemoryError, SyntaxError)  # of Python, at what Jinja makes of it
_MISTAKES = (TypeError, ValueError, LookupError, *_TOO_DEEP)  # what a template may bring about
_NO_NAME = "is a word of the templates, and cannot be a name"
NESTED = "too deeply nested; let the job work it out, or divide it"
_FILE = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")


# What TeX prints letter by letter, and so does a template: a listing, or \\verb and its text.
LISTING = re.compile(
    r"\\begin\{(?P<kind>[vV]erbatim\*?|lstlisting)\}.*?(?:\\end\{(?P=kind)\}|\Z)"
    r"|\\(?:verb\*?|lstinline(?:\[[^\]\n]*\])?)(?P<mark>[^\w\s{*\[])[^\n]*?(?P=mark)",
    re.DOTALL,
)
# A block or a comment that says nothing of the line's end; the engine's own blocks bring theirs.
_TAG = re.compile(
    r"""\\BLOCK\{(?!\s*end(?:claim|figure|table|frontmatter)\b)"""
    r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^'"}]){0,1000}(?<![-+])\}|<\#.*?(?:(?<![-+])\#>|\Z)""",
    re.DOTALL,
)
_SPAN = re.compile(f"(?P<listing>{LISTING.pattern})|{_TAG.pattern}", re.DOTALL)


def _prepared(source: str) -> str:
    """A template's text with two rules of ours in Jinja's own signs, its lines as they are.

    A listing is raw, and a line that holds more than blocks keeps its end, also after a block.
    """
    made, at, is_prose = [], 0, False
    for span in _SPAN.finditer(source):
        between, text = source[at : span.start()], span[0]
        at = span.end()
        is_prose = bool(between.rpartition("\n")[2].strip()) or (is_prose and "\n" not in between)
        if span["listing"]:
            text, is_prose = rf"\BLOCK{{+ raw }}{text}\BLOCK{{+ endraw +}}", True
        elif is_prose and source[at : at + 1] == "\n":
            text = re.sub(r"(\}|#>)$", r"+\1", text)
        made += [between, text]
    return "".join([*made, source[at:]])


def prose(tree: nodes.Node) -> Iterator[tuple[int, str]]:
    """A template's own texts with their first lines, but for listings."""
    for data in tree.find_all(nodes.TemplateData):
        if not LISTING.fullmatch(data.data):
            yield data.lineno, data.data


def _refusals(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """What in a template is not of the language, with its line."""
    for node in tree.find_all(nodes.Node):
        message = None
        match node:
            case (
                nodes.CallBlock(call=nodes.Call(node=nodes.ExtensionAttribute()))
                | nodes.Call(node=nodes.ExtensionAttribute())
            ):
                pass
            case nodes.Filter(name=name) if name not in (*FILTERS, "_noted"):
                message = f"no filter '{name}': {_known(name, FILTERS)}"
            case nodes.Test(name=name) if name not in TESTS:
                message = f"no test 'is {name}': {_known(name, TESTS)}"
            case nodes.CondExpr(expr2=None):
                message = "an if inside \\VAR{…} needs its else"
            case nodes.Name(name=name, ctx="store") if name in _MEANING:
                message = f"'{name}' has its meaning already; take another name"
            case nodes.Name(name=name) if name in _GRAMMAR:
                message = f"'{name}' {_NO_NAME}"
            case nodes.Getattr(node=nodes.Const(value=bool() | None as word)):
                message = f"'{str(word).lower()}' {_NO_NAME}"
            case nodes.Include(template=file) if not _FILE.fullmatch(
                f"{getattr(file, 'value', '')}"
            ):
                message = "include takes the name of a file below the templates, in quotes"
            case _ if (kind := type(node).__name__) not in _LANGUAGE:
                message = f"templates have no {_INSTEAD.get(kind, kind.lower())}"
        if message:
            yield node.lineno, message


def _known(name: str, known: Mapping) -> str:
    return f"{did_you_mean(name, known)}there are {', '.join(known)}"


class _Names(Context):
    """A template's names; one that stands for nothing says what is near it when it is used."""

    def resolve_or_missing(self, key: str) -> Any:
        found = super().resolve_or_missing(key)
        if found is not jinja2.runtime.missing:
            return found
        return self.environment.part(self.environment.writer.names, key)


class Environment(SandboxedEnvironment):
    """The language: Jinja2 with its marks, `Blocks`, and no way from a name to a Python object."""

    def __init__(self, folder: Path, writer: Writer | None = None) -> None:
        super().__init__(
            loader=jinja2.FileSystemLoader(folder, encoding="utf-8"),
            block_start_string=r"\BLOCK{",
            block_end_string="}",
            variable_start_string=r"\VAR{",
            variable_end_string="}",
            comment_start_string="<#",
            comment_end_string="#>",
            undefined=jinja2.StrictUndefined,
            finalize=_printed,
            extensions=[Blocks],
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,
        )
        self.globals, self.tests = {}, dict(TESTS)
        self.filters = {**FILTERS, "_noted": claims.note, "_turns": _turns}
        self.context_class = _Names
        self.writer = writer
        self.turns = 0

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for line, message in _refusals(tree):
            raise jinja2.TemplateSyntaxError(message, line, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "_turns", [], [], None, None, lineno=loop.lineno)
        return tree

    def handle_exception(self, source: str | None = None) -> NoReturn:
        raise  # with the frames of the templates, as `place` reads them

    def part(self, whole: Any, name: Any) -> Any:
        """`whole.name` and `whole[name]` alike: a part of a value, of a literal list or of `loop`."""
        if isinstance(whole, Value):
            try:
                return whole.child(name)
            except InputError as error:
                return jinja2.StrictUndefined(hint=str(error))
        if isinstance(whole, LoopContext) and name in _LOOP:
            return getattr(whole, name)
        if isinstance(raw(whole), list | tuple) and raw(name) in range(-len(whole), len(whole)):
            return whole[raw(name)]
        return jinja2.StrictUndefined(hint=f"there is no '{raw(name)!s:.60}' here")

    getattr = getitem = part

    intercepted_binops, intercepted_unops = frozenset("+-*/"), frozenset("-")

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Value:
        return computed(operator, left, right)

    def call_unop(self, context: Context, operator: str, value: Any) -> Any:
        return -value if isinstance(value, Value) else -numeric(value)

    def is_safe_callable(self, thing: Any) -> bool:
        return isinstance(getattr(thing, "__self__", None), Blocks)


def _frontmatter(writer: Writer, marks: tuple[str, ...], says: Callable[[str], str]) -> TeX:
    return TeX(writer.title_block(says("").strip()) + "\n")


_RUN: Mapping[str, Callable] = {
    "claim": claims.claim,
    "figure": tables.figure,
    "table": tables.table,
    "frontmatter": _frontmatter,
    "unprinted": lambda writer, measurement, reason, says: raw(measurement),  # there must be one
}


@jinja2.pass_environment
def _turns(environment: Environment, items: Any) -> Iterator[Any]:
    """What a loop goes through, turn by turn."""
    if not isinstance(items, Value | list | tuple):
        raise InputError(f"for goes through a list, not {raw(items)!r:.40}")
    for item in items:
        environment.turns += 1
        if environment.turns > TURNS:
            raise InputError(
                f"the loops of this template take more than {TURNS} turns; let the job work it out"
            )
        yield item


@jinja2.pass_context
def _printed(context: Context, thing: Any) -> str:
    return context.environment.writer.printed(thing)


class Blocks(Extension):
    """Claims, figures, tables and the abstract, with their sentences written as text.

    Each becomes a call of its function in `_RUN`, with what its head says, the marks it has, and a
    function that renders the part after a mark (after its head: "").
    """

    tags: ClassVar = set(_RUN)

    def parse(self, parser: Parser) -> nodes.Node:
        kind, line = parser.stream.current.value, next(parser.stream).lineno
        return getattr(self, f"_{kind}")(parser).set_lineno(line)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return _prepared(source)

    def run(self, kind: str, *arguments: Any, caller: Callable[[str], str] | None = None) -> Any:
        return _RUN[kind](self.environment.writer, *arguments, caller)

    def _block(
        self, parser: Parser, kind: str, arguments: list[nodes.Expr], *marks: str
    ) -> nodes.CallBlock:
        end, mark, seen, parts = f"end{kind}", "", [], []
        while mark != end:
            ends = tuple(f"name:{other}" for other in (*marks, end) if other not in seen)
            body = parser.parse_statements(ends)
            if kind == "table" and mark:
                tables.mark_lines(body)
            if kind == "figure" and mark and self.environment.writer is not None:
                tables.unescape(body)
            here = nodes.Compare(
                nodes.Name("_part", "load"), [nodes.Operand("eq", nodes.Const(mark))]
            )
            parts.append(nodes.If(here, body, [], []))
            seen.append(mark := next(parser.stream).value)
        arguments = [nodes.Const(kind), *arguments, nodes.Const(tuple(seen[:-1]))]
        return nodes.CallBlock(
            self.call_method("run", arguments), [nodes.Name("_part", "param")], [], parts
        )

    def _name(self, parser: Parser) -> nodes.Const:
        token = parser.stream.expect("string")
        if not re.fullmatch(r"[\w-]+", token.value, re.ASCII):
            parser.fail(
                f"'{token.value}' is no name: letters, digits, _ and - make one", token.lineno
            )
        return nodes.Const(token.value)

    def _claim(self, parser: Parser) -> nodes.Node:
        name = self._name(parser)
        parser.stream.expect("name:if")
        condition = parser.parse_expression()
        pieces = claims.pieces(condition)
        for other in [written for kind, written, _ in pieces if kind == "other"]:
            parser.fail(f"the claim '{name.value}': `{other}` compares nothing that was measured")
        arguments = [name, nodes.Const(tuple(pieces)), claims.Noted().visit(condition)]
        return self._block(parser, "claim", arguments, "otherwise")

    def _figure(self, parser: Parser) -> nodes.Node:
        name, wide = self._name(parser), parser.stream.skip_if("name:wide")
        return self._block(parser, "figure", [name, nodes.Const(wide)], "alt")

    def _table(self, parser: Parser) -> nodes.Node:
        name, records, align = self._name(parser), nodes.Const(None), nodes.Const("")
        while parser.stream.current.test_any("name:of", "name:align"):
            if next(parser.stream).value == "of":
                records = parser.parse_expression()
            else:
                align = nodes.Const(parser.stream.expect("string").value)
        return self._block(parser, "table", [name, align, records], "head", "rows")

    def _frontmatter(self, parser: Parser) -> nodes.Node:
        return self._block(parser, "frontmatter", [])

    def _unprinted(self, parser: Parser) -> nodes.Node:
        measurement = parser.parse_unary(with_filter=False)
        if claims.key(measurement) is None:
            parser.fail("unprinted takes the whole key of a measurement", measurement.lineno)
        parser.stream.expect("name:because")
        reason = nodes.Const(parser.stream.expect("string").value)
        call = self.call_method("run", [nodes.Const("unprinted"), measurement, reason])
        return nodes.ExprStmt(call)


# -- what a template names -------------------------------------------------------------------------


def keys(node: nodes.Node) -> Iterator[tuple[str, int]]:
    """Every key that is read below `node`, as far as it is written out, with its line."""
    found = claims.key(node)
    if found is None:
        for child in node.iter_child_nodes():
            yield from keys(child)
    elif getattr(node, "ctx", "load") == "load":
        yield found, node.lineno


def blocks(tree: nodes.Node, kind: str) -> Iterator[tuple[list[nodes.Expr], int]]:
    """The arguments and the line of each claim, figure, table … of a template."""
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.ExtensionAttribute) and call.args[0].value == kind:
            yield call.args[1:], call.lineno


@dataclass(frozen=True)
class Needs:
    """What a section is made from, read from its template and partials.

    `jobs` are those whose measurements it names (`seeds` too, where it prints a spread) and
    `derivations` those whose derivations, with the line that names them first; so `config` the choices,
    without `config.`; `figures` maps each to the line that sets it.
    """

    jobs: dict[str, str]
    derivations: dict[str, str]
    figures: dict[str, str]
    config: dict[str, str]


def needs(name: str, folder: Path = TEMPLATES) -> Needs:
    """What the template and its partials name."""
    trees = {file: parse(Path(file)) for file in partials(name, folder)}
    read: dict[str, str] = {}
    of_its_own = {"config", "loop"}
    for file, tree in trees.items():
        of_its_own |= {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
        for found, line in keys(tree):
            read.setdefault(found, f"{file}:{line}")
    jobs: dict[str, str] = {}
    derivations: dict[str, str] = {}
    for found, where in read.items():
        first, *rest = found.split(".")
        if first == "derivation":
            derivations.setdefault(rest[0] if rest else "", where)
        elif first not in of_its_own:
            jobs.setdefault(first, where)
    figures = {
        arguments[0].value: f"{file}:{line}"
        for file, tree in trees.items()
        for arguments, line in blocks(tree, "figure")
    }
    config = {
        found.removeprefix("config."): read[found]
        for found in sorted(read)
        if found.startswith("config.")
    }
    spreads = any(
        f.name == "spread" for tree in trees.values() for f in tree.find_all(nodes.Filter)
    )
    seeds = {"seeds": str(folder / name)} if spreads else {}
    return Needs(seeds | derivations | jobs, derivations, figures, config)


def partials(name: str, folder: Path = TEMPLATES) -> list[str]:
    """The template's file and every template it includes, transitively."""
    found: dict[str, None] = {}

    def follow(file: str, above: tuple[str, ...]) -> None:
        found[file] = None
        for node in parse(folder / file).find_all(nodes.Include):
            place, included = f"{folder / file}:{node.lineno}", node.template.value
            if not (folder / included).is_file():
                raise InputError(f"{place}: there is no template {folder / included} to include")
            if included in (*above, file):
                raise InputError(f"{place}: {included} includes itself, and has no end")
            if included not in found:
                follow(included, (*above, file))

    follow(name, ())
    return [str(folder / file) for file in found]


def parse(file: Path) -> nodes.Template:
    """The syntax tree of a template; InputError with its line when it cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
        tree = _tree(file, text)
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such template") from None
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(f"{file}:{line}: not UTF-8 text; save the file as UTF-8") from None
    except _TOO_DEEP:
        raise InputError(f"{file}: {NESTED}") from None
    except jinja2.TemplateSyntaxError as error:
        word = _WORD.search(text.split("\n")[error.lineno - 1])
        hint = "; is the } of a \\VAR{…} or \\BLOCK{…} missing?" if "char" in error.message else ""
        message = f"'{word[1]}' {_NO_NAME}" if word else f"{error.message}{hint}"
        raise InputError(f"{file}:{error.lineno}: {message}") from None
    if (line := _comment_in(tree)) is not None:
        raise InputError(f"{file}:{line}: a bare % begins a comment in TeX; write \\% (or <# … #>)")
    return tree


def _comment_in(tree: nodes.Template) -> int | None:
    """The line of the first bare % in the prose, which TeX would take for a comment."""
    for line, text in prose(tree):
        if found := re.search(r"(?<!\\)(?:\\\\)*%", text):
            return line + text.count("\n", 0, found.start())
    return None


@cache
def _tree(file: Path, text: str) -> nodes.Template:
    return Environment(file.parent).parse(text)


# -- filling it ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filled:
    """A section's LaTeX with what it quoted, in print order, and claimed.

    A quote is {key, value, text, number, place}; a claim {name, condition, holds, sentence, values, place}.
    """

    text: str
    quotes: list[dict[str, Any]]
    claims: list[dict[str, Any]]


def fill(
    name: str,
    measurements: Mapping[str, Mapping[str, Any]],
    config: Mapping[str, Any],
    derivations: Mapping[str, Any] | None = None,
    claims: str = "fail",
    title_block: Callable[[str], str] = str,
    folder: Path = TEMPLATES,
    language: str = "en",
    engine: str = letters.PDFLATEX,
) -> Filled:
    """Fill a template.

    Args:
        name: the template's file in `folder`; its first word names the section.
        measurements: those of each job that the template may name.
        config: the choices, named `config.…`.
        derivations: for each job that derives, what it printed.
        claims: `report` prints a claim that does not hold as refuted; `fail` is an error.
        title_block: makes the document's front matter around the abstract.
        language: the report's, such as de.
        engine: what sets the page.

    Raises:
        InputError: with template:line, whatever in the template or its measurements is wrong.
    """
    partials(name, folder)  # reads them all, and refuses one that cannot be read
    names = Value({**measurements, "config": config, "derivation": derivations or {}}, "")
    section, spoken = Path(name).name.removesuffix(SUFFIX), languages.look_up(language)
    writer = Writer(section, names, spoken, engine, claims == "report", title_block)
    try:
        template = Environment(folder, writer).get_template(name)
        text = template.render({name: names.child(name) for name in names.raw})
    except (InputError, jinja2.TemplateError, *_MISTAKES) as error:
        frames = reversed([*traceback.walk_tb(error.__traceback__)])
        where = getattr(error, "place", None) or place(frames) or folder / name
        message = f"{error}"
        if isinstance(error, _TOO_DEEP):
            message = NESTED
        elif isinstance(error, _MISTAKES):
            message = f"this cannot be worked out: {error}"
        raise InputError(f"{where}: {message}") from None
    return Filled(letters.composed(text), writer.quotes, writer.claims)
