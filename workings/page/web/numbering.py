"""Numbers of sections, figures, tables and equations, and what refers to them, as the PDF has them."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from workings.languages import ENGLISH, Language
from workings.messages import InputError

NAMES = {
    "section": ("Section", "Sections"), "appendix": ("Appendix", "Appendices"),
    "figure": ("Figure", "Figures"), "table": ("Table", "Tables"),
    "equation": ("Equation", "Equations"),
}  # fmt: skip
# What \autoref says instead, by babel's language; of sections by their depth.
_DEPTHS = ("section", "subsection", "subsubsection")
_AUTO = {
    "": (*_DEPTHS, "Appendix", "Figure", "Table", "Equation"),
    "ngerman": ("Abschnitt", "Unterabschnitt", "Unterunterabschnitt", "Anhang", "Abbildung", "Tabelle", "Gleichung"),
    "french": ("section", "sous-section", "sous-sous-section", "annexe", "figure", "tableau", "équation"),
    "spanish": ("Sección", "Subsección", "Subsubsección", "Apéndice", "Figura", "Tabla", "Ecuación"),
    "italian": ("sezione", "sottosezione", "sottosottosezione", "Appendice", "Figura", "Tabella", "Equazione"),
}  # fmt: skip
# Classes that count sections and tables in Roman numerals.
ROMAN = ("IEEEtran", "revtex4-2")

_OPEN = re.compile(
    r'<h(?P<level>\d)(?P<starred> class="unnumbered")?(?: id="(?P<id>[^"]*)")?[^>]*>(?P<title>.*?)</h\d>'
    r"|<!caption (?P<kind>\w+) (?P<label>[^>]+)>|<!number equation (?P<equation>[^>]+)>"
    r"|<!section (?P<section>[^>]+)>|(?P<appendix><!appendix>)"
    r'|<div class="claim[^"]*" id="(?P<claim>[^"]*)">',
    flags=re.DOTALL,
)


@dataclass
class Numbers:
    """What was counted.

    Args:
        roman: whether the document's class counts in Roman numerals.
        language: of the names.
        of: the kind and the number of each label.
        contents: the headings: level, id, number, title.
        sections: the number, the title and the name of the heading of each of the report's sections.
    """

    roman: bool
    language: Language = ENGLISH
    deepest: int = 2  # the level of a section in the page, under the title and the parts
    of: dict[str, tuple[str, str]] = field(default_factory=dict)
    contents: list[tuple[int, str, str, str]] = field(default_factory=list)
    sections: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    counted: dict[str, int] = field(default_factory=dict)
    appendix: bool = False
    now: str = ""  # the section of the report that is being read
    here: tuple[str, str] = ("section", "")  # the kind and the number of the last heading

    def numbered(self, page: str) -> str:
        """The page with its numbers; what refers to them is still open."""
        self.deepest = 3 if "<!part>" in page else 2
        return _OPEN.sub(self._number, page)

    def _number(self, found: re.Match) -> str:
        if found["section"]:
            self.now = html.unescape(found["section"])
            return ""
        if found["appendix"]:
            self.appendix, self.counts = True, [0, 0, 0]
            return ""
        if found["kind"]:
            return self._caption(found["kind"], found["label"])
        if found["claim"]:  # it has no number: what refers to it names where it stands
            self.of[html.unescape(found["claim"])] = self.here
            return found[0]
        if found["equation"]:
            return self._counted("equation", found["equation"])
        return self._heading(found)

    def _heading(self, found: re.Match) -> str:
        title = found["title"].strip()
        if "<!part>" in title:
            title = title.replace("<!part>", "")
            return self._set(2, "part", _name(title), "", title)
        depth = min(int(found["level"]), 3)
        number = "" if found["starred"] else self._section(depth)
        if number:
            self.here = ("appendix" if self.appendix else "section", self._referred(depth))
        name = found["id"] or ""
        if not name or ":" not in name:
            name = f"{self.now or 'text'}.{name or _name(title)}"
        elif number:
            self.of[name] = self.here
        if self.now and self.now not in self.sections:
            self.sections[self.now] = (
                self._referred(depth) if number else "",
                words_of(title),
                name,
            )
        return self._set(depth + self.deepest - 1, "", name, number, title)

    def _set(self, level: int, kind: str, name: str, number: str, title: str) -> str:
        taken = {name for _, name, _, _ in self.contents}
        name = next(n for n in (name, *(f"{name}-{i}" for i in range(2, 999))) if n not in taken)
        if level <= self.deepest or kind:
            plain = re.sub(r"</?a\b[^>]*>| id=\"[^\"]*\"", "", title)
            self.contents.append((level, name, number, plain))
        else:
            self.contents.append((level, name, "", ""))
        shown = f'<span class="number">{number}</span> ' if number else ""
        css = f' class="{kind}"' if kind else ""
        return (
            f'<h{level} id="{name}"{css}>{shown}{title}'
            f'<a class="anchor" href="#{name}" aria-label="Link to: {html.escape(words_of(title))}">#</a></h{level}>'
        )

    def _section(self, depth: int) -> str:
        """The next number of a section, as its heading has it."""
        self.counts[depth - 1] += 1
        self.counts[depth:] = [0] * (3 - depth)
        if self.roman:
            return self._signs()[depth - 1]
        return self._referred(depth)

    def _signs(self) -> list[str]:
        first, second, third = self.counts
        if self.roman and not self.appendix:
            return [_roman(first), chr(64 + second), str(third)]
        return [chr(64 + first) if self.appendix else str(first), str(second), str(third)]

    def _referred(self, depth: int) -> str:
        """The number of the present section, as a reference has it."""
        return ("-" if self.roman else ".").join(self._signs()[:depth])

    def _counted(self, kind: str, label: str) -> str:
        self.counted[kind] = self.counted.get(kind, 0) + 1
        number = self.counted[kind]
        shown = _roman(number) if kind == "table" and self.roman else str(number)
        self.of[html.unescape(label)] = (kind, shown)
        return shown

    def _caption(self, kind: str, label: str) -> str:
        number = self._counted(kind, label)
        name = self._named(kind, number)
        if kind == "table":
            if self.language.babel == "french":  # whose captions say Table, and references Tableau
                name = f"Table {number}"
            return f'<span class="label">{name}</span> '
        key = html.unescape(label).removeprefix("fig:")
        use = f"figure.{html.escape(key)}"
        return f'<a class="m label" id="use:{use}" href="#ledger:{use}">{name}</a> '

    # -- what refers ---------------------------------------------------------------------------------

    def referred(self, page: str) -> str:
        """The page with its references."""
        page = re.sub(r"<!label (\w+) ([^>]+)>", self._labelled, page)
        return re.sub(r"<!ref (\w+) ([^>]*)>", self._refer, page)

    def _named(self, kind: str, number: str) -> str:
        return f"{self.language.word(NAMES[kind][0])} {number}"

    def _labelled(self, found: re.Match) -> str:
        return self._named(*self.of[html.unescape(found[2])])

    def _refer(self, found: re.Match) -> str:
        command, labels = found[1], html.unescape(found[2]).split(",")
        for label in labels:
            if label not in self.of:
                raise InputError(f"reference to nothing: {label}")
        if command == "ref":
            return ", ".join(_link(label, self.of[label][1]) for label in labels)
        if command == "autoref":
            return self._auto(labels[0])
        kinds: dict[str, list[tuple[str, str]]] = {}
        for label in labels:
            kind, number = self.of[label]
            kinds.setdefault(kind, []).append((number, label))
        groups = [self._several(kind, items) for kind, items in kinds.items()]
        if len(groups) < 3:
            return self._joined(groups)
        return self.language.word("{}, and {}").format(", ".join(groups[:-1]), groups[-1])

    def _auto(self, label: str) -> str:
        kind, number = self.of[label]
        if kind == "section":
            kind = _DEPTHS[len(re.findall(r"[.-]", number))]
        names = dict(
            zip(
                (*_DEPTHS, *list(NAMES)[1:]), _AUTO.get(self.language.babel, _AUTO[""]), strict=True
            )
        )
        return _link(label, f"{names[kind]}\u00a0{number}")

    def _several(self, kind: str, items: list[tuple[str, str]]) -> str:
        """Figure 1; Figures 1 and 3; Tables 1 to 3."""
        items = sorted(items, key=lambda item: _order(item[0]))
        links: list[str] = []
        at = 0
        while at < len(items):
            end = at
            while end + 1 < len(items) and _order(items[end + 1][0]) == _next(items[end][0]):
                end += 1
            shown = [_link(label, _shown(kind, number)) for number, label in items[at : end + 1]]
            if len(shown) > 2:
                shown = [self.language.word("{} to {}").format(shown[0], shown[-1])]
            links += shown
            at = end + 1
        name = self.language.word(NAMES[kind][len(items) > 1])
        if len(items) == 1:  # the name is part of the link
            return links[0].replace('">', f'">{name}\u00a0', 1)
        return f"{name}\u00a0{self._joined(links)}"

    def _joined(self, items: list[str]) -> str:
        last = f" {self.language.word('and')} "
        return last.join([", ".join(items[:-1]), items[-1]] if items[1:] else items)


def _shown(kind: str, number: str) -> str:
    return f"({number})" if kind == "equation" else number


def _link(label: str, text: str) -> str:
    return f'<a class="ref" href="#{html.escape(label)}">{html.escape(text)}</a>'


def _order(number: str) -> tuple:
    return tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in number.split(".")
    )


def _next(number: str) -> tuple:
    *above, last = _order(number)
    return (*above, (0, last[1] + 1, "") if not last[2] else (1, 0, chr(ord(last[2][0]) + 1)))


def _roman(number: int) -> str:
    made = ""
    for value, sign in ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):
        made += sign * (number // value)
        number %= value
    return made


def words_of(markup: str) -> str:
    """The words of a piece of HTML."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", markup)).split())


def _name(title: str) -> str:
    return re.sub(r"\W+", "-", words_of(title).lower()).strip("-") or "part"
