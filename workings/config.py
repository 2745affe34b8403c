"""Read, merge and check the configuration.

`config/default.yaml` holds every number a person chose, over the engine's own defaults. Further files
and `--config` values are laid over it, mapping by mapping; a block that the schema calls `whole` is taken
from the last file that has it. `config/schema.yaml`, where a report has one, and the engine's schema
describe each key; an unknown key, a wrong type or a value out of range is refused with the file, line,
key, value and what would be right.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import yaml

from workings.messages import InputError, did_you_mean

DEFAULT = Path("config/default.yaml")
SCHEMA = Path("config/schema.yaml")
ENGINE = Path(__file__).parent
DEPTH = 20  # lists and blocks in one another
VALUES = 20_000  # single values in a file: what a person chose, and no data
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # no letters
OWN = f"{ENGINE.name}/defaults.yaml"  # as messages and the ledger name it, wherever it is installed

_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a block of keys",
    "null": "nothing (null)",
}
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "length at least {}",
    "maxLength": "length at most {}",
    "minItems": "length at least {}",
    "maxItems": "length at most {}",
    "uniqueItems": "none of them twice",
}


@dataclass(frozen=True)
class Configuration:
    """The checked configuration, and where each of its keys was set.

    Args:
        values: the blocks.
        files: the report's files that were laid one over the other.
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
        found = list(_Printed(self.schema).iter_errors(self.values))
        for each in found:
            found += each.context
            if each.validator == "printed" and isinstance(each.instance, str):
                yield _key(each), each.instance


def load(files: Iterable[str | Path] = (), settings: Iterable[str] = ()) -> Configuration:
    """The configuration of the report in this folder, with `files` and then `settings` over it.

    Args:
        settings: what the command line sets, `block=YAML` each.

    Raises:
        InputError: a file is missing or not YAML, or a value does not fit the schema.
    """
    files = [*([DEFAULT] if DEFAULT.exists() else []), *map(Path, files)]
    given: dict = {}
    for name, _, text in (setting.partition("=") for setting in settings):
        given = laid_over(given, {name: _parsed(text, f"--config {name}")})
    schema = read_schema()
    whole = {name for name, block in schema["properties"].items() if block.get("whole")}
    values: dict = {}
    for layer in [*map(read_yaml, [ENGINE / "defaults.yaml", *files]), given]:
        values = laid_over(values, layer, whole)
    found = Configuration(values, tuple(map(str, files)), given, schema)
    misfits = [leaf for error in _Validator(schema).iter_errors(values) for leaf in _leaves(error)]
    if misfits:
        lines = dict.fromkeys(line for leaf in misfits for line in _messages(leaf, found))
        raise InputError("\n".join(lines))
    for number, name in enumerate(values["seeds"]["blocks"]):
        block = values.get(name)
        if not (isinstance(block, Mapping) and "seed" in block):
            key = f"seeds.blocks.{number}"
            raise InputError(f"{found.place(key)}: {key}: the block '{name}' has no key `seed`")
    return found


def read_schema() -> dict:
    """What each key means: the report's own blocks, where it describes them, and the engine's."""
    engine = read_yaml(ENGINE / "schema.yaml")
    own = read_yaml(SCHEMA) if SCHEMA.exists() else {}
    blocks = own.get("properties", {}) | engine["properties"]
    return _inlined({**own, "type": "object", "properties": blocks}, own.get("$defs", {}))


def read_yaml(file: Path) -> dict:
    """The mapping in a YAML file; InputError with the line when it cannot be read."""
    try:
        data = file.read_bytes()
        content = _parsed(data.decode("utf-8-sig"), str(file))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file}:{line}: not UTF-8 text; save the file as UTF-8") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected blocks such as 'report:', found {content!r:.60}")
    return content


def _parsed(text: str, where: str) -> Any:
    """What the YAML means; InputError with the line and column in it when it means nothing."""
    try:
        _hold_plain(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        place = f"{error.problem_mark.line + 1}:{error.problem_mark.column + 1}"
        raise InputError(f"{where}:{place}: not valid YAML: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(f"{where}:{line}: not valid YAML: {error.reason}") from None
    except UnicodeEncodeError:
        raise InputError(f"{where}: not UTF-8 text") from None


def locate(key: str, files: Iterable[str], given: Mapping[str, Any] | None = None) -> str:
    """Where the dotted `key` was set: the command line (`given`), or a file and its line.

    Of the `files`, over the engine's own, it is the last that sets the key, or else the nearest
    block above it.
    """
    parts = key.split(".")
    if _has(given or {}, parts):
        return "--config"
    best, depth = "--config", 0
    for file in [OWN, *files]:
        line, found = _walk(_composed(ENGINE.parent / file if file == OWN else Path(file)), parts)
        if found >= max(depth, 1):
            best, depth = f"{file}:{line}", found
    return best


@cache
def _composed(file: Path) -> yaml.Node | None:
    try:
        return yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except (OSError, yaml.YAMLError):
        return None


def describe(schema: Mapping[str, Any]) -> str:
    """What would be right, in words: 'a whole number of pixels, at least 1, at most 28'."""
    if "enum" in schema:
        return "one of " + ", ".join(map(_shown, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(map(describe, schema["anyOf"]))
    types = schema.get("type", "object")
    words = " or ".join(_WORDS[name] for name in ([types] if isinstance(types, str) else types))
    words += f" of {schema['unit']}" if "unit" in schema else ""
    limits = [words.format(schema[name]) for name, words in _LIMITS.items() if name in schema]
    items = [f"each {describe(schema['items'])}"] if "items" in schema else []
    return ", ".join([words, *limits, *items])


def _is_whole(checker: jsonschema.TypeChecker, value: Any) -> bool:
    """2.0 is no whole number, nor is what takes more than 64 bits: a job could not count with it."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_number(checker: jsonschema.TypeChecker, value: Any) -> bool:
    """NaN is neither below a minimum nor above a maximum, so it is refused by its type."""
    return _is_whole(checker, value) or (isinstance(value, float) and math.isfinite(value))


def _is_text(checker: jsonschema.TypeChecker, value: Any) -> bool:
    return isinstance(value, str) and not _CONTROL.search(value)


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_whole, "number": _is_number, "string": _is_text}
    ),
)
# Calls each text that is printed a misfit, and so finds them all.
_Printed = jsonschema.validators.extend(
    _Validator,
    {"printed": lambda validator, printed, text, schema: [jsonschema.ValidationError("")]},
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML with the single values of JSON alone: no, 010, 1:30, 1_000 and 2026-11-25 are texts."""

    yaml_implicit_resolvers: ClassVar[dict] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            # A point separates the parts of a key in fingerprints, messages and measurements.
            if not (isinstance(key, str) and re.fullmatch(r"[\w$]+", key)):
                raise _wrong(f"the key {key!r:.60} is no word of letters, digits and _", key_node)
            if key in seen:
                raise _wrong(f"the key {key!r:.60} is given twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


for _kind, _pattern, _first in (
    ("null", r"(null|~|)$", "n~"),
    ("bool", r"(true|false|True|False)$", "tfTF"),
    ("int", r"[-+]?(0|[1-9][0-9]{0,17})$", "-+0123456789"),
    ("float", r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), ["", *_first])


def _wrong(problem: str, at: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


def _hold_plain(text: str) -> None:
    """Refuse what YAML can write and no configuration needs, before it is built in memory."""
    depth, values, named = 0, 0, set()
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise _wrong(f"more than {DEPTH} lists or blocks in one another", event)
        if getattr(event, "tag", None):
            raise _wrong(f"the tag {event.tag}; leave it out", event)
        if isinstance(event, yaml.AliasEvent) and event.anchor not in named:
            raise _wrong(f"*{event.anchor} names no single value; write it out", event)
        if isinstance(event, yaml.ScalarEvent):
            named.add(event.anchor)
            values += 1
        if values > VALUES:
            raise _wrong(
                f"more than {VALUES} values; data belongs into a file that jobs read", event
            )


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
            value = laid_over(merged[key], value)
        merged[key] = value
    return merged


def _leaves(error: jsonschema.ValidationError) -> list[jsonschema.ValidationError]:
    """Inside an `anyOf`, the misfits of the option that came nearest."""
    deepest = max((len(child.path) for child in error.context), default=0)
    return [child for child in error.context if len(child.path) == deepest > 0] or [error]


def _key(error: jsonschema.ValidationError) -> str:
    return ".".join(map(str, error.absolute_path))


def _messages(error: jsonschema.ValidationError, found: Configuration) -> Iterator[str]:
    """What is wrong with a value, and what would be right; a line for each wrong key."""
    key = _key(error)
    within = f"{key}." if key else ""
    described = error.schema.get("properties", {})
    if error.validator == "additionalProperties":
        for name in sorted(map(str, error.instance.keys() - described)):
            yield (
                f"{found.place(within + name)}: {within}{name}: unknown key; "
                f"{did_you_mean(name, described)}known here: {', '.join(described)}"
            )
    elif error.validator == "required":
        whole = "; this block is taken whole from the last file that has it"
        for name in [name for name in error.validator_value if name not in error.instance]:
            yield (
                f"{found.place(key) if key else DEFAULT}: {within}{name}: missing; "
                f"{_expected(described.get(name, {}))}{whole if error.schema.get('whole') else ''}"
            )
    else:
        yield f"{found.place(key)}: {key}: {_shown(error.instance)}; {_expected(error.schema)}"


def _expected(schema: Mapping[str, Any]) -> str:
    meaning = f" ({schema['description']})" if "description" in schema else ""
    return f"expected {describe(schema)}{meaning}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=bool(_CONTROL.search(str(value))))
    return text if len(text) <= 80 else f"{text[:79]}…"


def _walk(node: yaml.Node | None, parts: list[str]) -> tuple[int, int]:
    """The line of the deepest part of the key that is there, and how many parts were found."""
    line, found = 1, 0
    for part in parts:
        if isinstance(node, yaml.MappingNode):
            step = next(((k, v) for k, v in node.value if k.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            step = (node.value[int(part)],) * 2
        else:
            step = None
        if step is None:
            break
        line, node, found = step[0].start_mark.line + 1, step[1], found + 1
    return line, found
