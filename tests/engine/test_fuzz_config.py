"""Whatever stands in a configuration: it works and every part of it is found, or one sentence says where not.

100 examples each, the same every time; more and others with WORKINGS_EXAMPLES=2000.
"""

from __future__ import annotations

import json
import os
import re
import time
from functools import partial
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from workings import config, languages
from workings.build import store
from workings.messages import InputError
from workings.page import letters, title

from .scaffold import plain

MORE = int(os.environ.get("WORKINGS_EXAMPLES", "0"))
drawn = settings(max_examples=MORE or 100, derandomize=not MORE, deadline=None)
LONGEST = 10.0  # seconds of this process: two are promised, on a machine with nothing else to do


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The scaffold's folder."""
    folder = plain(tmp_path_factory.mktemp("fuzz") / "report")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def answer(text: str | bytes, *settings: str) -> config.Configuration | str:
    """The configuration with `text` as the file of a person, or what is said against it."""
    Path("mine.yaml").write_bytes(
        text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    )
    config._composed.cache_clear()
    started = time.process_time()
    try:
        found = config.load(["mine.yaml"], settings)
        for key, words in found.printed():
            letters.refuse(words, engine=found.values["report"]["engine"])
            assert found.place(key)
        store.located(found.values["store"]["folder"])
        languages.look_up(found.values["report"]["language"])
        title.title_block("article", found.values["report"], "", "2026-11-25")
        json.dumps(found.values, allow_nan=False).encode()
    except InputError as error:
        found = str(error)
        assert found and "\0" not in found and max(map(len, found.splitlines())) < 1000
        found.encode()  # can be printed
    assert time.process_time() - started < LONGEST
    return found


def from_schema(schema: dict) -> st.SearchStrategy:
    """What the schema allows, roughly: its bounds are met, its patterns not."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of(*map(from_schema, schema["anyOf"]))
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        return st.one_of(*(from_schema(schema | {"type": one}) for one in kind))
    if kind in ("integer", "number"):
        low, high = schema.get("minimum"), schema.get("maximum")
        if kind == "integer":
            return st.integers(low, high)
        return st.floats(low, high, allow_nan=False) | st.integers(
            low and int(low) + 1, high and int(high)
        )
    if kind == "string":
        texts = st.text(
            min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 20), 30)
        )
        return st.from_regex(schema["pattern"]) | texts if "pattern" in schema else texts
    if kind == "array":
        items = from_schema(schema.get("items", {"type": "null"}))
        return st.lists(
            items, min_size=schema.get("minItems", 0), max_size=schema.get("maxItems", 4) or 4
        )
    if kind == "object":
        blocks = {name: from_schema(inner) for name, inner in schema.get("properties", {}).items()}
        return st.fixed_dictionaries({}, optional=blocks)
    return st.booleans() if kind == "boolean" else st.none()


_single = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["010", "no", "1:30", "1_000", ".nan", "2026-02-30", "0x1F", "&a", "*a", "!!int 1", "<<", "a: b", "# x"])
)  # fmt: skip
_anything = st.recursive(
    _single, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4), max_leaves=8
)  # fmt: skip


def keys_of(schema: dict, above: tuple = ()) -> list[tuple]:
    inner = schema.get("properties", {}).items()
    return [k for name, part in inner for k in [(*above, name), *keys_of(part, (*above, name))]]


@drawn
@given(data=st.data())
def test_what_a_schema_allows_and_one_value_that_it_may_not(report, data):
    schema = config.read_schema()
    values = data.draw(from_schema(schema))
    if data.draw(st.booleans()):  # something else in one place
        *above, last = data.draw(st.sampled_from(keys_of(schema)))
        block = values
        for part in above:
            if not isinstance(block.get(part), dict):
                block[part] = {}
            block = block[part]
        block[last] = data.draw(_anything)
    dump = data.draw(st.sampled_from(["json", "yaml", "flow"]))
    text = (
        json.dumps(values, ensure_ascii=data.draw(st.booleans()))
        if dump == "json"
        else yaml.safe_dump(values, allow_unicode=True, default_flow_style=dump == "flow")
    )
    found = answer(text)
    if not isinstance(found, str) and dump == "json":
        assert found.values == config.laid_over(config.load().values, json.loads(text))
    elif isinstance(found, str):
        assert (
            re.match(r"mine\.yaml|config/|the |'", found)
            or "mine.yaml" in found
            or len(found) < 400
        )


@drawn
@given(data=st.data())
def test_a_file_that_is_damaged(report, data):
    text = config.DEFAULT.read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = start + data.draw(st.sampled_from([0, 0, 1, 2, 20]))
        new = data.draw(
            st.text(st.sampled_from("{}[]:,-?#&*!|>'\"%@`~<=\t\n .01e_aé\0\u2028\ufeff"), max_size=5)
            | st.sampled_from(["[" * 3000, "- " * 500, "&a ", "*a", "!!python/name:os.system ", "\n---\n", "? ", "9" * 5000, "\r"])
        )  # fmt: skip
        text = text[:start] + new + text[end:]
    answer(text)


@drawn
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_bytes_at_all(report, content):
    answer(content)


@drawn
@given(
    st.sampled_from(["report", "bills", "store", "seeds", "x"]), _anything | st.text(max_size=20)
)
def test_any_setting_of_the_command_line(report, name, value):
    text = value if isinstance(value, str) else json.dumps(value)
    answer("", f"{name}={text}")


def test_the_answer_notices_a_traceback_and_a_wrong_value(report, monkeypatch):
    monkeypatch.setattr(config, "_parsed", partial(_faulty, config._parsed))
    with pytest.raises(ZeroDivisionError):
        answer("report: {title: boom}")


def _faulty(parsed, text: str, where: str):
    return 1 / 0 if "boom" in text else parsed(text, where)
