"""The page in a real browser: cards, keyboard, phone, dark, paper, what can be explored, and axe."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from workings import explore, figures

from .webpage import REPORT, row, set_page

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="`make classes` installs Chromium")
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args) -> dict:
    """The system's own browser: Playwright's download is not to be had everywhere."""
    options = ["--no-sandbox", "--disable-gpu"]
    return browser_type_launch_args | {"executable_path": BROWSER, "args": options}


@pytest.fixture
def opened(page):
    """Opens a page; at the end there must have been no error, no warning and no request."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on(
        "request",
        lambda asked: None if re.match("file:|data:", asked.url) else said.append(asked.url),
    )

    def at(file: Path):
        page.goto(file.as_uri())
        return page

    yield at
    assert said == []


@pytest.fixture
def report(finished) -> Path:
    return finished / "report/report.html"


def test_a_number_opens_its_origin_by_mouse_and_by_keyboard(opened, report):
    page = opened(report)
    number, card = page.locator('a.m[href="#ledger:bills.mean"]').first, page.locator("#card")
    number.hover()
    card.wait_for(state="visible")
    page.mouse.move(2, 2)
    card.wait_for(state="hidden")
    number.focus()
    page.keyboard.press("Enter")
    assert card.is_visible() and page.evaluate("document.activeElement.id") == "card"
    said = card.inner_text()
    for part in (
        "bills.mean\n", "43.9219298245614", "Printed here as 43.9", "rounded to 1 digit after the point",
        "analysis/bills.py:31", "mean=length.mean(),", "bills.bin", "config/default.yaml:",
        "data/penguins.csv", "build/measurements/bills.json",
    ):  # fmt: skip
        assert part in said
    assert card.locator(".here").inner_text().strip().endswith("mean=length.mean(),")
    page.keyboard.press("Escape")
    assert card.is_hidden() and number.evaluate("n => n === document.activeElement")
    page.locator('a.m[href="#ledger:mass.slope"]').first.click()
    assert "Also printed in" in card.inner_text()
    card.get_by_text("Its row in the ledger").click()
    assert card.is_hidden() and page.url.endswith("#ledger:mass.slope")


def test_a_card_shows_the_spread_over_seeds_in_the_reports_language(opened, tmp_path):
    spread = {"mean": 3.25, "deviation": 0.5, "lowest": 2.75, "highest": 3.75}
    text = r"\section{Eins}\label{sec:a} Es ist \measured{job.m}{a.1}{3,4}."
    printed = row("job.m", 3.375, "a.1")
    printed["uses"][0]["format"] = {"notation": "fixed", "digits": 1, "unit": "mm"}
    made = set_page(
        tmp_path, {"a": text}, rows=[printed], report=REPORT | {"language": "de"},
        seeds={"spread": {"job": {"m": spread}}},
    )  # fmt: skip
    (tmp_path / "page.html").write_text(made, encoding="utf-8")
    page = opened(tmp_path / "page.html")
    page.locator("a.m").first.click()
    said = page.locator("#card").inner_text()
    for part in (
        "Mittel 3,25, Abweichung ± 0,5, von 2,75 bis 3,75", "Gemessen in analysis/job.py:2", "Schließen",
        "Hier gedruckt als 3,4: auf 1 Stelle nach dem Komma gerundet, in mm.", "Konfiguration des Schritts",
    ):  # fmt: skip
        assert part in said


def test_the_ledger_is_searched_and_sorted(opened, report):
    page = opened(report)
    page.get_by_label("Search the ledger").fill("bills species mean")
    shown = page.locator("#ledger tbody tr:visible")
    assert shown.count() == 3
    head = page.get_by_role("columnheader", name="raw value")
    values = []
    for _ in range(2):
        head.get_by_role("button").click()
        values.append([float(v) for v in shown.locator("td:nth-child(2)").all_inner_texts()])
    assert values[0] == sorted(values[0]) and values[1] == values[0][::-1]


def test_a_phone_needs_no_sideways_scrolling_and_paper_has_the_whole_text(opened, report):
    page = opened(report)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    number = page.locator("a.m").nth(1)
    number.click()
    box = page.locator("#card").bounding_box()
    assert box["x"] == 0 and box["width"] == 360 and round(box["y"] + box["height"]) == 740
    page.get_by_role("button", name="Close").click()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_the_card_stands_in_the_margin_where_there_is_room(opened, report):
    page = opened(report)
    number = page.locator('a.m[href="#ledger:bills.mean"]').first
    for width, in_margin in [(1600, True), (900, False)]:
        page.set_viewport_size({"width": width, "height": 800})
        number.click()
        card, text = page.locator("#card").bounding_box(), number.locator("..").bounding_box()
        assert (card["x"] > text["x"] + text["width"]) == in_margin
        assert card["x"] + card["width"] <= width and 0 <= card["y"] < 800
        page.keyboard.press("Escape")


def test_dark_follows_the_system_and_the_button(opened, report, page):
    page.emulate_media(color_scheme="dark")
    opened(report)
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.get_by_role("button", name="Light").click()
    assert dark == "rgb(20, 24, 29)" and page.evaluate(paper) == "rgb(255, 253, 250)"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing(opened, explored, page, colours):
    page.emulate_media(color_scheme=colours)
    opened(explored)
    page.locator("a.m").first.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.evaluate("document.querySelector('h1').remove(); document.documentElement.lang = ''")
    assert Axe().run(page).violations_count >= 1


def test_without_scripts_the_figure_and_the_ledger_are_there(browser, explored):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(explored.as_uri())
    assert page.locator(".picture svg").first.is_visible()
    page.locator('a.m[href="#ledger:job.m"]').first.click()
    assert page.url.endswith("#ledger:job.m")


@pytest.fixture(scope="session")
def explored(tmp_path_factory) -> Path:
    """A page with each kind of thing that can be explored."""
    folder = tmp_path_factory.mktemp("explored")
    random = np.random.default_rng(1)
    maps = random.random((2, 5, 5))
    one = explore.Choice(
        "a six", random.random((12, 12)), {"p": maps[0], "highest": maps[1]}, maps[0] > 0.5
    )
    other = explore.Choice("a one", one.picture, one.values, one.labels)
    lines = [
        {"cell": cell, "name": f"{cell} {n}", "x": [0, 5, 10], "y": [1, 0.1, 10.0 ** -(n + len(cell))]}
        for cell in ("LSTM", "GRU") for n in (1, 2)
    ]  # fmt: skip
    data = {
        "patch": explore.places([one, other], np.arange(0, 10, 2), np.arange(0, 10, 2), patch=4),
        "shift": explore.places([one], np.arange(-2, 3), np.arange(-2, 3)),
        "curves": explore.curves(lines, ["cell"], x="lag", y="gradient", logarithmic=True),
    }
    for name, each in data.items():
        explore.write(folder / f"{name}.json", each)
        figures.save(figures.new("margin", 20)[0], folder / f"{name}.pdf")
    text = r"\section{One}\label{sec:one} It is \measured{job.m}{a.1}{3}."
    text += "".join(
        f"\n\n\\textfigure{{{name}}}{{What a reader sees who cannot see the picture.}}{{A caption.}}"
        for name in data
    )
    for part, order in (("Forward pass", (0, 1, 2)), ("Backward pass", (2, 1, 0))):
        rows = [
            f"h_{{{t}}} &= {t} \\linename{{d.h[{t}]}}{{h[{t}]}} \\\\\n&= {t} + {part[0] == 'B':d}"
            for t in order
        ]
        if part[0] == "B":
            rows = [row.replace("d.h", "d.dL_dh").replace("{h[", "{dL\\_dh[") for row in rows]
        text += f"\n\n\\subsection*{{{part}}}\n\\begin{{align*}}\n" + " \\\\\n".join(rows)
        text += "\n\\end{align*}\n"
    page = set_page(
        folder, {"a": text}, rows=[row("job.m", 3, "a.1")],
        figures={name: folder / f"{name}.pdf" for name in data},
        explored={name: json.loads((folder / f"{name}.json").read_text()) for name in data},
    )  # fmt: skip
    (folder / "page.html").write_text(page, encoding="utf-8")
    return folder / "page.html"


@pytest.mark.parametrize("name", ["patch", "shift"])
def test_a_place_says_what_was_recorded_there(opened, explored, name):
    page = opened(explored)
    data = json.loads((explored.parent / f"{name}.json").read_text())
    stage, output = (
        page.locator(f"#explore\\:{name} .stage"),
        page.locator(f"#explore\\:{name} output"),
    )
    stage.focus()
    at = [2, 2]
    for key in ["ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft", "ArrowDown", *["ArrowRight"] * 5]:
        page.keyboard.press(key)
        row_, column = {"ArrowUp": (-1, 0), "ArrowDown": (1, 0), "ArrowLeft": (0, -1), "ArrowRight": (0, 1)}[key]  # fmt: skip
        at = [min(max(at[0] + row_, 0), 4), min(max(at[1] + column, 0), 4)]
        values = data["choices"][0]["values"]
        said = output.inner_text()
        for map_, numbers in values.items():
            assert f"{map_} {numbers[at[0]][at[1]]:.4f}" in said
        assert f"label {data['choices'][0]['labels'][at[0]][at[1]]}." in said
    box = stage.locator("canvas").nth(1).bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + box["height"] - 3)
    assert f"p {data['choices'][0]['values']['p'][4][0]:.4f}" in output.inner_text()


def test_curves_follow_what_is_chosen(opened, explored):
    page = opened(explored)
    output = page.locator("#explore\\:curves output")
    page.get_by_label("Cell").select_option("GRU")
    page.get_by_label("lag").fill("2")
    assert output.inner_text() == "lag: 10. gradient: GRU 1 1.00e-4, GRU 2 1.00e-5."


def test_a_derivation_goes_forwards_and_back(opened, explored):
    page = opened(explored)
    said = []
    output, slider = page.locator("#explore\\:d output"), page.locator("#explore\\:d input")
    slider.focus()
    for _ in range(6):
        rows = page.locator("#explore\\:d .lines mtr").count()
        said.append((output.inner_text(), rows))
        page.keyboard.press("ArrowRight")
    steps = [("Forwards", "h", t) for t in (0, 1, 2)] + [
        ("Backwards", "dL_dh", t) for t in (2, 1, 0)
    ]
    assert said == [(f"{way}, t = {t}: {line}[{t}].", 2) for way, line, t in steps]
