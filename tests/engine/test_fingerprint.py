"""A job's fingerprint: what must change it does, what must not does not."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workings.build import fingerprint

SCRIPT = "analysis/one.py"
FILES = {
    "analysis/__init__.py": "",
    "analysis/one.py": "from analysis.helpers import middle\n\ndef main():\n    return middle.m()\n",
    "analysis/two.py": "from analysis.helpers import other\n",
    "analysis/helpers/__init__.py": "",
    "analysis/helpers/middle.py": (
        "import numpy as np\nfrom .deep import depth\n\ndef m():\n"
        '    "What m does."\n    return np.sin(depth(3))  # a sine\n'
    ),
    "analysis/helpers/deep.py": "import math\n\n\ndef depth(x):\n    return math.sqrt(x) + 1\n",
    "analysis/helpers/other.py": "import scipy\n\nK = 1\n",
}
DEEP, MIDDLE, OTHER = (f"analysis/helpers/{name}.py" for name in ("deep", "middle", "other"))


@pytest.fixture
def lines_of(tmp_path):
    """The fingerprint of a job in a fresh project, with some files and blocks changed."""
    made = iter(range(100))

    def lines(changed: dict[str, str] | None = None, config: dict | None = None, script=SCRIPT):
        root = tmp_path / str(next(made))
        for name, text in {**FILES, **(changed or {})}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return fingerprint.lines(script, config or {}, root)

    return lines


def test_the_lines_name_code_packages_and_config(lines_of):
    lines = lines_of(config={"one": {"bin": 8, "sizes": [1, 2]}})
    assert [" ".join(line.split()[:2]) for line in lines] == [
        "config one.bin", "config one.sizes", f"order {lines[2].split()[1]}", "code analysis/__init__.py",
        "code analysis/helpers/__init__.py", f"code {DEEP}", f"code {MIDDLE}", "code analysis/one.py",
        "package numpy", "package python",
    ]  # fmt: skip
    assert lines[:2] == ["config one.bin = 8", "config one.sizes = [1, 2]"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (DEEP, "+ 1\n", "+ 1  # one more\n"),
        (DEEP, "import math\n", '"""Depths."""\n\n# roots\nimport math\n'),
        (MIDDLE, "What m does.", "What m has always done."),
        (MIDDLE, '    "What m does."\n', ""),
        (DEEP, "math.sqrt(x) + 1", "(\n        math.sqrt( x )\n        + 1\n    )"),
        (OTHER, "K = 1", "K = 2"),  # only the job `two` imports it
    ],
)
def test_what_changes_no_result_changes_no_line(lines_of, file, old, new):
    assert old in FILES[file]
    assert lines_of({file: FILES[file].replace(old, new)}) == lines_of()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (DEEP, "+ 1", "+ 2"),
        (DEEP, "math.sqrt(x)", "math.cbrt(x)"),
        (MIDDLE, "np.sin", "np.cos"),
        ("analysis/one.py", "return middle.m()", "return [middle.m()]"),
        ("analysis/helpers/__init__.py", "", "LOADED = True\n"),
        (DEEP, "1\n", "1\n\nNAME = 'a text that is no docstring'\n"),
    ],
)
def test_a_change_however_many_imports_away_changes_its_line_alone(lines_of, file, old, new):
    before, after = lines_of(), lines_of({file: FILES[file].replace(old, new, 1)})
    changed = [a for a, b in zip(after, before, strict=True) if a != b]
    assert [line.split()[1] for line in changed] == [file]


@pytest.mark.parametrize(
    ("file", "written"),
    [
        ("analysis/one.py", "from analysis.helpers import other"),
        ("analysis/one.py", "from analysis.helpers.other import K"),
        ("analysis/one.py", "import analysis.helpers.other as o"),
        ("analysis/one.py", "def f():\n    from analysis.helpers.other import K\n    return K"),
        ("analysis/one.py", "if True:\n    import analysis.helpers.other"),
        (MIDDLE, "from .other import K"),
        (MIDDLE, "from . import other"),
        (MIDDLE, "from ..helpers import other"),
        ("analysis/helpers/__init__.py", "from .other import K"),
    ],
)
def test_every_way_to_import_is_followed(lines_of, file, written):
    def reaches(lines: list[str]) -> tuple[bool, bool]:
        starts = (f"code {OTHER} ", "package scipy ")
        return tuple(any(line.startswith(start) for line in lines) for start in starts)

    assert reaches(lines_of()) == (False, False)
    assert reaches(lines_of({file: written + "\n"})) == (True, True)


def test_the_engines_code_counts_and_of_a_job_that_draws_its_style(lines_of, monkeypatch):
    def reached(text: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for line in lines_of({"analysis/one.py": text}):
            kind, name = line.split()[:2]
            found.setdefault(kind, []).append(name)
        return found

    plain = reached("from workings.measurements import record\n")
    assert {"workings/measurements.py", "workings/build/syntax.py"} < set(plain["code"])
    assert "workings" not in plain["package"] and "style" not in plain
    drawn = reached("from analysis.helpers import other\nfrom workings import figures\n")
    assert {"workings/figures.py", "workings/classes.py"} < set(drawn["code"])
    assert {"workings.mplstyle", "WorkingsSans-Regular.ttf"} < set(drawn["style"])
    assert "matplotlib" in drawn["package"]


def test_a_change_in_the_engine_changes_its_line_alone(lines_of, tmp_path, monkeypatch):
    def lines(number: int) -> set[str]:
        engine = tmp_path / f"installed{number}/workings"
        engine.mkdir(parents=True)
        (engine / "measurements.py").write_text("from workings.deep import N\n")
        (engine / "deep.py").write_text(f"N = {number}\n")
        monkeypatch.setattr(fingerprint, "ENGINE", engine)
        return set(lines_of({"analysis/one.py": "import workings.measurements\n"}))

    assert [fingerprint.keyed(line)[0] for line in lines(1) - lines(2)] == ["code workings/deep.py"]


def test_a_circle_of_imports_ends(lines_of):
    circle = {DEEP: "from analysis import one\n"}
    assert any(line.startswith(f"code {DEEP} ") for line in lines_of(circle))


# Where a module comes from: its file, below a folder of the path, and what stands beside it.
INSTALLED = {"other-2.0.dist-info/METADATA": "Name: other\nVersion: 2.0\n"}
INSTALLED |= {
    "other-2.0.dist-info/INSTALLER": "pip\n",
    "other-2.0.dist-info/top_level.txt": "lib\n",
}
SOURCE = {"lib.egg-info/PKG-INFO": "Name: lib\nVersion: 1.0\n"}
ORIGINS = {
    "installed": ("lib/__init__.py", INSTALLED, "package other 2.0"),
    "a source tree": ("lib/__init__.py", {}, "package lib HASH"),
    "a source tree with its metadata": ("lib/__init__.py", SOURCE, "package lib HASH"),
    "a file": ("lib.py", {}, "package lib HASH"),
    "a folder without __init__": ("lib/part.py", {}, "package lib HASH"),
    "in place of one of the standard library": ("colorsys.py", {}, "package colorsys HASH"),
}


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """The lines of a job that imports the module of a file, which comes first in the path."""

    def lines(file: str, text: str, beside: dict[str, str]) -> list[str]:
        folder = tmp_path / "path"
        for name, content in (beside | {file: text}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
        root = tmp_path / "root"
        (root / "analysis").mkdir(parents=True, exist_ok=True)
        module = file.partition("/")[0].removesuffix(".py")
        (root / "analysis/one.py").write_text(f"import {module}\n")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, module, raising=False)
        for known in vars(fingerprint).values():
            getattr(known, "cache_clear", lambda: None)()  # as in a build of its own
        return [
            line for line in fingerprint.lines("analysis/one.py", {}, root) if "python" not in line
        ]

    return lines


@pytest.mark.parametrize("origin", ORIGINS)
def test_the_version_or_the_source_of_what_is_imported_is_named(brought, origin):
    file, beside, line = ORIGINS[origin]
    found = [brought(file, text, beside)[-1] for text in ("A = 1\n", "A = 2\n")]
    if line.endswith("HASH"):
        assert [one.rpartition(" ")[0] for one in found] == [line.rpartition(" ")[0]] * 2
        assert found[0] != found[1]
    else:
        assert found == [line, line]


def test_what_a_source_tree_imports_counts_too(brought):
    found = [
        brought("lib.py", "from deeper.part import A\n", {"deeper/part.py": f"A = {n}\n"})
        for n in (1, 2)
    ]
    changed = set(found[1]) - set(found[0])
    assert [fingerprint.keyed(line)[0] for line in changed] == ["package deeper"]


@pytest.mark.parametrize("beside", ["helpers.py", "helpers/__init__.py", "helpers/part.py"])
def test_what_lies_beside_the_report_is_its_code(lines_of, beside):
    text = "from helpers import part\n"
    before, after = (lines_of({"analysis/one.py": text, beside: f"part = {n}\n"}) for n in (1, 2))
    changed = [line for line in after if line not in before]
    assert [fingerprint.keyed(line)[0] for line in changed] == [f"code {beside}"]


keys = st.text("abcxyz_", min_size=1, max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
    max_leaves=6,
)
blocks = st.dictionaries(keys, st.dictionaries(keys, values, max_size=4), max_size=3)


@settings(max_examples=40)
@given(blocks, blocks)
@example({"a": {"title": "a\nb = {x} \u2028\0"}}, {})
def test_two_configurations_have_the_same_lines_only_if_they_are_the_same(one, other):
    def lines(config: dict) -> list[str]:
        return [f"config {key} = {value}" for key, value in fingerprint.flat(config)]

    text = [json.dumps(config, sort_keys=True) for config in (one, other)]
    assert (sorted(lines(one)) == sorted(lines(other))) == (text[0] == text[1])
    assert all("\n" not in line and "\0" not in line for line in lines(one))
    assert len({fingerprint.keyed(line)[0] for line in lines(one)}) == len(lines(one))
