"""A job's fingerprint: what must change it does, what must not does not."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workings.build import fingerprint

SCRIPT = Path("analysis/one.py")
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
    lines = lines_of(config={"one": {"patch": 8}})
    assert lines[0] == "config one.patch = 8"
    assert [line.split()[1] for line in lines if line.startswith("code ")] == [
        "analysis/__init__.py",
        "analysis/helpers/__init__.py",
        DEEP,
        MIDDLE,
        "analysis/one.py",
    ]
    assert [line.split()[1] for line in lines if line.startswith("package ")] == ["numpy", "python"]


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
    ],
)
def test_a_change_however_many_imports_away_changes_its_line_alone(lines_of, file, old, new):
    before, after = lines_of(), lines_of({file: FILES[file].replace(old, new, 1)})
    changed = [a for a, b in zip(after, before, strict=True) if a != b]
    assert [line.split()[1] for line in changed] == [file]


def test_a_text_that_is_no_docstring_counts(lines_of):
    text = 'def m():\n    x = "{}"\n    return x\n'
    assert lines_of({MIDDLE: text.format("a")}) != lines_of({MIDDLE: text.format("b")})


@pytest.mark.parametrize(
    "written",
    [
        "from analysis.helpers import other",
        "from analysis.helpers.other import K",
        "import analysis.helpers.other as o",
        "def f():\n    from analysis.helpers.other import K\n    return K",
        "if True:\n    import analysis.helpers.other",
    ],
)
def test_every_way_to_import_is_followed(lines_of, written):
    reached = lines_of({"analysis/one.py": written + "\n"})
    assert any(line.startswith(f"code {OTHER} ") for line in reached)
    assert any(line.startswith("package scipy ") for line in reached)


@pytest.mark.parametrize(
    ("file", "written"),
    [
        (MIDDLE, "from .other import K"),
        (MIDDLE, "from . import other"),
        (MIDDLE, "from ..helpers import other"),
        ("analysis/helpers/__init__.py", "from .other import K"),
    ],
)
def test_relative_imports_are_followed(lines_of, file, written):
    assert not any(OTHER in line for line in lines_of())
    assert any(OTHER in line for line in lines_of({file: written + "\n"}))


def test_a_circle_of_imports_ends(lines_of):
    circle = {DEEP: "from analysis import one\n"}
    assert any(line.startswith(f"code {DEEP} ") for line in lines_of(circle))


def test_another_version_of_a_package_changes_its_line_alone(lines_of, monkeypatch):
    before = lines_of()
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda n: "99.0" if n == "numpy" else version(n)
    )
    fingerprint._releases.cache_clear()  # a build asks once
    monkeypatch.setattr(fingerprint, "_releases", fingerprint._releases.__wrapped__)
    assert set(lines_of()) - set(before) == {"package numpy 99.0"}


def test_a_changed_key_changes_its_line_alone(lines_of):
    before = lines_of(config={"one": {"patch": 8, "fill": 0.0}, "net": {"sizes": [1, 2]}})
    after = lines_of(config={"one": {"patch": 9, "fill": 0.0}, "net": {"sizes": [1, 2]}})
    assert set(after) ^ set(before) == {"config one.patch = 8", "config one.patch = 9"}
    assert "config net.sizes = [1, 2]" in after


keys = st.text("abcxyz_", min_size=1, max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.dictionaries(keys, st.dictionaries(keys, values, max_size=4), max_size=3))
def test_a_job_gets_back_its_configuration(config):
    lines = [f"config {key} = {value}" for key, value in fingerprint._flat(config)]
    assert fingerprint.config_of([*lines, "code analysis/one.py 12ab", "package x 1"]) == config


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "x = y",
        "{wildcards.x} {{}} {",
        "'\"`$(true)\\",
        "é ∂ 数\u2028\0",
        "",
        " config a = 1",
    ],
)
def test_hostile_texts_come_back_and_stay_on_one_line(lines_of, text):
    config = {"report": {"title": text, "after": 1}}
    lines = lines_of(config=config)
    assert fingerprint.config_of(lines) == config
    assert all("\n" not in line and "\0" not in line for line in lines)
