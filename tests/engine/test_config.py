"""The configuration: merged, checked, and refused with file, line, key, value and what is right."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from workings import config as settings
from workings.messages import InputError

pytestmark = pytest.mark.usefixtures("in_root")


def laid_over(tmp_path: Path, text: str, overrides: dict | None = None) -> dict:
    """config/default.yaml with `text` as the file of a person laid over it."""
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return settings.load([settings.DEFAULT, file], overrides)


def refusal(tmp_path: Path, text: str, overrides: dict | None = None) -> str:
    with pytest.raises(InputError) as caught:
        laid_over(tmp_path, text, overrides)
    return str(caught.value).replace(f"{tmp_path}/", "")


# -- good configurations ---------------------------------------------------------------------------


def test_the_shipped_files_hold():
    settings.load([settings.DEFAULT])
    full = settings.load([settings.DEFAULT, "config/full.yaml"])
    assert full["digits"]["source"] == "full"
    assert full["digits"]["dataset"] == "MNIST"  # kept from the default


def test_the_schema_is_a_schema_and_says_what_each_key_means():
    schema = settings.read_yaml(settings.SCHEMA)
    jsonschema.Draft202012Validator.check_schema(schema)

    def described(block: dict) -> bool:
        block = schema["$defs"][block["$ref"].split("/")[-1]] if "$ref" in block else block
        return "description" in block or "enum" in block or "minimum" in block

    for name, block in schema["properties"].items():
        assert set(block["required"]) <= set(block["properties"]), name
        for key, value in block["properties"].items():
            inner = value.get("properties", {"": value}).values()
            assert all(map(described, inner)), f"{name}.{key}"


def test_later_files_and_overrides_win(tmp_path):
    config = laid_over(tmp_path, "occlusion: {patch: 5, stride: 2}", {"occlusion": {"stride": 3}})
    assert (config["occlusion"]["patch"], config["occlusion"]["stride"]) == (5, 3)
    assert config["occlusion"]["digit"] == 6


def test_the_recurrent_cell_is_taken_whole(tmp_path):
    text = """
recurrence:
  cell: h = tanh(k * h_prev + x)
  loss: h**2
  parameters: {k: 1/2}
  initial_state: {h: 0}
  inputs: [1, 2]
"""
    block = laid_over(tmp_path, text)["recurrence"]
    assert block == yaml.safe_load(text)["recurrence"]  # no W, no update of the default's cell


@pytest.mark.parametrize("name", ["gru", "leaky_esn", "lstm", "two_layer", "vanilla"])
def test_each_shipped_cell_holds(name):
    settings.load([settings.DEFAULT, f"config/cells/{name}.yaml"])


@pytest.mark.parametrize(
    ("text", "value"), [("1e-4", 1e-4), ("2E+1", 20.0), ("1.e-2", 0.01), ("0.5", 0.5)]
)
def test_a_power_of_ten_is_a_number(tmp_path, text, value):
    epsilon = laid_over(tmp_path, f"echo_state: {{ridge: {text}}}")["echo_state"]["ridge"]
    assert epsilon == value and isinstance(epsilon, float)


def test_an_empty_file_changes_nothing(tmp_path):
    assert laid_over(tmp_path, "# nothing\n") == settings.load([settings.DEFAULT])


# -- bad values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "occlusion:\n  stride: 1\n  patch: 40\n",
            "mine.yaml:3: occlusion.patch: 40; expected a whole number of pixels from 1 to 28",
        ),
        (
            "\nocclusion: {digit: 12}",
            "mine.yaml:2: occlusion.digit: 12; expected a whole number from 0 to 9",
        ),
        (
            "classifier:\n  epochs: 0",
            "mine.yaml:2: classifier.epochs: 0; expected a whole number from 1 to 1000",
        ),
        (
            "classifier:\n  rate: -0.001",
            "mine.yaml:2: classifier.rate: -0.001; expected a number above 0 and up to 1",
        ),
        (
            "classifier:\n  rate: fast",
            "mine.yaml:2: classifier.rate: 'fast'; expected a number above 0",
        ),
        (
            "classifier:\n  epochs: true",
            "mine.yaml:2: classifier.epochs: true; expected a whole number",
        ),
        (
            "classifier:\n  epochs: 2.5",
            "mine.yaml:2: classifier.epochs: 2.5; expected a whole number",
        ),
        (
            "classifier:\n  epochs: 2.0",
            "mine.yaml:2: classifier.epochs: 2.0; expected a whole number",
        ),
        (
            "classifier:\n  rate: true",
            "mine.yaml:2: classifier.rate: true; expected a number",
        ),
        (
            "classifier:\n  rate: .nan",
            "mine.yaml:2: classifier.rate: nan; expected a number",
        ),
        (
            "echo_state:\n  ridge: .inf",
            "mine.yaml:2: echo_state.ridge: inf; expected a number, 0 or more",
        ),
        (
            "classifier:\n  channels:\n    - 8\n    - 0\n    - 8",
            "mine.yaml:4: classifier.channels.1: 0; expected a whole number from 1 to 512",
        ),
        (
            "classifier:\n  channels: [8, 8]",
            "mine.yaml:2: classifier.channels: [8, 8]; expected a list of 3 items, "
            "each a whole number from 1 to 512",
        ),
        (
            "occlusion:\n  outside: 1",
            "mine.yaml:2: occlusion.outside: 1; expected true or false",
        ),
        (
            "digits:\n  source: web",
            "mine.yaml:2: digits.source: 'web'; expected one of 'embedded', 'full'",
        ),
        (
            "digits:\n  training_images: 3",
            "mine.yaml:2: digits.training_images: 3; expected a whole number or nothing (null)",
        ),
        (
            "feature_maps:\n  recognisable: 1",
            "mine.yaml:2: feature_maps.recognisable: 1; expected a number above 0 and below 1",
        ),
        ("report: {title: ''}", "mine.yaml:1: report.title: ''; expected a text"),
        ("report:\n  title: 7", "mine.yaml:2: report.title: 7; expected a text"),
        ("occlusion: 8", "mine.yaml:1: occlusion: 8; expected a block of keys"),
        ("occlusion:", "mine.yaml:1: occlusion: null; expected a block of keys"),
        ("occlusion: [8]", "mine.yaml:1: occlusion: [8]; expected a block of keys"),
    ],
)
def test_a_bad_value_is_refused(tmp_path, text, message):
    assert refusal(tmp_path, text).startswith(message)


def test_the_meaning_of_the_key_is_told(tmp_path):
    said = refusal(tmp_path, "occlusion: {patch: 40}")
    assert said.endswith("(side of the square patch)")


def test_an_unknown_key_is_refused_with_the_nearest(tmp_path):
    said = refusal(tmp_path, "occlusion:\n  digit: 6\n  pacth: 8\n")
    assert said.startswith("mine.yaml:3: occlusion.pacth: unknown key; did you mean 'patch'? ")
    assert "known here: digit, example, patch, stride, fill, outside" in said


def test_an_unknown_block_is_refused(tmp_path):
    said = refusal(tmp_path, "oclusion: {patch: 8}")
    assert said.startswith("mine.yaml:1: oclusion: unknown key; did you mean 'occlusion'?")


def test_a_missing_key_of_a_whole_cell_is_named(tmp_path):
    text = (
        "recurrence:\n  cell: h = x\n  parameters: {b: 1}\n  initial_state: {h: 0}\n  inputs: [1]\n"
    )
    said = refusal(tmp_path, text)
    assert said.startswith("mine.yaml:1: recurrence.loss: missing; expected a text")


def test_a_parameter_that_is_not_of_numbers_is_refused_where_it_stands(tmp_path):
    cell = yaml.safe_dump({"recurrence": settings.load([settings.DEFAULT])["recurrence"]})
    text = cell.replace("  parameters:\n", "  parameters:\n    Z: [[1, 2], [3, true]]\n")
    line = text.splitlines().index("    Z: [[1, 2], [3, true]]") + 1
    said = refusal(tmp_path, text)
    assert said.startswith(
        f"mine.yaml:{line}: recurrence.parameters.Z.1.1: true; expected a number"
    )


def test_every_misfit_is_listed_once(tmp_path):
    said = refusal(tmp_path, "occlusion: {patch: 40, digit: 12}\nclassifier: {epochs: 0}")
    assert [line.split(": ")[1] for line in said.splitlines()] == [
        "classifier.epochs",
        "occlusion.digit",
        "occlusion.patch",
    ]


def test_a_value_from_the_command_line_is_refused():
    with pytest.raises(
        InputError, match=r"occlusion\.patch: 40; expected a whole number of pixels"
    ):
        settings.load([settings.DEFAULT], {"occlusion": {"patch": 40}})


# -- bad files -------------------------------------------------------------------------------------


def test_a_key_given_twice_is_refused(tmp_path):
    said = refusal(tmp_path, "occlusion:\n  patch: 8\n  stride: 1\n  patch: 9\n")
    assert said == "mine.yaml:4:3: not valid YAML: the key 'patch' is given twice"


def test_a_block_given_twice_is_refused(tmp_path):
    assert ":2:1: not valid YAML: the key 'filters'" in refusal(
        tmp_path, "filters: {}\nfilters: {}"
    )


@pytest.mark.parametrize("key", ["a.b", "a = b", "1", "on", "null", "''", "[1]", "{a: 1}"])
def test_a_key_is_a_word(tmp_path, key):
    said = refusal(tmp_path, f"recurrence:\n  parameters:\n    ? {key}\n    : 1")
    assert said.startswith("mine.yaml:3:7: not valid YAML: the key ")
    assert said.endswith(" is no word of letters, digits and _")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("occlusion:\n  patch: [8\n", "mine.yaml:3:1: not valid YAML: "),
        ("occlusion:\n\tpatch: 8\n", "mine.yaml:2:1: not valid YAML: "),
        ("{a: 1}: 2", "mine.yaml:1:1: not valid YAML: "),
        ("occlusion: !!python/object/apply:os.getcwd []", "mine.yaml:1:12: not valid YAML: "),
        ("occlusion: \0", "mine.yaml: not valid YAML: "),
        ("just words", "mine.yaml: expected blocks such as 'occlusion:', found 'just words'"),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_place(tmp_path, text, where):
    assert refusal(tmp_path, text).startswith(where)


def test_what_is_not_utf8_is_refused(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_bytes("report: {title: Über}".encode("latin-1"))
    with pytest.raises(InputError, match=r"mine\.yaml: not UTF-8 text"):
        settings.load([settings.DEFAULT, file])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"mine\.yaml: there is no such configuration file"):
        settings.load([settings.DEFAULT, tmp_path / "mine.yaml"])


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}: cannot be read"):
        settings.load([settings.DEFAULT, tmp_path])


# -- places ----------------------------------------------------------------------------------------


def test_locate_names_the_last_file_that_sets_the_key(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("a:\n  b: 1\n  c:\n    - 5\n    - 6\n")
    second.write_text("x: 0\na:\n  b: 2\n")
    assert settings.locate("a.b", [first, second]) == f"{second}:3"
    assert settings.locate("a.c.1", [first, second]) == f"{first}:5"
    assert settings.locate("a.d", [first, second]) == f"{second}:2"  # the nearest block
    assert settings.locate("z", [first, second]) == "--config"
    assert settings.locate("a.b", [first, second], {"a": {"b": 1}}) == "--config"
    assert settings.locate("a.b", [first, second], {"a": {"c": 1}}) == f"{second}:3"


def test_numbers_from_the_command_line_come_as_texts():
    """`snakemake --config occlusion='{patch: 5}'` hands on {'occlusion': {'patch': '5'}}."""
    config = settings.load([settings.DEFAULT], {"occlusion": {"patch": "5", "outside": "true"}})
    assert config["occlusion"]["patch"] == 5 and config["occlusion"]["outside"] is True
    with pytest.raises(
        InputError, match=r"^--config: occlusion\.patch: 99; expected a whole number"
    ):
        settings.load([settings.DEFAULT], {"occlusion": {"patch": "99"}})


def test_what_is_expected_is_said_through_shared_definitions(tmp_path):
    assert "occlusion.digit: 12; expected a whole number from 0 to 9" in refusal(
        tmp_path, "occlusion: {digit: 12}"
    )
    assert "taken whole" in refusal(tmp_path, "recurrence: {cell: h = x}")
