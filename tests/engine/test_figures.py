"""Figures have their exact size, crisp pixels, embedded fonts, and the same bytes every time."""

from __future__ import annotations

import contextlib

import numpy as np
import pypdf
import pytest

from workings import figures
from workings.messages import InputError

POINTS = 72 / 25.4  # a millimetre


@pytest.mark.parametrize(("width", "millimetres"), [("text", 112), ("wide", 163), ("margin", 45)])
def test_a_figure_has_its_size_on_paper(tmp_path, width, millimetres):
    figure, axes = figures.new(width, 30.0)
    axes.plot([0, 1], [0, 1])
    axes.set_title("a title wider than its axes")
    figures.save(figure, tmp_path / "f.pdf")
    box = pypdf.PdfReader(tmp_path / "f.pdf").pages[0].mediabox
    assert float(box.width) == pytest.approx(millimetres * POINTS, abs=0.1)
    assert float(box.height) == pytest.approx(30 * POINTS, abs=0.1)


def test_two_drawings_have_the_same_bytes_and_no_date(tmp_path):
    for name in ("one.pdf", "two.pdf"):
        figure, axes = figures.new("text", 30.0)
        axes.plot([0, 1], [1, 0])
        axes.set_xlabel("ε × 10⁻³ – ∂")
        figures.save(figure, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("one.pdf", "two.pdf"))
    assert first == second
    assert b"CreationDate" not in first


def test_the_text_is_set_in_the_documents_font_and_embedded(tmp_path):
    figure, axes = figures.new("text", 30.0)
    axes.set_title("Probability")
    figures.save(figure, tmp_path / "f.pdf")
    page = pypdf.PdfReader(tmp_path / "f.pdf").pages[0]
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    assert fonts
    for font in fonts:
        assert font["/Subtype"] != "/Type3"
        inner = font["/DescendantFonts"][0] if "/DescendantFonts" in font else font
        assert "/FontFile2" in inner.get_object()["/FontDescriptor"]
        assert "/ToUnicode" in font
        assert "WorkingsSans" in font["/BaseFont"]


def test_letters_of_other_languages_are_drawn_or_named(tmp_path):
    for words, lost in (
        ("Größe Ω Жук", None),
        ("王", r"hold '王' \(U\+738B\), which its typefaces"),
    ):
        figure, axes = figures.new("text", 30.0)
        axes.set_title(words)
        with pytest.raises(InputError, match=lost) if lost else contextlib.nullcontext():
            figures.save(figure, tmp_path / "f.pdf")


def test_pixels_are_enlarged_by_a_whole_factor():
    figure, axes = figures.new("margin", 45.0)
    image = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    drawn = figures.pixels(axes, image, factor=4)
    shown = np.asarray(drawn.get_array())
    assert shown.shape == (8, 12)
    assert (shown[::4, ::4] == image).all() and (shown[3::4, 3::4] == image).all()
    assert list(drawn.get_extent()) == [-0.5, 2.5, 1.5, -0.5]  # pixel centres at whole numbers
    figures.plt.close(figure)


def test_signed_weights_share_a_scale_centred_on_zero():
    figure, axes = figures.new("margin", 45.0)
    drawn = figures.pixels(axes, np.array([[-0.5, 2.0]]), **figures.signed(2.0))
    assert drawn.get_clim() == (-2.0, 2.0)
    red, green, blue, _ = drawn.cmap(drawn.norm(0.0))
    assert max(red, green, blue) - min(red, green, blue) < 0.03  # nothing is no colour
    assert drawn.cmap(drawn.norm(2.0))[:3] == pytest.approx(drawn.cmap(1.0)[:3])
    figures.plt.close(figure)


def _luminance(colour) -> float:
    """Relative luminance (WCAG 2.2)."""
    channels = np.array(figures.plt.matplotlib.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other) -> float:
    low, high = sorted([_luminance(one), _luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [figures.ACCENT, figures.WARM, figures.GREY])
def test_coloured_words_can_be_read_on_paper(colour):
    assert contrast(colour, "white") >= 4.5


def test_numbers_have_the_decimal_mark_of_the_language(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "MARK", ",")
    figure, (linear, log) = figures.new("text", 30.0, ncols=2)
    linear.plot([0, 1], [0.25, 0.75])
    log.plot([1, 2], [0.2, 0.3])
    log.set_yscale("log")
    log.set_xlabel(figures.number(f"mean {0.5:.2f}, 28.11.2026, $2.5$"))
    figures.save(figure, tmp_path / "f.pdf")
    labels = [text.get_text() for axes in (linear, log) for text in axes.get_yticklabels()]
    assert "0,4" in labels and log.get_xlabel() == "mean 0,50, 28.11.2026, $2{,}5$"
    assert not any("." in label for label in labels)
