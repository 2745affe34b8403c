"""A figure's PDF -> SVG in the page: sharp at any size, light and dark, with letters that can be selected.

poppler's pdftocairo draws the letters as outlines, exactly as in the PDF; over them lie the words that
pdftotext finds, invisible but there for selecting, searching and copying.
"""

from __future__ import annotations

import hashlib
import html
import re
import subprocess
from functools import lru_cache
from pathlib import Path

from workings.messages import InputError

# Colours of the figures' style that have another value where the page is dark, by CSS class.
_ROLES = {
    "16202b": "ink", "000000": "ink", "4b5563": "quiet", "6b7280": "quiet", "ffffff": "paper",
    "e5e7eb": "rule", "9ca3af": "rule", "0b5c8a": "accent", "b4472e": "warm", "5b7f2b": "green",
    "8a5a9e": "violet", "b98a1f": "ochre", "3d3d3d": "ink",
}  # fmt: skip


# What holds for a drawing unless it says otherwise.
_USUAL = (
    r' (?:(?:fill|stroke)-opacity="1"|fill-rule="nonzero"|stroke-linecap="butt"|stroke-miterlimit="10"'
    r'|stroke-linejoin="miter")'
)
LARGE = 20  # points: a white rectangle of this size is the paper, which the page has itself


def svg(path: Path) -> str:
    """The figure as an SVG element, without a name of its own."""
    return _svg(str(path), hashlib.sha256(path.read_bytes()).hexdigest())


@lru_cache(maxsize=256)
def _svg(path: str, digest: str) -> str:
    drawn = _run("pdftocairo", "-svg", path, "-")
    words = _run("pdftotext", "-bbox", path, "-")
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn).groups()
    inside = drawn[drawn.index(">", drawn.index("<svg")) + 1 : drawn.rindex("</svg>")]
    inside = re.sub(r'style="([^"]*)"', _attributes, inside)
    inside = re.sub(r"rgb\(([\d.]+)%, ?([\d.]+)%, ?([\d.]+)%\)", _hex, inside)
    inside = re.sub(r'(fill|stroke)="#(\w{6})"', _role, inside)
    inside = re.sub(r"-?\d+\.\d{3,}", _shorter, inside)
    inside = re.sub(_USUAL, "", inside)
    inside = re.sub(r'<path[^>]*fill="#ffffff"[^>]* d="([^"]*)"/>', _without_paper, inside)
    # Names must differ from those of the other figures.
    tag = digest[:6]
    inside = re.sub(r'\bid="([^"]+)"', rf'id="{tag}-\1"', inside)
    inside = re.sub(r'(xlink:href=")#', rf"\1#{tag}-", inside).replace("xlink:href", "href")
    inside = re.sub(r"url\(#", f"url(#{tag}-", inside)
    inside = re.sub(r"\s*\n\s*", "", inside)
    laid_over = "".join(map(_word, re.findall(r"<word ([^>]*)>([^<]*)</word>", words)))
    return (
        f'<svg stroke-miterlimit="10" viewBox="0 0 {width} {height}" width="{float(width):.0f}pt" '
        f'height="{float(height):.0f}pt">{inside}<g class="words" aria-hidden="true">{laid_over}</g></svg>'
    )


def _run(*command: str) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError:
        raise InputError(f"{command[0]}: not installed; `workings tex` installs it") from None
    except subprocess.CalledProcessError as error:
        raise InputError(
            f"{command[-2]}: {error.stderr.decode(errors='replace').strip()}"
        ) from None
    return ran.stdout.decode("utf-8")


def _attributes(style: re.Match) -> str:
    """A style as attributes, which the page's own style can change."""
    pairs = [part.split(":", 1) for part in style[1].split(";") if part.strip()]
    return " ".join(f'{name.strip()}="{value.strip()}"' for name, value in pairs)


def _hex(colour: re.Match) -> str:
    return "#" + "".join(f"{round(float(part) * 2.55):02x}" for part in colour.groups())


def _role(found: re.Match) -> str:
    role = _ROLES.get(found[2])
    return f'{found[0]} data-{found[1]}="{role}"' if role else found[0]


def _without_paper(found: re.Match) -> str:
    points = [
        tuple(map(float, pair)) for pair in re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", found[1])
    ]
    across, up = ({p[axis] for p in points} for axis in (0, 1))
    rectangle = "C" not in found[1] and len(across) == len(up) == 2
    large = rectangle and min(max(across) - min(across), max(up) - min(up)) > LARGE
    return "" if large and "stroke=" not in found[0].replace('stroke="none"', "") else found[0]


def _shorter(number: re.Match) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _word(found: tuple[str, str]) -> str:
    """A word over its place; one that is higher than wide stands upright."""
    box = [float(n) for n in re.findall(r'"([\d.-]+)"', found[0])]
    left, top, right, bottom = box
    word = html.escape(html.unescape(found[1]))
    wide, high = right - left, bottom - top
    upright = len(html.unescape(found[1])) > 1 and high > 1.5 * wide
    if upright:
        size, length, place = (
            wide,
            high,
            f'transform="translate({right:.1f} {bottom:.1f})rotate(-90)"',
        )
    else:
        size, length, place = high, wide, f'x="{left:.1f}" y="{bottom - 0.25 * high:.1f}"'
    return f'<text {place} font-size="{size * 0.8:.1f}" textLength="{length:.1f}">{word} </text>'
