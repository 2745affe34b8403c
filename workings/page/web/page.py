"""Set the web edition: one HTML file with everything in it, from the filled sections."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
from markupsafe import Markup

from workings import languages
from workings.measurements import read
from workings.messages import InputError, say
from workings.page import document, title
from workings.page.web import cards
from workings.page.web.convert import STYLE, cited, fragment
from workings.page.web.figures import svg
from workings.page.web.numbering import ROMAN, Numbers, words_of
from workings.page.web.source import body, definitions


def main(config: dict, inputs: SimpleNamespace, outputs: SimpleNamespace) -> None:
    inputs.sections = {Path(path).stem: Path(path) for path in inputs.sections}
    Path(outputs.page).write_text(of_files(inputs, config), encoding="utf-8")


def of_files(inputs: SimpleNamespace, config: Mapping[str, Any], live: bool = False) -> str:
    """The page from the input files of the rule `page`, the sections by their names."""
    return page(
        Path(inputs.shell),
        [Path(path) for path in inputs.references],
        {name: path.read_text(encoding="utf-8") for name, path in inputs.sections.items()},
        [claim for path in inputs.claims for claim in read(path, list)],
        {Path(path).stem: Path(path) for path in inputs.figures},
        read(inputs.ledger),
        config["report"],
        {Path(path).stem: read(path) for path in inputs.explored},
        read(inputs.seeds[0]) if inputs.seeds else None,
        live,
    )


def page(
    shell: Path,
    references: Sequence[Path],
    sections: Mapping[str, str],
    claims: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Path],
    ledger: Mapping[str, Any],
    report: Mapping[str, Any],
    explored: Mapping[str, Any],
    seeds: Mapping[str, Any] | None = None,
    live: bool = False,
) -> str:
    """The whole page.

    Args:
        shell: report.tex.
        sections: the filled LaTeX of each.
        claims: what the sections claimed, with the other wording of each that has one.
        figures: the PDF of each figure by its name.
        ledger: the whole ledger.
        report: that block of the configuration.
        explored: the data of each figure that can be explored.
        seeds: what the runs from other seeds measured.
        live: whether it reloads itself when `workings watch` says so.

    Raises:
        InputError: a reference, a citation or a figure leads to nothing.
    """
    known = document.read(shell)
    text = shell.read_text(encoding="utf-8")
    preamble, _, rest = document.without_comments(text).partition(r"\begin{document}")
    own = definitions(preamble)
    outer = fragment(rest, own)
    with ThreadPoolExecutor() as side_by_side:  # they are programs of their own, and remembered
        side_by_side.map(lambda text: fragment(body(text), own), sections.values())
        side_by_side.map(svg, figures.values())
    citations, missing = list(outer.citations), list(outer.left_out)

    def filled(found: re.Match) -> str:
        name = html.unescape(found[1])
        if name == "ledger":
            return (
                f'{found[0]}<h1 id="sec:ledger">Ledger: where each number comes from</h1><!ledger>'
            )
        if name not in sections:
            return ""
        made = fragment(body(sections[name]), own)
        missing.extend(made.left_out)
        first = len(citations)
        citations.extend(made.citations)
        shifted = re.sub(r"<!cite (\d+)>", lambda c: f"<!cite {int(c[1]) + first}>", made.html)
        return f"{found[0]}{shifted}"

    whole = re.sub(r"<!section ([^>]+)>", filled, _without_doubles(outer.html))
    if missing:
        names = ", ".join(f"\\{name}" for name in dict.fromkeys(missing))
        say(f"workings: the page leaves out what these commands print: {names}")
    language = languages.look_up(report["language"])
    whole = _other_wordings(whole, claims, own, language)
    explained = html.escape(language.word(languages.CLAIM))
    first = '<div class="evidence">'
    whole = whole.replace(first, f'<p class="explained">{explained}</p>{first}', 1)
    numbers = Numbers(known.name in ROMAN, language)
    if citations:
        whole = whole.replace(
            "<!references>",
            f'<h1 class="unnumbered" id="sec:references">{language.word("References")}</h1><!references>',
        )
    whole = numbers.numbered(whole)
    whole = numbers.referred(whole)
    whole = _with_citations(whole, citations, references, known, report["language"])
    whole = _with_figures(whole, figures)
    thanks = report.get("acknowledgements") or ""
    if thanks:
        thanks = f"<h2>Acknowledgements</h2><p>{html.escape(thanks)}</p>"
    whole = whole.replace("<!acknowledgements>", thanks)
    data = cards.data(ledger, seeds, language) | {"sections": numbers.sections}
    whole = whole.replace("<!ledger>", cards.table(ledger, numbers.sections, language.mark))
    return _laid_out(whole, numbers, ledger, report, data, explored, live)


def _without_doubles(outer: str) -> str:
    """A part's title that report.tex puts into the contents and sets by hand, once."""
    heading = r"(<h1[^>]*><!part>(.*?)</h1>)\s*(?:<p><strong></strong></p>)?\s*<p>\2</p>"
    return re.sub(heading, r"\1", outer, flags=re.DOTALL)


def _other_wordings(
    whole: str, claims: Sequence[Mapping[str, Any]], own: str, language: languages.Language
) -> str:
    """What each claim would have said otherwise."""
    wordings = {claim["name"]: claim for claim in claims}

    def other(found: re.Match) -> str:
        claim = wordings.get(html.unescape(found[1]), {})
        said = claim.get("other") or ""
        shown = re.sub(r"</?p>", "", fragment(said, own).html).strip() if said else ""
        otherwise = language.word("It would have said otherwise: {}").format(shown)
        otherwise = f"<p>{otherwise}</p>" if shown else ""
        condition = html.escape(claim.get("condition", ""))
        return (
            f"<details><summary>{language.word('what it rests on')}</summary>"
            f"<p><code>{condition}</code></p>{otherwise}</details>"
        )

    return re.sub(r"<!other ([^>]+)>", other, whole)


def _with_citations(
    whole: str,
    commands: Sequence[str],
    references: Sequence[Path],
    known: document.Document,
    language: str,
) -> str:
    style = "author-year" if known.biber else "numeric"
    found, bibliography = cited(tuple(commands), references, style, language)
    whole = re.sub(r"<!cite (\d+)>", lambda c: found[int(c[1])], whole)
    return whole.replace("<!references>", bibliography)


def _with_figures(whole: str, figures: Mapping[str, Path]) -> str:
    def picture(found: re.Match) -> str:
        name = html.unescape(found[1])
        if name not in figures:
            raise InputError(f"figure '{name}': no file build/figures/{name}.pdf")
        words = html.escape(words_of(found[2]))
        drawn = svg(figures[name]).replace("<svg ", f'<svg role="img" aria-label="{words}" ', 1)
        return f'<div class="picture" data-figure="{html.escape(name)}">{drawn}</div>'

    return re.sub(r"<!alt ([^>]+)>(.*?)<!/alt>", picture, whole, flags=re.DOTALL)


def _laid_out(
    whole: str,
    numbers: Numbers,
    ledger: Mapping[str, Any],
    report: Mapping[str, Any],
    data: Mapping[str, Any],
    explored: Mapping[str, Any],
    live: bool,
) -> str:
    scripts = [(STYLE / name).read_text(encoding="utf-8") for name in ("page.js", "explore.js")]
    if live:
        scripts.append((STYLE / "watch.js").read_text(encoding="utf-8"))
    style = (STYLE / "page.css").read_text(encoding="utf-8")
    style = re.sub(r'url\("(fonts/[^"]+)"\)', _font, style)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(STYLE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    date = ledger["commit"]["date"] if report.get("date") == "commit" else report.get("date")
    return environment.get_template("page.html.j2").render(
        report=report,
        authors=[title.author(each) for each in report.get("authors") or []],
        date=date,
        body=Markup(whole),
        contents=[
            (level, name, number, Markup(text))
            for level, name, number, text in numbers.contents
            if text
        ],
        built=ledger["commit"],
        data=_inside_script(data),
        explored=_inside_script(explored),
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(style, scripts, live),
    )


def _font(found: re.Match) -> str:
    data = base64.b64encode((STYLE / found[1]).read_bytes()).decode("ascii")
    return f'url("data:font/woff2;base64,{data}")'


def _inside_script(data: Any) -> Markup:
    """JSON that no text in it can end."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(
        text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def _policy(style: str, scripts: Sequence[str], live: bool) -> str:
    """The content security policy: what stands in this file, and nothing else."""

    def sums(texts: Sequence[str]) -> str:
        digests = (hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
        return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)

    reload = "connect-src 'self'; " if live else ""
    return (
        f"default-src 'none'; script-src {sums(scripts)}; style-src {sums([style])}; "
        f"font-src data:; img-src data:; {reload}base-uri 'none'; form-action 'none'"
    )
