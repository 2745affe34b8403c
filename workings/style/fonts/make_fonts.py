"""Make the figures' font from TeX Gyre Heros: `python make_fonts.py FOLDER_WITH_THE_OTF_FILES`.

Matplotlib embeds TrueType outlines as such, while OpenType outlines with cubic curves come out as
a font that some viewers warn about. So the letters that figures use are taken from the OpenType
files, their curves made quadratic (within a thousandth of an em), and saved under another name, as
the font's licence asks of a changed copy. The result is kept beside this script.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, newTable

FAMILY = "Workings Sans"
STYLES = {"regular": "Regular", "italic": "Italic", "bold": "Bold"}
LETTERS = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x180)])) + (
    "αβγδεζηθικλμνξοπρστυφχψωΓΔΘΛΞΠΣΦΨΩ–—‘’“”…•′″−×÷±≤≥≈≠∞√∂∑∏∆µ·→←↑↓\u202f\u2009"
)


def quadratic(source: Path, style: str) -> TTFont:
    """The subset of `source`, an OpenType font with cubic curves, as a TrueType font."""
    font = TTFont(source)
    options = subset.Options(layout_features=["kern"], name_IDs=[1, 2, 4, 6], notdef_outline=True)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=LETTERS)
    subsetter.subset(font)

    glyphs = font.getGlyphSet()
    outlines = {}
    for name in font.getGlyphOrder():
        pen = TTGlyphPen(glyphs)
        glyphs[name].draw(Cu2QuPen(pen, max_err=1.0, reverse_direction=True))
        outlines[name] = pen.glyph()
    font["glyf"] = table = newTable("glyf")
    table.glyphOrder, table.glyphs = font.getGlyphOrder(), outlines
    font["loca"] = newTable("loca")
    del font["CFF "]
    font.sfntVersion = "\x00\x01\x00\x00"
    maxp = font["maxp"]
    maxp.tableVersion = 0x00010000
    for field in [
        "maxZones",
        "maxTwilightPoints",
        "maxStorage",
        "maxFunctionDefs",
        "maxInstructionDefs",
        "maxStackElements",
        "maxSizeOfInstructions",
        "maxComponentElements",
    ]:
        setattr(maxp, field, 1 if field == "maxZones" else 0)
    font["post"].formatType = 3.0
    for record, text in {
        1: FAMILY,
        2: style,
        4: f"{FAMILY} {style}",
        6: f"WorkingsSans-{style}",
    }.items():
        font["name"].setName(text, record, 3, 1, 0x409)
    font["head"].modified = font["head"].created
    font.recalcTimestamp = False
    return font


def main() -> None:
    folder, here = Path(sys.argv[1]), Path(__file__).parent
    for style, name in STYLES.items():
        quadratic(folder / f"texgyreheros-{style}.otf", name).save(
            here / f"WorkingsSans-{name}.ttf"
        )


if __name__ == "__main__":
    main()
