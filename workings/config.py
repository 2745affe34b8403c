"""Read, merge and check the configuration.

`config/default.yaml` holds every number a person chose, over the engine's own defaults. Further files
and `--config` values are laid over it, mapping by mapping; a block that the schema calls `whole` is taken
from the last file that has it. `config/schema.yaml`, where a report has one, and the engine's schema
describe each key; an unknown key, a wrong type or a value out of range is refused with the file, line,
key, value and what would be right.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from workings.messages import InputError, did_you_mean

DEFAULT = Path("config/default.yaml")
SCHEMA = Path("config/schema.yaml")
ENGINE = Path(__file__).parent

_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a block of keys",
    "null": "nothing (null)",
}


@dataclass(frozen=True)
class Configuration:
    """The checked configuration, and where each of its keys was set.

    Args:
        values: the blocks.
        files: the files that were laid one over the other; the engine's own as workings/….
        given: what the command line set.
        schema: what the keys mean.
    """

    values: dict
    files: tuple[str, ...]
    given: Mapping[str, Any]
    schema: Mapping[str, Any]

    def place(self, key: str) -> str:
        """Where the dotted `key` was set: file:line, or the command line's --config."""
        return locate(key, self.files, self.given)

    def unknown(self, key: str) -> str:
        """What is wrong with asking for the dotted `key`; nothing where it is set, or might be."""
        held, described = self.values, self.schema
        for part in key.split("."):
            if not isinstance(held, Mapping):
                break  # below a list or a single value
            others = described.get("additionalProperties")
            within = described.get("properties", {}).get(part, others)
            if part not in held and isinstance(within, Mapping):
                break
            if part not in held:
                hint = f"{did_you_mean(part, held)}known here: {', '.join(held)}"
                return f"the configuration has no '{key}'; {hint}"
            held, described = held[part], within if isinstance(within, Mapping) else {}
        return ""

    def printed(self) -> Iterator[tuple[str, str]]:
        """The key and the words of each text that the schema calls `printed`."""
        yield from _printed(self.values, self.schema)


def load(
    files: Iterable[str | Path] = (), overrides: Mapping[str, Any] | None = None
) -> Configuration:
    """The configuration of the report in this folder, with `files` and then `overrides` over it.

    Raises:
        InputError: a file is missing or not YAML, or a value does not fit the schema.
    """
    own = [DEFAULT] if DEFAULT.exists() else []
    files = [ENGINE / "defaults.yaml", *own, *map(Path, files)]
    schema = read_schema()
    whole = {name for name, block in schema["properties"].items() if block.get("whole")}
    merged: dict = {}
    for file in files:
        merged = laid_over(merged, read_yaml(file), whole)
    given = _scalars(overrides or {})
    merged = laid_over(merged, given, whole)
    check(merged, schema, files, given)
    return Configuration(merged, tuple(map(_shown_path, files)), given, schema)


def read_schema() -> dict:
    """What each key means: the report's own blocks, where it describes them, and the engine's."""
    engine = read_yaml(ENGINE / "schema.yaml")
    own = read_yaml(SCHEMA) if SCHEMA.exists() else {}
    blocks = own.get("properties", {}) | engine["properties"]
    return _inlined({**own, "type": "object", "properties": blocks}, own.get("$defs", {}))


def read_yaml(file: Path) -> dict:
    """The mapping in a YAML file; InputError with the line when it cannot be read."""
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such configuration file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text ({error.reason})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise InputError(f"{file}{where}: not valid YAML: {problem}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected blocks such as 'report:', found {content!r:.60}")
    return content


def check(
    config: dict,
    schema: Mapping[str, Any],
    files: Iterable[Path] = (),
    given: Mapping[str, Any] | None = None,
) -> None:
    """Hold `config` against the schema; raise one InputError that lists every misfit.

    `files` and `given` (what the command line set) are asked where a wrong key stands.
    """
    problems = []
    misfits = _Validator(schema).iter_errors(config)
    for error in sorted(misfits, key=lambda e: list(map(str, e.path))):
        problems += [
            _message(leaf, partial(locate, files=files, given=given)) for leaf in _leaves(error)
        ]
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))


def locate(key: str, files: Iterable[str | Path], given: Mapping[str, Any] | None = None) -> str:
    """Where the dotted `key` was set: the command line (`given`), or a file and its line.

    Of the `files` it is the last that sets the key, or else the nearest block above it.
    """
    parts = key.split(".")
    if _has(given or {}, parts):
        return "--config"
    best, depth = "--config", 0
    for file in files:
        line, found = _walk(_composed(_located(file)), parts)
        if found >= max(depth, 1):
            best, depth = f"{_shown_path(file)}:{line}", found
    return best


@cache
def _composed(file: Path) -> yaml.Node | None:
    try:
        return yaml.compose(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return None


def _shown_path(file: str | Path) -> str:
    """The engine's own file by its name in the engine."""
    path = Path(file)
    inside = path.is_relative_to(ENGINE)
    return str(Path(ENGINE.name) / path.relative_to(ENGINE)) if inside else str(file)


def _located(file: str | Path) -> Path:
    """The file of a shown path, wherever the engine is installed."""
    path = Path(file)
    return ENGINE.parent / path if path.parts[0] == ENGINE.name else path


def _printed(value: Any, schema: Mapping[str, Any], key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and schema.get("printed"):
        yield key, value
    for option in schema.get("anyOf", ()):
        yield from _printed(value, option, key)
    if isinstance(value, Mapping):
        other = schema.get("additionalProperties")
        for name, inner in value.items():
            described = schema.get("properties", {}).get(name, other)
            if isinstance(described, Mapping):
                yield from _printed(inner, described, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for place, inner in enumerate(value):
            yield from _printed(inner, schema["items"], f"{key}.{place}")


def describe(schema: Mapping[str, Any]) -> str:
    """What would be right, in words: 'a whole number of pixels from 1 to 28'."""
    if "enum" in schema:
        return "one of " + ", ".join(_shown(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(describe(option) for option in schema["anyOf"])
    types = schema.get("type", "object")
    types = [types] if isinstance(types, str) else types
    words = " or ".join(_WORDS[name] for name in types)
    unit = schema.get("unit")
    words += f" of {unit}" if unit else ""
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    above = "above" if "exclusiveMinimum" in schema else "from"
    below = "below" if "exclusiveMaximum" in schema else "to"
    if low is not None and high is not None:
        joined = {"from to": "to", "above to": "and up to"}.get(f"{above} {below}", "and below")
        words += f" {above} {low} {joined} {high}"
    elif low is not None:
        words += f" above {low}" if above == "above" else f", {low} or more"
    elif high is not None:
        words += f" below {high}" if below == "below" else f", {high} or less"
    if "array" in types and isinstance(schema.get("items"), Mapping):
        fewest, most = schema.get("minItems", 0), schema.get("maxItems")
        items = "different items" if schema.get("uniqueItems") else "items"
        if most is None:
            words += f" of {fewest} or more {items}" if fewest else ""
        else:
            words += (
                f" of {fewest} {items}" if fewest == most else f" of {fewest} to {most} {items}"
            )
        words += f", each {describe(schema['items'])}"
    return words


def _is_whole(checker: jsonschema.TypeChecker, value: Any) -> bool:
    """2.0 is no whole number: a job could not count with it."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(checker: jsonschema.TypeChecker, value: Any) -> bool:
    """NaN is neither below a minimum nor above a maximum, so it is refused by its type."""
    return _is_whole(checker, value) or (isinstance(value, float) and math.isfinite(value))


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_whole, "number": _is_number}
    ),
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML that refuses a key given twice and reads 1e-4 as a number (YAML 1.2)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: dict = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            # A point separates the parts of a key in fingerprints, messages and measurements.
            if not (isinstance(key, str) and re.fullmatch(r"[\w$]+", key)):
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r:.60} is no word of letters, digits and _",
                    problem_mark=key_node.start_mark,
                )
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} is given twice", problem_mark=key_node.start_mark
                )
            seen[key] = True
        return super().construct_mapping(node, deep)


# A date stays the text that was written.
_Loader.add_constructor(
    "tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node)
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _scalars(given: Any) -> Any:
    """What the command line set, its texts read as YAML: Snakemake hands on `5` as '5'."""
    if isinstance(given, Mapping):
        return {key: _scalars(value) for key, value in given.items()}
    if isinstance(given, list):
        return [_scalars(value) for value in given]
    if isinstance(given, str):
        try:
            read = yaml.load(given, Loader=_Loader)
        except yaml.YAMLError:
            return given
        return read if isinstance(read, (int, float, bool, type(None))) else given
    return given


def _has(given: Any, parts: list[str]) -> bool:
    for part in parts:
        if not isinstance(given, Mapping) or part not in given:
            return False
        given = given[part]
    return True


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema with each `$ref` to a definition replaced by it, its own words kept."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _inlined({**definitions[schema["$ref"].rsplit("/", 1)[-1]], **rest}, definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items() if key != "$defs"}


def laid_over(base: dict, layer: Mapping[str, Any], whole: Container[str] = ()) -> dict:
    """`base` with the values of `layer`, mapping by mapping; the blocks `whole` are replaced as one."""
    merged = dict(base)
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and key not in whole:
            merged[key] = laid_over(merged[key], value)
        else:
            merged[key] = value
    return merged


def _leaves(error: jsonschema.ValidationError) -> list[jsonschema.ValidationError]:
    """Inside an `anyOf`, the misfits of the option that came nearest."""
    if error.validator != "anyOf" or not error.context:
        return [error]
    deepest = max(len(child.absolute_path) for child in error.context)
    if deepest == len(error.absolute_path):
        return [error]
    return [child for child in error.context if len(child.absolute_path) == deepest]


def _message(error: jsonschema.ValidationError, place: Callable[[str], str]) -> str:
    key = ".".join(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = sorted(set(map(str, error.instance)) - set(known))
        inside = f"{key}." if key else ""
        return "\n".join(
            f"{place(inside + name)}: {inside}{name}: unknown key; "
            f"{did_you_mean(name, known)}known here: {', '.join(known)}"
            for name in unknown
        )
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        inside = f"{key}." if key else ""
        whole = error.schema.get("whole")
        return "\n".join(
            f"{place(key) if key else DEFAULT}: {inside}{name}: missing; "
            f"{_expected(error.schema['properties'].get(name, {}))}"
            + ("; this block is taken whole from the last file that has it" if whole else "")
            for name in missing
        )
    return f"{place(key)}: {key}: {_shown(error.instance)}; {_expected(error.schema)}"


def _expected(schema: Mapping[str, Any]) -> str:
    meaning = schema.get("description")
    return f"expected {describe(schema)}" + (f" ({meaning})" if meaning else "")


def _shown(value: Any) -> str:
    text = {True: "true", False: "false", None: "null"}.get(value) if _hashable(value) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        text = repr(value)
    return text or (repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "…")


def _hashable(value: Any) -> bool:
    return isinstance(value, (bool, type(None)))


def _walk(node: yaml.Node | None, parts: list[str]) -> tuple[int, int]:
    """The line of the deepest part of the key that is there, and how many parts were found."""
    line, found = 1, 0
    for part in parts:
        if isinstance(node, yaml.MappingNode):
            step = next(((k, v) for k, v in node.value if k.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            item = node.value[int(part)]
            step = (item, item)
        else:
            step = None
        if step is None:
            break
        line, node, found = step[0].start_mark.line + 1, step[1], found + 1
    return line, found
