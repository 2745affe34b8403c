"""What a job's result depends on besides its input files, as lines that a person can read.

`snakemake -n` names just the lines that changed:

    config lengths.bin = 2
    code analysis/lengths.py 3f2a91c05d77
    package numpy 2.4.6

Code counts by its syntax tree without docstrings: a comment, a docstring or a reformatting
changes nothing; a changed helper, however many imports away and whether in the report or in the
engine, changes every job that reaches it. Imports are followed as they are written (`import`,
`from … import`, anywhere in the file); a module that is only imported by a computed name cannot be
seen. A job that draws also depends on the style of the figures and on the class of the document.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from workings.build import syntax
from workings.messages import InputError

ENGINE = Path(__file__).parents[1]
REPORT = "analysis"
FIGURES = "workings/figures.py"


def lines(script: str, config: Mapping[str, Any], root: Path = Path()) -> list[str]:
    """The fingerprint of the job in `script` that is given these blocks of the configuration."""
    code, packages = reached(script, root)
    return [
        *(f"config {key} = {value}" for key, value in flat(config)),
        f"order {short(json.dumps([key for key, _ in flat(config)]))}",
        *(f"code {label} {code_hash(located(label, root))}" for label in sorted(code)),
        *(f"style {label} {digest}" for label, digest in (_style() if FIGURES in code else ())),
        *(f"package {name} {version}" for name, version in _versions(packages)),
    ]


def keyed(line: str) -> tuple[str, str]:
    """`config a.b = 1` → (`config a.b`, `1`); `code a.py 3f2a` → (`code a.py`, `3f2a`)."""
    name, equals, value = line.partition(" = ")
    if not equals:
        name, _, value = line.rpartition(" ")
    return name, value


def draws(script: str, root: Path = Path()) -> bool:
    """Whether the job in `script` reaches the engine's figures."""
    return FIGURES in reached(script, root)[0]


@cache
def program_version(program: str) -> str:
    """The first line of what `PROGRAM --version` says."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    except OSError:
        return f"{program}: not installed"
    return said.strip().partition("\n")[0]


@cache
def reached(script: str, root: Path = Path()) -> tuple[frozenset[str], frozenset[str]]:
    """The files of the report and the engine that `script` reaches through imports, and the packages."""
    code: set[str] = set()
    packages: set[str] = set()
    waiting = [script]
    while waiting:
        label = waiting.pop()
        if label in code:
            continue
        code.add(label)
        imports = _parsed(located(label, root))[1]
        for module in sorted({name for node in imports for name in _names(node, label)}):
            files = _files_of(module, root)
            waiting += files
            if not files:
                packages.add(module.split(".")[0])
    return frozenset(code), frozenset(packages)


def located(label: str, root: Path = Path()) -> Path:
    """The file of a label: `workings/…` is in the engine, wherever that is installed."""
    inside = label.partition("/")[0] == ENGINE.name
    return ENGINE.parent / label if inside else root / label


def code_hash(path: Path) -> str:
    """A short hash of the file's syntax tree without its docstrings."""
    return _parsed(path)[0]


def hash_of(source: bytes, file: str) -> str:
    """The `code_hash` of a file's content."""
    return _parse(source, file)[0]


@cache
def _parsed(path: Path) -> tuple[str, list[ast.Import | ast.ImportFrom]]:
    return _parse(path.read_bytes(), str(path))


def _parse(source: bytes, file: str) -> tuple[str, list[ast.Import | ast.ImportFrom]]:
    """The hash of the code, and its imports.

    Raises:
        InputError: it is not Python.
    """
    try:
        code = syntax.tree(source, file)
    except SyntaxError as error:
        said = ": ".join(filter(None, [error.msg, (error.text or "").strip()]))
        raise InputError(f"{file}:{error.lineno or 1}: not Python: {said}") from None
    imports = [node for node in ast.walk(code) if isinstance(node, ast.Import | ast.ImportFrom)]
    return short(ast.dump(code)), imports


def short(content: str | bytes) -> str:
    """Enough of the sha256 of a content to tell it from others."""
    content = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(content).hexdigest()[:12]


def _names(node: ast.Import | ast.ImportFrom, label: str) -> set[str]:
    """Every module name that the statement may import; `from a import b` yields both a and a.b."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    base = node.module or ""
    if node.level:
        base = ".".join([*Path(label).parts[: -node.level], base]).rstrip(".")
    return {base} | {f"{base}.{alias.name}" for alias in node.names}


def _files_of(module: str, root: Path) -> list[str]:
    """The labels of the module's file and of the `__init__` of each package above it; none elsewhere.

    Where `from a import b` names a function, a.b has no file of its own, but a's package has.
    """
    parts = module.split(".")
    if not (parts[0] in (REPORT, ENGINE.name) or _is_beside(parts[0], root)):
        return []
    labels = ["/".join([*parts[:n], "__init__.py"]) for n in range(1, len(parts) + 1)]
    labels.append("/".join(parts) + ".py")
    return [label for label in labels if located(label, root).is_file()]


def _is_beside(name: str, root: Path) -> bool:
    """Whether a job, which looks in the report's folder first, imports the module from there."""
    place = root / name
    if place.is_dir() and not (place / "__init__.py").is_file():
        found = _found(name)  # a folder alone comes after every real module
        return found is None or found.origin is None
    return place.is_dir() or place.with_suffix(".py").is_file()


def flat(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and JSON values; a list is one value."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", json.dumps(value, ensure_ascii=False)


@cache
def _style() -> tuple[tuple[str, str], ...]:
    """What the look of every figure depends on: (label, hash)."""
    files = [ENGINE / "style/workings.mplstyle", *sorted((ENGINE / "style/fonts").glob("*.ttf"))]
    return tuple((file.name, short(file.read_bytes())) for file in files)


@cache
def _versions(packages: frozenset[str]) -> list[tuple[str, str]]:
    # On another kind of processor the same code may round otherwise.
    found = {("python", f"{sys.version_info[0]}.{sys.version_info[1]}-{platform.machine()}")}
    waiting, seen = [*packages], set()
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            versions, imports = _brought(name)
            found.update(versions)
            waiting += imports
    return sorted(found)


@cache
def _brought(name: str) -> tuple[frozenset[tuple[str, str]], frozenset[str]]:
    """What `import name` brings: of what is installed (distribution, version), else (name, hash).

    A source tree that stands in the path, or behind an editable installation, says nothing by its
    version, so its files count, and what they import in their turn.
    """
    spec = _found(name)
    if spec is None or _is_standard(spec):
        return frozenset(), frozenset()
    places = [Path(p) for p in spec.submodule_search_locations or [spec.origin]]
    beside = str(places[0].parent)
    installed = _installed([name], beside) or _installed(_distributions().get(name, []), beside)
    if installed:
        return installed, frozenset()
    files = [f for place in places for f in ([place] if place.is_file() else place.rglob("*"))]
    files = sorted(f for f in files if f.is_file() and f.suffix != ".pyc")
    imports = set()
    for file in files:
        if file.suffix == ".py":
            with contextlib.suppress(InputError):  # what is not Python nobody imports
                imports.update(*(_names(node, f"{name}/") for node in _parsed(file)[1]))
    content = b"".join(file.name.encode() + file.read_bytes() for file in files)
    return frozenset({(name, short(content))}), frozenset(one.partition(".")[0] for one in imports)


def _installed(names: list[str], folder: str) -> frozenset[tuple[str, str]]:
    """(distribution, version) of those that an installer put into the folder."""
    return frozenset(
        (name, one.version)
        for name in names
        for one in importlib.metadata.distributions(name=name, path=[folder])
        if one.read_text("INSTALLER")
    )


def _found(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _is_standard(spec: ModuleSpec) -> bool:
    if spec.origin in ("built-in", "frozen"):
        return True
    standard = sysconfig.get_path("stdlib")
    return spec.name in sys.stdlib_module_names and (spec.origin or "").startswith(standard)


@cache
def _distributions() -> Mapping[str, list[str]]:
    """The distributions by the modules that they bring; read only where the names differ."""
    return importlib.metadata.packages_distributions()
