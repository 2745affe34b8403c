r"""The title block of a report in the commands of its document class, and what its PDF says of itself.

Each class has its template in workings/style/classes/; a report may bring one for another class as
templates/classes/CLASS.tex.j2. A class without one is given LaTeX's own ``\title`` and ``\author``.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import escape as escape_xml

from workings.messages import InputError
from workings.page.tex import TeX, environment, escape

PLACES = (Path("templates/classes"), Path(__file__).parents[1] / "style/classes")
LANGUAGE = "en-GB"


def title_block(
    name: str, report: Mapping[str, Any], abstract: str, commit_date: str | None = None
) -> str:
    """The title of a report with its abstract, and what the PDF says of itself.

    Args:
        name: the document class.
        report: the configuration's block ``report``: title, subtitle, authors (names, or mappings
            with name, affiliation, email, orcid), subject, keywords, language, date (2026-11-25,
            ``commit`` or none) and acknowledgements; only the title has to be there.
        abstract: as TeX.
        commit_date: of the commit that the report is built from, as 2026-11-25.

    Raises:
        InputError: a date that is none, or a letter that the typeface lacks.
    """
    authors = [author(each) for each in report.get("authors") or []]
    affiliations = list(dict.fromkeys(a["affiliation"] for a in authors if a["affiliation"]))
    known = {
        "title": report["title"],
        "subtitle": report.get("subtitle") or "",
        "authors": authors,
        "affiliations": affiliations,
        "keywords": report.get("keywords") or [],
        "subject": report.get("subject") or report.get("subtitle") or "",
        "language": report.get("language") or LANGUAGE,
        "date": _date(report.get("date"), commit_date),
        "acknowledgements": report.get("acknowledgements") or "",
        "abstract": TeX(abstract.strip()),
    }
    metadata = (
        environment(*PLACES, finalize=escape_xml).get_template("metadata.xml.j2").render(known)
    )
    ours = environment(*PLACES)
    ours.globals |= {"metadata": _verbatim(metadata)} | _named(authors, affiliations)
    return ours.select_template([f"{name}.tex.j2", "article.tex.j2"]).render(known)


def _named(authors: list[dict], affiliations: list[str]) -> dict[str, TeX]:
    """All authors, and all places with the addresses, with marks that tell who is where."""
    marks = {place: str(i) for i, place in enumerate(affiliations, 1)} if affiliations[1:] else {}
    for author in authors:
        author["mark"] = marks.get(author["affiliation"], "")
        name, orcid = escape(author["name"]), escape(author["orcid"])
        author["linked"] = TeX(rf"\href{{https://orcid.org/{orcid}}}{{{name}}}") if orcid else name
    places = [_raised(marks.get(place, "")) + escape(place) for place in affiliations]
    emails = ", ".join(escape(author["email"]) for author in authors if author["email"])
    return {
        "names": TeX(", ".join(author["linked"] + _raised(author["mark"]) for author in authors)),
        "places": TeX(r" \\ ".join([*places, emails] if emails else places)),
    }


def _raised(mark: str) -> str:
    return f"\\textsuperscript{{{mark}}}" if mark else ""


def author(given: str | Mapping[str, Any]) -> dict[str, Any]:
    """The author with an empty text for whatever is not given."""
    given = {"name": given} if isinstance(given, str) else given
    return {key: given.get(key) or "" for key in ("name", "affiliation", "email", "orcid")}


def _date(given: Any, commit_date: str | None) -> datetime.date | None:
    given = commit_date if given == "commit" else given
    if given is None:
        return None
    try:
        return datetime.date.fromisoformat(str(given))
    except ValueError:
        raise InputError(
            f"'{given}' is no date; 2026-11-25, commit or null is right", key="report.date"
        ) from None


def _verbatim(xml: str) -> TeX:
    r"""XML in letters that TeX reads as they are, where # is one of them."""
    for letter in "\\{}%^~":
        xml = xml.replace(letter, f"&#{ord(letter)};")
    return TeX(xml.encode("ascii", "xmlcharrefreplace").decode())
