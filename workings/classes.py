r"""The document classes that the engine knows: how wide their figures are, how they cite.

Any other class works too, with `OTHER`: docs/classes.md says what it must provide.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DocumentClass:
    """What the engine knows of a document class in one layout.

    Args:
        text: the width of a column, in millimetres.
        wide: the widest that a figure may be.
        margin: the margin column where there is one, else a small figure.
        options: what a new report gives to the class.
        style: its BibTeX style; empty where biblatex sets the references.
        package: where Debian has it.
    """

    text: float
    wide: float
    margin: float = 45.0
    options: str = ""
    style: str = ""
    package: str = "texlive-publishers"

    @property
    def widths(self) -> dict[str, float]:
        """The widths of figures, in millimetres."""
        return {"text": self.text, "wide": self.wide, "margin": self.margin}


HOUSE = "scrartcl"  # the class of the house look, which article takes over with workings-house
OTHER = DocumentClass(112, 112)  # fits into one column of any class

CLASSES = {
    "scrartcl": DocumentClass(
        112, 163, options="fontsize=10.5pt,numbers=noenddot,titlepage=false",
        package="texlive-latex-recommended",
    ),
    "article": DocumentClass(121, 121, options="11pt,a4paper", package="texlive-latex-base"),
    "IEEEtran": DocumentClass(88.5, 181, options="conference", style="IEEEtran"),
    "elsarticle": DocumentClass(121, 121, options="preprint,12pt", style="elsarticle-num"),
    "elsarticle[3p]": DocumentClass(164, 164),
    "elsarticle[5p]": DocumentClass(88.5, 183),
    "acmart": DocumentClass(139, 139, options="sigconf,nonacm,screen,balance=false", style="ACM-Reference-Format"),
    "acmart[sigconf]": DocumentClass(84.5, 177.5),
    "revtex4-2": DocumentClass(
        164, 164, options="reprint,aps,superscriptaddress,showkeys", style="apsrev4-2"
    ),
    "revtex4-2[reprint]": DocumentClass(86, 179),
    "revtex4-2[twocolumn]": DocumentClass(86, 179),
}  # fmt: skip


def look_up(layout: str) -> DocumentClass:
    """The class in a layout, such as ``IEEEtran`` or ``elsarticle[5p]``."""
    return CLASSES.get(layout) or CLASSES.get(layout.partition("[")[0], OTHER)


def layout(name: str, options: list[str], house: bool) -> str:
    """The layout that a class has with these options, or with the house look."""
    if house:
        return HOUSE
    known = [f"{name}[{option}]" for option in options if f"{name}[{option}]" in CLASSES]
    return known[0] if known else "article" if name == HOUSE else name


def opening(name: str, bibliography: str) -> str:
    """What stands before the document in a new report of the class."""
    known = CLASSES.get(name, OTHER)
    options = f"[{known.options}]" if known.options else ""
    lines = [f"\\documentclass{options}{{{name}}}", r"\usepackage{workings}"]
    if name in (HOUSE, "article"):
        lines.append(r"\usepackage{workings-house}")
    elif not known.style:
        lines.append(r"\usepackage[backend=biber,style=authoryear]{biblatex}")
    if not known.style:
        lines.append(f"\\addbibresource{{{bibliography}}}")
    return "\n".join(lines)


def references(name: str, bibliography: str) -> str:
    """What prints the references in a new report of the class."""
    style = CLASSES.get(name, OTHER).style
    if not style:
        return r"\printbibliography[heading=bibintoc]"
    return f"\\bibliographystyle{{{style}}}\n\\bibliography{{{bibliography.removesuffix('.bib')}}}"
