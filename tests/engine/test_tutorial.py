"""Every step of docs/tutorial.md, as it is written: what it says to type, to write and to change.

A block of `sh` is run; “Write `PATH`” and the block after it write the file; “In `PATH`” and a `diff`
put its lines with + in the place of those with -.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from .running import ROOT, page, plain

TUTORIAL = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")


class Step(NamedTuple):
    """A block of code, and the words before it that say what is done with it."""

    heading: str
    before: str
    language: str
    text: str


def steps(text: str) -> list[Step]:
    found, heading, end = [], "", 0
    for block in re.finditer(r"^```(\w+)\n(.*?)^```\n", text, flags=re.MULTILINE | re.DOTALL):
        before = text[end : block.start()]
        heading = ([heading] + re.findall(r"^## (.*)$", before, flags=re.MULTILINE))[-1]
        found.append(Step(heading, " ".join(before.split()), block[1], block[2]))
        end = block.end()
    return found


def put(text: str, diff: str) -> str:
    """The text with the diff's - lines, which it holds once, replaced by its + lines."""
    lines = diff.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] != sign) for sign in "+-")
    assert f"\n{text}".count(f"\n{old}") == 1, f"not there just once:\n{old}"
    return f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:]


def test_a_diff_is_put_in_its_place():
    assert put("a\nb\nc\n", " a\n-b\n+x\n+y\n") == "a\nx\ny\nc\n"
    with pytest.raises(AssertionError):
        put("b\na\nb\n", "-b\n+x\n")


def type_in(folder: Path, commands: str, programs: Path) -> tuple[Path, str]:
    """Run the lines in a shell; the folder that it ends in, and what they said."""
    ran = subprocess.run(
        ["bash", "-ec", f"{commands}\npwd"],
        cwd=folder,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert ran.returncode == 0, f"{commands}\n{ran.stdout[-3000:]}"
    *said, last = ran.stdout.splitlines()
    return Path(last), "\n".join(said)


@pytest.fixture
def programs(tmp_path) -> Path:
    """`workings`, `snakemake` and `python` of these tests, by their names."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, module in {
        "workings": "-m workings.cli",
        "snakemake": "-m snakemake",
        "python": "",
    }.items():
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


def test_the_tutorial_works_as_it_stands(tmp_path, programs):
    folder, said, pages = tmp_path, {}, {}
    for step in steps(TUTORIAL):
        named = re.findall(r"(Write|In) `([^`]+)`:$", step.before)
        if step.language == "sh":
            folder, said[step.heading] = type_in(folder, step.text, programs)
            pages[step.heading] = plain(page(folder))
        elif named[-1][0] == "Write":
            (folder / named[-1][1]).write_text(step.text, encoding="utf-8")
        else:
            assert step.language == "diff"
            file = folder / named[-1][1]
            file.write_text(put(file.read_text(encoding="utf-8"), step.text), encoding="utf-8")
    first, section, own, other_class, derived = (pages[heading] for heading in sorted(pages))
    assert plain("How tea cools") in first and plain("Ada Lovelace") in first and "Gentoo" in first
    assert "Gentoo" in section and plain("A cup on a desk") in section
    assert plain("Which way is down?") in derived and "dL_dk" in derived
    for text in (section, own, other_class, derived):
        assert plain("tea cooled from 84.0 °C to 43.2 °C in a room of 20 °C") in text
        assert plain("After half an hour nobody burns their mouth.") in text
    for text in (own, other_class, derived):
        assert "Gentoo" not in text and plain("Scala graduum caloris") in text
    for number, words in {
        5: ["tea.half_life = ", "analysis/tea.py:", "tea.room = 20.0", "data/tea.csv"],
        6: ["1 passed"],
        7: ["tea: Fit Newton's law to the tea. (class scrartcl → IEEEtran)"],
    }.items():
        (told,) = [text for heading, text in said.items() if heading.startswith(f"{number}. ")]
        assert [word for word in words if word not in told] == [], told
