"""The house: which module may import which, and that the engine names nothing of a report."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = ("workings", "analysis")

# A module may import what stands on a line below its own, and its neighbours in the same folder.
LAYERS = [
    {"analysis"},  # the report
    {"workings.cli"},
    {"workings.commands"},
    {"workings.workflow"},
    {"workings.job", "workings.terminal"},
    {"workings.notes"},
    {"workings.page"},
    {"workings.measurements", "workings.derive"},
    {"workings.build"},
    {"workings.config", "workings.figures", "workings.explore"},
    {"workings.classes", "workings.languages"},
    {"workings.messages"},
]
# What every report has.
OF_ALL = {
    "all",
    "report",
    "seeds",
    "config/default.yaml",
    "config/schema.yaml",
    "analysis/__init__.py",
}
# Names of this report that are also common words, and where the engine may use them.
COMMON = {
    "digits": ("workings/",),  # those of a number; a filter of the template language
    "filters": ("workings/page/", "workings/terminal.py"),  # of a template language; of a log
    "frontmatter": ("workings/",),  # of a document
    "built": ("workings/",),
    "recurrence": ("workings/derive/",),  # the mathematics
    "seed": ("workings/",),  # of random numbers
}


def modules(root: Path) -> dict[str, Path]:
    """The modules of the engine and of the report; the small report that `new` lays down is neither."""
    files = [file for top in OWN for file in sorted((root / top).rglob("*.py"))]
    named = {
        ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }
    return {name: file for name, file in named.items() if ".scaffold" not in name}


def imports(root: Path) -> dict[str, set[str]]:
    """module -> the own modules that it imports, at its top or inside a function."""
    known = modules(root)

    def those(name: str, file: Path) -> set[str]:
        found = set()
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: 1 - node.level or None] if node.level else []
                base = ".".join([*above, *([node.module] if node.module else [])])
                inner = {f"{base}.{alias.name}" for alias in node.names}
                # `from package import module` needs the module; any other name, the package itself
                found |= (inner & known.keys()) | ({base} if inner - known.keys() else set())
        return {module for module in found if module.split(".")[0] in OWN} - {name}

    return {name: those(name, file) for name, file in known.items()}


def ring(edges: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, if there are such."""
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def layer(module: str) -> tuple[int, str]:
    """The place in LAYERS, counted from above, and the name that stands there.

    What stands nowhere is put at the bottom, so that it may import nothing.
    """
    places = [(depth, name) for depth, names in enumerate(LAYERS) for name in names]
    within = (place for place in places if f"{module}.".startswith(f"{place[1]}."))
    return next(within, (len(LAYERS), module))


def upward(edges: dict[str, set[str]]) -> list[str]:
    """The imports that do not go down."""
    return [
        f"{module} -> {other}"
        for module, others in edges.items()
        for other in sorted(others)
        if not (layer(module)[0] < layer(other)[0] or layer(module) == layer(other))
    ]


def names(root: Path) -> set[str]:
    """Rules, blocks of the configuration, sections and paths that only this report has."""
    rules = re.findall(r"^rule (\w+):", (root / "Snakefile").read_text("utf-8"), re.MULTILINE)
    blocks = re.findall(r"^(\w+):", (root / "config/default.yaml").read_text("utf-8"), re.MULTILINE)
    sections = [file.name.split(".")[0] for file in (root / "templates/sections").iterdir()]
    paths = [
        str(file.relative_to(root))
        for top in ("analysis", "config", "templates")
        for file in (root / top).rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    ]
    return {"MNIST", *rules, *blocks, *sections, *paths} - OF_ALL


def named(root: Path, words: set[str]) -> list[str]:
    """Where a file of the engine names one of the words."""
    pattern = re.compile(rf"(?<![\w/])({'|'.join(sorted(map(re.escape, words)))})\b")
    return [
        f"{file.relative_to(root)}:{number}: {match[0]}"
        for file in sorted((root / "workings").rglob("*"))
        if file.is_file() and file.suffix not in (".ttf", ".woff2", ".pyc", ".csv")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        for match in pattern.finditer(line)
        if not str(file.relative_to(root)).startswith(COMMON.get(match[0], ("nowhere",)))
    ]


def heavy(names: list[str], folder: Path) -> set[str]:
    """Which of torch and sympy the modules bring along."""
    program = f"import sys, {', '.join(names)}\nprint(*{{'torch', 'sympy'}} & sys.modules.keys())"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def test_arrows_go_from_the_report_to_the_engine_and_down_inside_it_and_in_no_circle():
    assert upward(imports(ROOT)) == ring(imports(ROOT)) == []


@pytest.mark.skipif(
    not (ROOT / "Snakefile").is_file(), reason="there is no report beside the engine"
)
def test_the_engine_names_nothing_of_this_report():
    assert len(names(ROOT)) > 50
    assert named(ROOT, names(ROOT)) == []


def test_the_page_needs_neither_torch_nor_sympy():
    page = [name for name in modules(ROOT) if name.startswith("workings.page")]
    assert heavy(["workings.job", "workings.workflow", *page], ROOT) == set()


@pytest.mark.parametrize(
    ("file", "text", "circle", "up"),
    [
        ("workings/messages.py", "def f():\n    from workings import job", True, True),
        ("workings/messages.py", "def f():\n    import workings.job", True, True),
        ("workings/messages.py", "from .job import run", True, True),
        ("workings/build/lock.py", "from ..derive import proofs", False, True),
        ("workings/build/lock.py", "from . import files", False, False),
        ("workings/job.py", "from workings.build import lock", False, False),
        ("workings/derive/new.py", "from workings import derive, other", False, False),
        ("workings/other.py", "from workings import messages", False, True),
        ("workings/job.py", "def f():\n    from analysis import lengths", False, True),
        ("analysis/lengths.py", "from workings import messages", False, False),
    ],
)
def test_a_planted_import_is_seen(tmp_path, file, text, circle, up):
    sound = {
        "workings/messages.py": "", "workings/derive/proofs.py": "", "workings/build/files.py": "",
        "workings/build/lock.py": "from workings.messages import say",
        "workings/job.py": "from workings import messages",
    }  # fmt: skip
    for name, words in (sound | {file: text}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(words)
    edges = imports(tmp_path)
    assert (bool(ring(edges)), bool(upward(edges))) == (circle, up)


def test_a_planted_name_and_a_planted_heavy_import_are_seen(tmp_path):
    for name, text in {
        "Snakefile": "rule penguin:\n    input: []\nrule all:\nrule penguins:\n",
        "config/default.yaml": "beaks:\n  seed: 1\n",
        "templates/sections/end.tex.j2": "",
        "analysis/birds/owl.py": "",
        "workings/job.py": "import penguins\n# the job penguin_weights, config seed\nimport sympy",
        "workings/style/a.sty": "% as in penguin, `beaks` and analysis/birds/owl.py\n% end, all",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert named(tmp_path, names(tmp_path)) == [
        "workings/job.py:1: penguins",
        "workings/style/a.sty:1: penguin",
        "workings/style/a.sty:1: beaks",
        "workings/style/a.sty:1: analysis/birds/owl.py",
        "workings/style/a.sty:2: end",
    ]
    (tmp_path / "workings/__init__.py").touch()  # an installed engine would come first
    (tmp_path / "workings/job.py").write_text("import sympy")
    assert heavy(["workings.job"], tmp_path) == {"sympy"}
