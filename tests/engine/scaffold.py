"""The scaffold, as `workings new` lays it down; and with one more job, for the table of changes.

    penguins.csv → bills, mass → doubled

`mass` imports near, which imports far; `doubled` reads what `mass` measured. Its section includes a partial.
"""

from __future__ import annotations

from pathlib import Path

from workings.commands.new import lay_down

from .changing import replace

RULE = """rule doubled:
    input:
        mass="build/measurements/mass.json",
    output:
        measurements="build/measurements/doubled.json",
        list="build/arrays/doubled.txt",
    params:
        **paper.job("doubled"),
    message:
        "Double the slope."
    shell:
        paper.RUN


rule bills:
"""
MORE = {
    "analysis/doubled.py": '''"""Double the slope."""
from pathlib import Path

from workings.measurements import read, record, write


def main(config, inputs, outputs):
    slope = read(inputs.mass)["slope"]
    write(outputs.measurements, record(slope=2 * slope + config["doubled"]["offset"]))
    Path(outputs.list).write_text(f"{slope}\\n" * 100)
''',
    "analysis/near.py": "from analysis import far\n\ndef scaled(n):\n    return far.product(n, 1.0)\n",
    "analysis/far.py": "def product(n, factor):\n    return n * factor\n",
    "templates/partial.tex.j2": "This is said in a partial.\n",
    "templates/sections/doubled.tex.j2": r"""\section{Twice}\label{sec:doubled}
Twice the slope is \VAR{doubled.slope | digits(1)}.
\BLOCK{ include 'partial.tex.j2' }
""",
}  # fmt: skip
PLACES = [
    ("Snakefile", "rule bills:\n", RULE),
    ("config/default.yaml", "\nbills:\n", "\ndoubled: {offset: 0}\nspare: {unused: 1}\nbills:\n"),
    (
        "config/schema.yaml",
        "\n  bills:\n",
        "\n  doubled: {properties: {offset: {type: integer}}}\n  spare: {type: object}\n  bills:\n",
    ),
    ("analysis/mass.py", "import penguins", "import near, penguins"),
    ("analysis/mass.py", "measure(flipper, mass, **", "measure(flipper, near.scaled(mass), **"),
    (
        "report/report.tex",
        "\\input{build/sections/mass}\n",
        "\\input{build/sections/mass}\n\\input{build/sections/doubled}\n",
    ),
]


def plain(folder: Path) -> Path:
    """The scaffold in a folder."""
    lay_down(folder, "Penguins", ["Ada Lovelace"], "article")
    return folder


def extended(folder: Path) -> Path:
    """The scaffold with the job `doubled`."""
    plain(folder)
    for name, text in MORE.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, old, new in PLACES:
        replace(name, old, new)(folder)
    return folder
