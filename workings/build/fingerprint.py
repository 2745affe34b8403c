"""What a job's result depends on besides its input files, as lines that a person can read.

Each line becomes one Snakemake parameter, so that `snakemake -n` names just the lines that
changed:

    config occlusion.patch = 8
    code analysis/maths/occlusion.py 3f2a91c05d77
    package torch 2.13.0

Code counts by its syntax tree without docstrings: a comment, a docstring or a reformatting
changes nothing; a changed helper, however many imports away, changes every job that reaches it.
Imports are followed as they are written (`import`, `from … import`, anywhere in the file);
a module that is only imported by a computed name cannot be seen.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from workings.build import syntax

PACKAGES = ("analysis", "workings")  # the report's and the engine's own code


def lines(script: Path, config: Mapping[str, Any], root: Path = Path()) -> list[str]:
    """The fingerprint of the job in `script` that reads the given blocks of the configuration."""
    code, packages = reached(script, root)
    return [
        *(f"config {key} = {value}" for key, value in _flat(config)),
        *(f"code {path} {code_hash(root / path)}" for path in sorted(code)),
        *(f"package {name} {version}" for name, version in _versions(packages)),
    ]


@cache
def program_version(program: str) -> str:
    """The first line of what `PROGRAM --version` says."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    except OSError:
        return f"{program}: not installed"
    return said.strip().partition("\n")[0]


def config_of(lines: Iterable[str]) -> dict:
    """The configuration blocks that the lines of a fingerprint hold."""
    config: dict = {}
    for line in lines:
        kind, rest = line.split(" ", 1)
        if kind == "config":
            key, value = rest.split(" = ", 1)
            *above, last = key.split(".")
            block = config
            for part in above:
                block = block.setdefault(part, {})
            block[last] = json.loads(value)
    return config


def reached(script: Path, root: Path = Path()) -> tuple[set[str], set[str]]:
    """The local files that `script` reaches through imports, and the packages they import."""
    code: set[str] = set()
    packages: set[str] = set()
    open_files = [script]
    while open_files:
        path = open_files.pop()
        if str(path) in code:
            continue
        code.add(str(path))
        for module in _read(root / path)[1]:
            if module.split(".")[0] in PACKAGES:
                open_files += _files_of(module, root)
            else:
                packages.add(module.split(".")[0])
    return code, packages


def code_hash(path: Path) -> str:
    """A short hash of the file's syntax tree without its docstrings."""
    return _read(path)[0]


@cache
def _read(path: Path) -> tuple[str, frozenset[str]]:
    """The hash of the file's code, and the modules it may import."""
    tree = syntax.tree(path.read_text(encoding="utf-8"), str(path))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported |= _names(node, path)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12], frozenset(imported)


def _names(node: ast.Import | ast.ImportFrom, path: Path) -> set[str]:
    """Every module name that the statement may import; `from a import b` yields both a and a.b."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    base = node.module or ""
    if node.level:
        top = next(i for i, part in enumerate(path.parts) if part in PACKAGES)
        inside = path.parts[top : -node.level]
        base = ".".join([*inside, base]).rstrip(".")
    return {base} | {f"{base}.{alias.name}" for alias in node.names}


def _files_of(module: str, root: Path) -> list[Path]:
    """The module's file and the `__init__` of each package above it, those that exist."""
    parts = module.split(".")
    places = [Path(*parts[:n]) / "__init__.py" for n in range(1, len(parts) + 1)]
    places.append(Path(*parts).with_suffix(".py"))
    return [place for place in places if (root / place).is_file()]


def _flat(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and JSON values; a list is one value."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", json.dumps(value, ensure_ascii=False)


@cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


@cache
def _releases(package: str) -> tuple[tuple[str, str], ...]:
    """(distribution, version) of what provides the package; mostly both have one name.

    Only where they don't is the whole list of installed files read, which takes long.
    """
    try:
        return ((package, importlib.metadata.version(package)),)
    except importlib.metadata.PackageNotFoundError:
        names = _distributions().get(package, [])
        return tuple((name, importlib.metadata.version(name)) for name in names)


def _versions(packages: set[str]) -> list[tuple[str, str]]:
    # On another kind of processor the same code may round otherwise.
    found = {("python", f"{sys.version_info[0]}.{sys.version_info[1]} {platform.machine()}")}
    for package in packages - set(sys.stdlib_module_names):
        found.update(_releases(package))
    return sorted(found)
