"""This report's configuration: its files hold, and its schema says what each key means."""

from __future__ import annotations

import jsonschema
import pytest

from workings import config

pytestmark = pytest.mark.usefixtures("in_root")


def test_the_shipped_files_hold(root):
    overlays = [root / f"config/{name}.yaml" for name in ("full", "tiny")]
    overlays += (root / "config/cells").iterdir()
    assert len(overlays) > 6
    for file in overlays:
        config.load([file])
    full = config.load(["config/full.yaml"]).values["digits"]
    assert (full["source"], full["dataset"]) == ("full", "MNIST")  # the second from the default
    lstm = config.load(["config/cells/lstm.yaml"]).values["recurrence"]
    assert "W" not in lstm["parameters"]  # no parameter of the default's cell


def test_the_schema_is_a_schema_and_says_what_each_key_means():
    schema = config.read_schema()
    jsonschema.Draft202012Validator.check_schema(schema)

    def described(block: dict) -> bool:
        return "description" in block or "enum" in block or "minimum" in block

    for name, block in schema["properties"].items():
        assert set(block.get("required", ())) <= set(block["properties"]), name
        for key, value in block["properties"].items():
            inner = value.get("properties", {"": value}).values()
            assert all(map(described, inner)), f"{name}.{key}"
