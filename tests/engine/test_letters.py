"""Whatever the check of letters lets through is on the page; all else is refused by name and place."""

from __future__ import annotations

import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workings.messages import InputError
from workings.page import letters, typeset
from workings.page.tex import escape

from .running import plain

HOSTILE = [
    "make --cores 4 << in ,,x \"quoted\" 'x' ``y'' --- ?` >>",
    "?‘ !‘ ‘‘a’’ b–-c --- <<<",
    r"50 % of C# & $x_1$ {a} ~ ^2 \LaTeX \\ [1cm] *p #1 \newline %",
    "naïve – “quotes” … l’été",
    "Lưu Nguyễn, Ștefan Ægir Þórsson Đặng Ẩn Ģirts Ķēniņš Łódź Ĝis Ḥasan Ṣalāḥ",
    unicodedata.normalize("NFD", "Lưu Nguyễn, Ștefan, Łódź, Größe"),
    "Ελένη Παπαδοπούλου: α, β, Ω, kΩ, μm, °C, s⁻¹, m/s^2, kg·m², 5 ± 1, a ≤ b → c",
]
EVERYWHERE = ["Ольга Иванова", "王小明在北京大学工作", "ひらがな", "한국어", "Հայերեն", "ქართული"]


def printed(texts: list[str], engine: str = letters.PDFLATEX) -> list[str]:
    """What pdftotext finds of each text, typeset in a line of its own in the present folder."""
    Path("report").mkdir()
    lines = "".join(f"\\par {escape(text)}\n\n\\par ENDS\n\n" for text in texts)
    Path("report/report.tex").write_text(
        "\\documentclass{article}\\usepackage{workings,workings-house}\\begin{document}\n"
        f"\\setlength{{\\parskip}}{{9pt}}\\pagestyle{{empty}}{lines}\\end{{document}}\n",
        encoding="utf-8",
    )
    pdf = typeset.typeset(Path("report/report.tex"), engine)
    command = ["pdftotext", "-raw", "-nopgbrk", str(pdf), "-"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [unicodedata.normalize("NFC", plain(text)) for text in found.split("ENDS")[: len(texts)]]


def expected(text: str) -> str:
    return unicodedata.normalize("NFC", plain(text).replace("\u00ad", "").replace("\u200b", ""))


@pytest.mark.usefixtures("in_folder")
def test_every_letter_of_pdflatex_is_on_the_page():
    known = {*letters.T1, *letters.declared()} - set("ﬁﬂ\u2060\ufeff")  # no letters of their own
    rows = [" ".join(sorted(known)[n : n + 16]) for n in range(0, len(known), 16)]
    for row, found in zip(rows + HOSTILE, printed(rows + HOSTILE), strict=True):
        assert found == expected(row)


@pytest.mark.slow
@pytest.mark.usefixtures("in_folder")
def test_lualatex_prints_every_language():
    texts = HOSTILE + EVERYWHERE
    for text, found in zip(texts, printed(texts, "lualatex"), strict=True):
        assert found == expected(text)


@pytest.mark.usefixtures("in_folder")
def test_a_letter_that_the_check_refuses_is_none_of_pdflatexs():
    assert letters.missing("Жук") == "Ж"
    with pytest.raises(InputError, match=r"report/report\.tex:2: TeX stopped: .*U\+0416"):
        printed(["Жук"])


@pytest.mark.parametrize(
    ("text", "engine", "message"),
    [
        ("Die Zahl 数", "pdflatex", "'数' (U+6570), which pdfLaTeX cannot print; set `report.engine` to"),
        ("עברית", "lualatex", "'ע' (U+05E2), which is written from right to left"),
        ("a\x07b", "pdflatex", r"'\x07' (U+0007), which is no letter; take it out"),
        ("𓀀", "lualatex", "(U+13000), which no typeface here has"),
        ("Q\u0303\u0301", "pdflatex", "(U+0303), which pdfLaTeX cannot print"),  # two accents on Q
    ],
)  # fmt: skip
def test_a_letter_that_cannot_be_printed_is_named(text, engine, message):
    with pytest.raises(InputError) as caught:
        letters.refuse(text, engine)
    assert message in str(caught.value)


def test_a_package_that_has_the_letter_is_named(monkeypatch):
    monkeypatch.setattr(letters, "_held", lambda font: frozenset())
    letters.font_of.cache_clear()
    with pytest.raises(
        InputError, match="on Debian fonts-dejavu-core, fonts-droid-fallback, fonts-nanum"
    ):
        letters.refuse("数", "lualatex")
    letters.font_of.cache_clear()


def test_sources_are_searched_line_by_line_and_comments_are_not(tmp_path):
    template, shell = tmp_path / "a.tex.j2", tmp_path / "report.tex"
    template.write_text("One\n<# 数\n数 #>\ntwo 数 \\% Ж\n", encoding="utf-8")
    shell.write_text("% 数\n50\\% 数 % 数\n", encoding="utf-8")
    found = [said.partition(": ")[0] for said in letters.in_sources([template, shell], "pdflatex")]
    assert found == [f"{template}:4", f"{shell}:2"]


@given(st.text())
def test_any_text_can_be_printed_or_is_refused(text):
    made = escape(text)
    for engine in (letters.PDFLATEX, letters.LUALATEX):
        if letters.missing(letters.composed(text), engine) is None:
            letters.refuse(text, engine)
            assert letters.missing(made, engine) is None
    assert letters.missing(letters.spelled(made, "pdflatex")) is None
