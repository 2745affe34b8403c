"""The web edition: the words and numbers of the PDF, safe whatever they hold, the same bytes."""

from __future__ import annotations

import html
import json
import re
import subprocess
import unicodedata
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from workings import figures, languages
from workings.messages import InputError
from workings.page import letters, typeset
from workings.page.tex import code, escape
from workings.page.web.figures import svg

from .test_letters import HOSTILE as HOSTILE_LETTERS
from .webpage import REPORT, SHELL, row, set_page, words

HOSTILE = "<script>alert(1)</script></script><img src=x onerror=alert(2)>\"'&amp;"


class Elements(HTMLParser):
    """The elements and attributes that a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attributes]


def tokens(text: str) -> Counter:
    """Words and numbers; a dash, a minus and a ligature in one form."""
    for sign, same in {
        "−": "-",
        "–": "-",
        "ﬁ": "fi",
        "ﬂ": "fl",
        "\u202f": " ",
        "\u2009": " ",
    }.items():
        text = text.replace(sign, same)
    return Counter(re.findall(r"[^\W\d_]+|\d+(?:\.\d+)*", text))


def value(page: str) -> str:
    """What the card of job.m shows."""
    data = re.search(r'id="data">(.*?)</script>', page, flags=re.DOTALL)[1]
    return json.loads(data)["rows"]["job.m"]["value"]


def pdf_words(folder: Path) -> str:
    """The PDF's text above the foot of its pages, up to the ledger."""
    inside = ["-x", "0", "-y", "0", "-W", "596", "-H", "785"]
    text = subprocess.run(
        ["pdftotext", *inside, "report/report.pdf", "-"], cwd=folder, capture_output=True, text=True
    ).stdout
    before, after = re.split(r"A\s+Ledger: where", text)
    # What stands in the margin comes last on its page.
    return " ".join(
        [before, *re.findall(r"^(?:Figure \d|holds:).*?(?=\n\n|\Z)", after, re.M | re.S)]
    )


def test_both_editions_have_the_same_words_and_numbers(finished):
    page = (finished / "report/report.html").read_text(encoding="utf-8")
    drawn = (
        subprocess.run(["pdftotext", f"build/figures/{name}.pdf", "-"], cwd=finished, capture_output=True, text=True).stdout
        for name in ("bills", "mass")
    )  # fmt: skip
    in_pdf, in_page = tokens(pdf_words(finished)), tokens(f"{words(page)} {' '.join(drawn)}")
    assert sum(in_pdf.values()) > 300
    assert in_pdf - in_page == in_page - in_pdf == Counter()
    changed = page.replace("43.9", "43.8", 1)
    assert tokens(words(changed)) != tokens(words(page))


def test_the_scaffold_has_its_page_without_a_line_more_and_it_needs_nothing_else(finished):
    page = (finished / "report/report.html").read_text(encoding="utf-8")
    assert "report.html is up to date" in (finished.parent / "said").read_text()
    seen = Elements(page)
    sources = [value for name, value in seen.attributes if name in ("src", "href")]
    assert {s.partition(":")[0] for s in sources if not s.startswith("#")} <= {"data", "https"}
    assert not seen.tags.keys() & {"link", "iframe", "object", "embed", "base", "form", "img"}
    assert set(re.findall(r'url\("(\w+):', page)) == {"data"}
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy and "http" not in policy


def test_the_same_inputs_give_the_same_bytes(tmp_path):
    text = {
        "one": r"\section{One}\label{sec:one} Of \measured{job.mean}{one.1}{9.4} \cref{sec:one}."
    }
    first = set_page(tmp_path, text, rows=[row("job.mean", 9.43, "one.1")])
    assert first == set_page(tmp_path, text, rows=[row("job.mean", 9.43, "one.1")])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"\section{A}\label{sec:a}\subsection{B}\label{sec:b} \cref{sec:b}", "1 A 1.1 B Section 1.1"),
        (r"\section{A}\subsection{B}\label{sec:b} \autoref{sec:b}", "1 A 1.1 B subsection 1.1"),
        (r"\section*{A} \section{B}\label{sec:b} \ref{sec:b}", "A 1 B 1"),
        (r"\begin{equation}\label{eq:x} x = 1 \end{equation} \cref{eq:x}, \eqref{eq:x}", "x=1 (1) Equation (1), (1)"),
        ("\\begin{align} x &= 1 \\\\ y &= 2 \\nonumber \\\\ z &= 3 \\label{eq:z} \\end{align} \\cref{eq:z}", "x =1 (1) y =2 z =3 (2) Equation (2)"),
        (r"\measured{job.m}{a.1}{\ensuremath{-3.2}\,mm}", "−3.2 mm"),
        (r"\(x = \measured{job.m}{a.1}{\begin{bmatrix} 1 & \ensuremath{-2} \end{bmatrix}}\)", "x=[1 −2 ]"),
        ("\\begin{measuredtable}{t}{Says.}{rl}\na & b \\\\ \\midrule\n1 & \\(\\begin{bmatrix} 1 & 2 \\end{bmatrix}\\) \\\\\n\\end{measuredtable}\n\n\\cref{tab:t}",
         "Table 1 Says. a b 1 [1 2 ] Table 1"),
        (r"\claim{c}{It is so.}{holds}{\measured{job.m}{a.1}{3} \ensuremath{>} 0}", f"It is so. {languages.CLAIM} holds: 3 > 0"),
        ("\\begin{align*}\na_{0} &= 1 \\linename{j.a[0]}{\\measured{job.m}{a.1}{a[0]}} \\\\*\n&= 2\n\\end{align*}\nLine \\derivationline{j.a[0]}{a[0]}.",
         "a0 =1 a[0] =2 Line a[0]."),
        ("\\begin{verbatim}\n\\ref{a} \\measured{x}\n\\end{verbatim}\n\\verb|\\cite{a}| \\(x\\)",
         r"\ref{a} \measured{x} \cite{a} x"),
    ],
)  # fmt: skip
def test_what_pandoc_needs_help_with(tmp_path, text, said):
    rows = [row("job.m", 3, "a.1")] if "job.m" in text else []
    page = set_page(tmp_path, {"a": text}, rows=rows)
    assert words(page).removeprefix("A title Ada Lovelace ") == said
    links = re.findall(r'href="#([^"]*)"', page)
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert {html.unescape(link) for link in links} <= {html.unescape(name) for name in ids}
    assert len(ids) == len(set(ids))


def test_references_are_sorted_joined_and_numbered_as_the_class_does(tmp_path):
    figure = (
        "\\textfigure{%s}{What a reader sees who cannot see the picture at all.}{A caption.}\n\n"
    )
    text = (
        "".join(figure % name for name in "abcd") + r"\cref{fig:d,fig:a,fig:b}; \Cref{fig:a,fig:c}"
    )
    text += r"; \cref{fig:c,fig:b,fig:a,sec:s} \section{S}\label{sec:s}"
    drawing = tmp_path / "a.pdf"
    figures.save(figures.new("margin", 20)[0], drawing)
    drawn = dict.fromkeys("abcd", drawing)
    page = set_page(tmp_path, {"x": text}, figures=drawn)
    assert "Figures 1, 2 and 4; Figures 1 and 3; Figures 1 to 3 and Section 1" in words(page)
    roman = SHELL.replace("{article}", "{IEEEtran}")
    text = r"\section{S}\label{sec:s}\subsection{T}\label{sec:t}\cref{sec:s,sec:t}"
    table = "\\begin{measuredtable}{t}{C.}{l}\nx \\\\\n\\end{measuredtable}\\cref{tab:t}"
    page = set_page(tmp_path, {"x": f"{text} {table}"}, shell=roman)
    assert "I S A T Sections I and I-A" in words(page) and "Table I C. x Table I" in words(page)


REFERRING = r"""\section{S}\label{sec:s}\section{U}\label{sec:u}
\claim{c}{It is so.}{holds}{so}
\cref{fig:a}; \cref{fig:a,fig:c}; \cref{fig:a,fig:b,fig:c}; \cref{tab:t,sec:s}; \cref{eq:x}; \cref{sec:s,sec:u};
\Cref{fig:a,tab:t,sec:s}; \cref{sec:k}; \cref{claim:c}; \autoref{fig:a}, \autoref{tab:t},
\autoref{sec:s}, \autoref{sec:k}, \autoref{eq:x}; \(x = 1{,}5\) and \ensuremath{-12\,345{,}5}.
\begin{equation}\label{eq:x} x \end{equation}
\begin{measuredtable}{t}{C.}{l}
a \\
\end{measuredtable}

\textfigure{a}{A picture.}{C.}

\textfigure{b}{A picture.}{C.}

\textfigure{c}{A picture.}{C.}
\appendix\section{K}\label{sec:k}"""


@pytest.mark.usefixtures("in_folder")
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en-GB", "Figures 1 to 3"),
        ("de", "Abbildungen 1 bis 3"),
        ("fr", "Figures 1 à 3"),
        pytest.param("es", "Figuras 1 a 3", marks=pytest.mark.slow),
        pytest.param("it", "Figure da 1 a 3", marks=pytest.mark.slow),
    ],
)
def test_names_and_numbers_are_in_the_language_as_in_the_pdf(language, said):
    if not subprocess.run(["kpsewhich", "french.ldf", "ngerman.ldf"], capture_output=True).stdout:
        pytest.skip("the languages of babel are not installed")
    drawn = {name: Path(f"build/figures/{name}.pdf") for name in "abc"}
    for path in drawn.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        figures.save(figures.new("margin", 20)[0], path)
    Path("report").mkdir()
    Path("report/report.tex").write_text(
        f"\\documentclass{{article}}\\usepackage{{workings}}\\begin{{document}}{REFERRING}\\end{{document}}"
    )
    pdf = typeset.typeset(Path("report/report.tex"), language=languages.look_up(language))
    command = ["pdftotext", "-layout", str(pdf), "-"]
    printed = subprocess.run(command, capture_output=True, text=True).stdout
    found = row("job.m", 3.5, "s.1")
    page = set_page(
        Path(),
        {"s": REFERRING},
        report=REPORT | {"language": language},
        figures=drawn,
        rows=[found],
    )
    shown = words(page)
    assert f'<html lang="{language}">' in page and said in shown

    def references(text: str) -> str:
        text = "".join(re.sub(r"-\n\s*", "", text).replace("−", "-").split())
        return re.search(r"holds:so(.*345,5\.)", text)[1]

    assert references(shown) == references(printed)
    captions = re.findall(r"^ *(\w+) \d *[:.–-]", printed, re.M)
    assert set(captions) == set(re.findall(r'class="[m ]*label"[^>]*>(\w+) ', page))
    assert ("3,5" if language != "en-GB" else "3.5") in value(page)


def test_the_bibliography_is_that_of_the_pdf_and_keeps_its_letters(tmp_path):
    bib = """% @article{a, title={An older version}}
@string{Ada = "Ada Lovelace"} @comment(@article{a, title={Another}})
@Article(a, author=ada # { and Charles Babbage}, TITLE="Notes by {Ada} on a Machine", % "by hers"
  journal={Taylor's Scientific Memoirs}, year=1843, volume=3, pages={666--731}, doi={10.1/x})"""
    page = set_page(tmp_path, {"x": r"\cite{a} and \parencite[p.~7]{a}"}, references=bib)
    said = words(page)
    assert "Lovelace and Babbage (1843) and (Lovelace and Babbage 1843, p. 7)" in said
    assert "Lovelace, A. and C. Babbage (1843). ‘Notes by Ada on a Machine’." in said
    assert "In: Taylor’s Scientific Memoirs 3, pp. 666–731. doi: 10.1/x." in said


PARTS = {  # of an entry, and how biblatex prints them under the house look
    "@phdthesis{k, author={A. Bo}, title={T}, school={U}, date={2019-05-06}}":
        "Bo, A. (6th May 2019). ‘T’. PhD thesis. U.",
    "@techreport{k, author={A. Bo}, title={T}, number={5}, institution={U}, year=1990}":
        "Bo, A. (1990). T. Tech. rep. 5. U.",
    "@book{k, author={A. Bo}, title={T}, edition=2, volume=3, note={In {Ge}rman}, year=1997, publisher={P}, isbn={1-2-3}}":
        "Bo, A. (1997). T. 2nd ed. Vol. 3. In German. P. isbn: 1-2-3.",
    "@inproceedings{k, author={A. Bo}, title={T}, booktitle={C}, editor={D. Ed}, series={S}, address={Bonn}, publisher={P}, "
    "pages={1--2}, year=1999}": "Bo, A. (1999). ‘T’. In: C. Ed. by D. Ed. S. Bonn: P, pp. 1–2.",
    "@article{k, author={A. Bo}, title={T}, journal={J}, month=jan, year=2001, note={Accepted for 50\\,\\%}}":
        "Bo, A. (Jan. 2001). ‘T’. In: J. Accepted for 50 %.",
    "@online{k, author={A. Bo}, title={T}, url={https://x.org/a_b}, urldate={2020-01-02}, year={}}":
        "Bo, A. (n.d.). T. url: https://x.org/a_b (visited on 02/01/2020).",
    "@book{k, author={A. Bo}, title={$f''$ on ``it'', “that”, `these' and ‘those’ for \\$5 “or” \\$6}, year=1997}":
        "Bo, A. (1997). f″ on “it”, “that”, ‘these’ and ‘those’ for $5 “or” $6.",
    "@misc{k, editor={A. Bo}, translator={C. Do}, title={T}, version={1.2}, year={1999--2001}, pubstate={inpress}}":
        "Bo, A., ed. (1999–2001). T. Trans. by C. Do. Version 1.2. In press.",
}  # fmt: skip


@pytest.mark.parametrize("entry", PARTS)
def test_no_part_of_a_reference_is_lost(tmp_path, entry):
    said = words(set_page(tmp_path, {"x": r"\cite{k}"}, references=entry)).replace("\u202f", " ")
    assert PARTS[entry] in said


@pytest.mark.parametrize("language", ["en-GB", "de", "fr", "es", "it"])
def test_the_number_of_an_article_is_no_page(tmp_path, language):
    bib = (
        "@article{a, author={S. Lee}, title={T}, journal={J}, year=2014, volume=9, pages={e90081}}"
    )
    report = REPORT | {"language": language}
    said = words(set_page(tmp_path, {"x": r"\cite{a}"}, report=report, references=bib))
    assert "J 9, e90081" in said and "S. Lee" in said.replace("Lee, S.", "S. Lee")


@pytest.mark.parametrize(
    ("text", "message"),
    [(r"\cref{fig:x}", "reference to nothing: fig:x"), (r"\cite{x}", "citation missing .*: x")],
)
def test_what_leads_to_nothing_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        set_page(tmp_path, {"a": text}, references="@book{y, title={Y}, year=1}")


@pytest.mark.parametrize("spelled", [escape, code])
def test_every_letter_of_pdflatex_is_on_the_page(tmp_path, spelled):
    known = sorted({*letters.T1, *letters.declared()})
    texts = [
        " ".join(known),
        "".join(f"x{letter}" for letter in known),
        *HOSTILE_LETTERS,
        "Q\u0301 x\u0323\u0302 `",
    ]
    made = set_page(tmp_path, {"a": "\n\n".join(f"{spelled(text)}\n\nENDS" for text in texts)})
    found = words(made).removeprefix("A title Ada Lovelace ").split("ENDS")
    for text, shown in zip(texts, found[:-1], strict=True):
        shown = shown.replace("\ufe0e", "")  # so that ↔ is no picture
        assert "".join(shown.split()) == "".join(unicodedata.normalize("NFC", text).split())


def test_letters_are_those_of_the_text_also_beside_it(tmp_path):
    figures.save(figures.new("margin", 20)[0], tmp_path / "f.pdf")
    said = escape("It's ``a'' -- <<Q\u0301>>")
    text = rf"\textfigure{{f}}{{{said}}}{{{said}}}\claim{{c}}{{{said}}}{{{said}}}{{{said}}}"
    text += f"\\begin{{align*}}\nx &= 1 \\linename{{j.x}}{{{said}}}\n\\end{{align*}}"
    text += rf"\derivationline{{j.x}}{{{said}}}"
    page = set_page(tmp_path, {"a": text}, figures={"f": tmp_path / "f.pdf"})
    shown = "It's ``a'' -- <<Q\u0301>>"
    assert words(page).replace("\xa0", " ").count(shown) == 6
    assert f'aria-label="{html.escape(shown)}"' in page


def test_hostile_texts_stay_texts_wherever_they_come_from(tmp_path):
    bib = (
        "@misc{a, author={<script>alert(1)</script>}, title={</script><img src=x onerror=alert(2)>}, "
        "year=2000, doi={javascript:alert(3)}, url={javascript:alert(4)}}"
    )
    report = REPORT | {"title": HOSTILE, "subtitle": HOSTILE, "authors": [{"name": HOSTILE}]}
    report |= {"keywords": [HOSTILE], "subject": HOSTILE, "acknowledgements": HOSTILE}
    text = f"\\section{{{escape(HOSTILE)}}} \\measured{{job.m}}{{a.1}}{{{escape(HOSTILE)}}} \\cite{{a}}"
    text += "\n\\href{javascript:alert(5)}{a link}\\printacknowledgements"
    alternative = escape(HOSTILE * 2)
    text += f"\n\n\\textfigure{{f}}{{{alternative}}}{{{escape(HOSTILE)}}}"
    figures.save(figures.new("margin", 20)[0], tmp_path / "f.pdf")
    explored = {"f": {"kind": "none", "name": HOSTILE}}
    hostile = row("job.m", HOSTILE, "a.1") | {"link": 'https://x.example/"><script>'}
    claims = [{"name": "c", "condition": HOSTILE, "other": str(escape(HOSTILE))}]
    text += f"\n\n\\claim{{c}}{{{escape(HOSTILE)}}}{{holds}}{{{escape(HOSTILE)}}}"
    page = set_page(
        tmp_path, {"a": text}, report=report, references=bib, rows=[hostile], claims=claims,
        figures={"f": tmp_path / "f.pdf"}, explored=explored,
    )  # fmt: skip
    seen = Elements(page)
    assert seen.tags["script"] == 4 and seen.tags["img"] == seen.tags["form"] == 0
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    links = {value.strip().lower() for name, value in seen.attributes if name in ("href", "src")}
    assert not [link for link in links if not link.startswith(("#", "https://"))]
    assert html.unescape(page).count("alert(2)") >= 12
    assert value(page) == HOSTILE


def test_a_command_that_the_page_does_not_know_is_named(tmp_path, capsys):
    set_page(tmp_path, {"a": r"Text \mystery{that prints something} \needspace{3pt} here."})
    assert "the page leaves out what these commands print: \\mystery" in capsys.readouterr().err
    own = SHELL.replace("\\begin{document}", "\\newcommand{\\mystery}[1]{(#1)}\n\\begin{document}")
    assert "Text (that) here" in words(
        set_page(tmp_path, {"a": r"Text \mystery{that} here."}, shell=own)
    )


def test_a_part_is_one_whether_it_is_set_by_hand_or_not(tmp_path):
    own = r"\newcommand{\problem}[1]{\vspace{1ex}\addcontentsline{toc}{part}{#1}{\LARGE #1\par}}"
    shell = SHELL.replace(r"\begin{document}", own + "\n\\begin{document}")
    page = set_page(
        tmp_path, {"a": r"\section{S}"}, shell=shell.replace("%s", "\\problem{First}\n%s")
    )
    assert words(page).count("First") == 1
    assert re.search(
        r'<h2 id="first" class="part">First.*<h3 id="a.s"><span class="number">1', page, re.DOTALL
    )


def test_a_claim_says_what_it_rests_on_and_what_it_would_have_said(tmp_path):
    claim = {"name": "c", "condition": "job.m > 0", "other": r"It is \emph{not} so."}
    text = r"\claim{c}{It is so.}{holds}{\measured{job.m}{a.1}{3} \ensuremath{>} 0}"
    page = set_page(tmp_path, {"a": text}, claims=[claim], rows=[row("job.m", 3, "a.1")])
    details = re.search(r"<details>.*?</details>", page, re.DOTALL)[0]
    assert "<code>job.m &gt; 0</code>" in details
    assert "It would have said otherwise: It is <em>not</em> so." in details


def test_a_figure_is_drawn_sharp_with_its_words_to_select_and_without_paper(tmp_path):
    figure, axes = figures.new("text", 40)
    axes.plot([0, 1], [0, 1])
    axes.set(xlabel="bill length", ylabel="birds & more")
    figures.save(figure, tmp_path / "f.pdf")
    drawn = svg(tmp_path / "f.pdf")
    assert drawn == svg(tmp_path / "f.pdf") and "style=" not in drawn
    assert 'data-stroke="accent"' in drawn and "#ffffff" not in drawn
    found = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert {"bill ", "length ", "birds ", "&amp; ", "more "} <= set(found)
    assert re.search(r"<text transform=[^>]*rotate\(-90\)[^>]*>birds ", drawn)
