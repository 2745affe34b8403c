r"""A filled section as LaTeX that pandoc reads, with a mark wherever it must not interfere.

pandoc turns prose, tables and formulas into HTML. What the engine or the document class does in the
PDF, from numbers with their links to references, citations and figures, is taken out before, and a mark,
a letter that no text holds, is left in its place; afterwards each mark becomes the HTML it stands for. In
formulas too, a mark is just another letter.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from workings.page.template import LISTING

FIRST = 0xF0000  # of the letters that are marks
MARK = re.compile("[\U000f0000-\U000ffffd]")
PART = "\ue001"  # before the title of a part
COMMA = "\ue002"  # a decimal mark, which in a formula is no comma of a list
# Commands that pandoc does not know and that print something, in those it knows.
KNOWN = rf"""\newcommand{{\addpart}}[1]{{\section*{{{PART}#1}}}}
\newcommand{{\addcontentsline}}[3]{{\section*{{{PART}#3}}}}
\newcommand{{\part}}[1]{{\section*{{{PART}#1}}}}
"""
NUMBERED = ("equation", "align", "gather", "multline", "eqnarray", "alignat", "flalign")

# What stands in a section, and how many arguments it has.
_COMMANDS = {
    "webabstract": 1,
    "measured": 3, "textfigure": 3, "widefigure": 3, "claim": 4, "refutedclaim": 4, "linename": 2,
    "derivationline": 2, "ref": 1, "eqref": 1, "cref": 1, "Cref": 1, "autoref": 1, "labelcref": 1,
    "input": 1, "include": 1, "bibliography": 1, "printbibliography": 0, "appendix": 0,
    "printacknowledgements": 0, "hypersetup": 1, "bibliographystyle": 1,
    "allowbreak": 0, "tableofcontents": 0, "setletter": 3,
}  # fmt: skip
# Letters in words that pandoc does not know, in texts or in formulas; the first is none.
_LETTERS = {"unjoined": "", "textasciigrave": "`", "textquotesingle": "'", "textquotedbl": "&quot;"}
_COMMAND = re.compile(
    rf"\\({'|'.join(_COMMANDS)})(?![A-Za-z@])\*?(?:\s*\[[^\]]*\])?"
    r"|\\([A-Za-z]*cite[a-z]*)(?![A-Za-z@])\*?\s*((?:\[[^\]]*\]\s*)*)(?=\{)"
    rf"|\\begin\{{({'|'.join(NUMBERED)})\}}"
    r"|\\begin\{(long)?measuredtable\}|\\end\{(?:long)?measuredtable\}"
    rf"|\\({'|'.join(_LETTERS)})(?![A-Za-z])(?:\{{\}})?"
    r"|\\(\\)\*|\\endhead(?![a-z])|\\addlinespace\[\w+\]|\\(?:begin|end)\{widelines\}|\\hfuzz=\\marginparsep|(?<!\\)\\([()])|(?<=\d)\{,\}(?=\d)"
)


@dataclass
class Marked:
    """LaTeX with marks.

    Args:
        html: what each mark stands for. A reference is <!ref COMMAND LABELS>, a citation <!cite N>,
            the number of an equation <!number eq LABEL>: the whole page decides them.
        citations: the commands that cite, in order.
    """

    html: list[str] = field(default_factory=list)
    citations: list[str] = field(default_factory=list)
    in_table: bool = False

    def mark(self, stands_for: str) -> str:
        self.html.append(stands_for)
        return chr(FIRST + len(self.html) - 1)

    def block(self, before: str, text: str, after: str) -> str:
        """Text that is a paragraph or more between two pieces of HTML."""
        return f"\n\n{self.mark(before)}\n\n{text}\n\n{self.mark(after)}\n\n"

    def read(self, text: str) -> str:
        """`text` with marks; a listing stays as it is."""
        done, at = [], 0
        while found := _COMMAND.search(text, at):
            listing = LISTING.search(text, at)
            if listing and listing.start() < found.start():
                done.append(text[at : listing.end()])
                at = listing.end()
                continue
            done.append(text[at : found.start()])
            made, at = self._replaced(found, text)
            done.append(made)
        return "".join(done) + text[at:]

    def _replaced(self, found: re.Match, text: str) -> tuple[str, int]:
        """What stands for a command, and where the text goes on."""
        command, cites, options, environment, long, letter, star, formula = found.groups()
        end = found.end()
        if cites:
            end = arguments(text, end, 1)[1]
            self.citations.append(f"\\{cites}{options.strip()}{text[found.end() : end]}")
            return self.mark(f"<!cite {len(self.citations) - 1}>"), end
        if environment:
            close = f"\\end{{{environment}}}"
            stop = text.index(close, end)
            return self._equation(environment, text[end:stop]), stop + len(close)
        if command:
            given, end = (
                arguments(text, end, _COMMANDS[command]) if _COMMANDS[command] else ([], end)
            )
            made = getattr(self, f"_{command}", lambda *_: "")
            return made(*given), end
        if letter:
            return self.mark(_LETTERS[letter]), end
        if formula:  # in a table pandoc takes the & of a matrix for its own, except between dollars
            return ("$" if self.in_table else found[0]), end
        if star:
            return "\\\\", end
        if found[0] == "{,}":
            return COMMA, end
        if (
            found[0].startswith((r"\endhead", r"\hfuzz", r"\addlinespace"))
            or "widelines" in found[0]
        ):
            return "", end
        if found[0].startswith(r"\begin"):
            (name, caption, columns), end = arguments(text, end, 3)
            self.in_table = True
            kind = "table long" if long else "table"
            label = html.escape(f"tab:{name}")
            head = self.block(
                f'<figure class="{kind}" id="{label}"><figcaption><!caption table {label}>',
                self.read(caption),
                '</figcaption><div class="scroll" tabindex="0" role="region" '
                f'aria-label="<!label table {label}>">',
            )
            return f"{head}\\begin{{tabular}}{{{columns}}}", end
        self.in_table = False
        return "\\end{tabular}" + self.block("", "", "</div></figure>"), end

    # -- one method for each command ---------------------------------------------------------------

    def _measured(self, key: str, use: str, text: str) -> str:
        opened = f'<a class="m" id="use:{use}" href="#ledger:{key}">'
        return self.mark(opened) + self.read(text) + self.mark("</a>")

    def _textfigure(self, name: str, alternative: str, caption: str, wide: str = "") -> str:
        label = html.escape(f"fig:{name}")
        picture = self.block(
            f'<figure class="figure{wide}" id="{label}"><!alt {name}>',
            self.read(alternative),
            "<!/alt>",
        )
        return picture + self.block(
            f"<figcaption><!caption figure {label}>", self.read(caption), "</figcaption></figure>"
        )

    def _widefigure(self, name: str, alternative: str, caption: str) -> str:
        return self._textfigure(name, alternative, caption, " wide")

    def _claim(self, name: str, sentence: str, verdict: str, evidence: str, kind: str = "") -> str:
        label = html.escape(f"claim:{name}")
        shown = (
            self.mark("<b>") + self.read(verdict) + self.mark("</b>") + (": " if evidence else "")
        )
        return self.block(
            f'<div class="claim{kind}" id="{label}">', self.read(sentence), ""
        ) + self.block(
            '<div class="evidence">', shown + self.read(evidence), f"<!other {name}></div></div>"
        )

    def _refutedclaim(self, *given: str) -> str:
        return self._claim(*given, " refuted")

    def _linename(self, target: str, text: str) -> str:
        opened = self.mark(f'<mrow class="line" id="line:{target}">')
        linked = re.fullmatch(r"\\measured\{([^}]*)\}\{([^}]*)\}\{(.*)\}", text)
        if linked:
            key, use, text = linked.groups()
            name = self._measured(key, use, f"\\text{{{text}}}")
        else:
            name = f"\\text{{{self.read(text)}}}"
        return f" && {{{opened}{name}{self.mark('</mrow>')}}}"

    def _derivationline(self, target: str, name: str) -> str:
        return (
            self.mark(f'<a class="ref" href="#line:{target}">')
            + self.read(name)
            + self.mark("</a>")
        )

    def _refer(self, command: str, labels: str) -> str:
        labels = html.escape("".join(labels.split()))
        return self.mark(f"<!ref {command} {labels}>")

    def _ref(self, labels: str) -> str:
        return self._refer("ref", labels)

    _labelcref = _ref

    def _eqref(self, labels: str) -> str:
        return f"({self._ref(labels)})"

    def _cref(self, labels: str) -> str:
        return self._refer("cref", labels)

    _Cref = _cref

    def _autoref(self, label: str) -> str:
        return self._refer("autoref", label)

    def _input(self, path: str) -> str:
        name = path.strip().removesuffix(".tex").rpartition("/")[2]
        return self.block(f"<!section {html.escape(name)}>", "", "")

    _include = _input

    def _printbibliography(self, *_: str) -> str:
        return self.block("<!references>", "", "")

    _bibliography = _printbibliography

    def _printacknowledgements(self) -> str:
        return self.block("<!acknowledgements>", "", "")

    def _webabstract(self, text: str) -> str:
        return self.block('<div class="abstract">', self.read(text), "</div>")

    def _setletter(self, codes: str, *_: str) -> str:
        return bytes.fromhex(codes).decode("utf-16-be")

    def _appendix(self) -> str:
        return self.block("<!appendix>", "", "")

    def _equation(self, environment: str, body: str) -> str:
        """A numbered formula: each row with its number, or one for the whole."""
        body = self.read(body)
        if environment in ("equation", "multline"):
            label = re.search(r"\\label\{([^}]*)\}", body)
            number = self._number(label[1] if label else "")
            inner = re.sub(r"\\label\{[^}]*\}", "", body).strip()
            opened, closed = self.mark('<span class="equation">'), self.mark("</span>")
            return f"{opened}\\[{inner}\\]{number}{closed}"
        rows = re.split(r"\\\\(?:\[[^\]]*\])?", re.sub(r"^\{\d+\}", "", body))
        made = []
        for row in filter(str.strip, rows):
            label = re.search(r"\\label\{([^}]*)\}", row)
            tag = re.search(r"\\tag\*?\{([^}]*)\}", row)
            plain = re.sub(r"\\(?:label|tag\*?)\{[^}]*\}|\\no(?:number|tag)\b", "", row)
            if tag:
                plain += rf" && \text{{({tag[1]})}}"
            elif not re.search(r"\\no(number|tag)\b", row):
                plain += rf" && \text{{{self._number(label[1] if label else '')}}}"
            made.append(plain.strip())
        return "\\begin{align*}\n" + " \\\\\n".join(made) + "\n\\end{align*}"

    def _number(self, label: str) -> str:
        label = html.escape(label or f"eq.{len(self.html)}")
        return self.mark(f'<span class="number" id="{label}">(<!number equation {label}>)</span>')


def body(text: str) -> str:
    r"""A filled section without the title block, of which the page wants the abstract alone."""
    start = re.search(r"\\year=|\\renewcommand\{\\today\}", text)
    if not start or r"\attachmetadata" not in text:
        return text
    block, end = text[start.start() :], text.index(r"\attachmetadata")
    end = arguments(text, end, 2)[1]
    found = re.search(r"\\begin\{abstract\}(.*?)\\end\{abstract\}", block, flags=re.DOTALL)
    abstract = rf"\webabstract{{{found[1].strip()}}}" if found else ""
    return text[: start.start()] + abstract + text[end:]


def definitions(preamble: str) -> str:
    """The commands of its own that a report defines before it begins."""
    found = []
    for match in re.finditer(
        r"\\(?:newcommand|renewcommand|providecommand|DeclareMathOperator)\*?",
        preamble,
    ):
        rest = re.match(r"\s*(?:\{\\\w+\}|\\\w+)\s*(?:\[[^\]]*\])*", preamble[match.end() :])
        if rest:
            stop = arguments(preamble, match.end() + rest.end(), 1)[1]
            found.append(preamble[match.start() : stop])
    return "\n".join(found)


def arguments(text: str, at: int, count: int) -> tuple[list[str], int]:
    """The next `count` arguments in braces from `at` on, and where they end."""
    arguments = []
    for _ in range(count):
        start = text.index("{", at) + 1
        depth, at = 1, start
        while depth:
            if text[at] == "\\":
                at += 1  # the next sign is none of grouping
            else:
                depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        arguments.append(text[start : at - 1])
    return arguments, at
