"""The configuration: merged, checked, and refused with file, line, key, value and what is right."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from workings import config
from workings.messages import InputError

DEFAULT = """
lengths: {bin: 8, rate: 0.5, outside: true, sizes: [1, 2, 3]}
cell:
  rule: h = x
  parameters: {W: [[1, 2]]}
"""
SCHEMA = """
type: object
additionalProperties: false
required: [lengths]
$defs:
  bin: {type: integer, minimum: 1, maximum: 28, unit: mm}
  numbers: {anyOf: [{type: [number, string]}, {type: array, items: {type: array, items: {type: number}}}]}
properties:
  lengths:
    type: object
    additionalProperties: false
    required: [bin]
    properties:
      bin: {$ref: "#/$defs/bin", description: width of a bar}
      rate: {type: number, exclusiveMinimum: 0, maximum: 1}
      share: {type: number, exclusiveMinimum: 0, exclusiveMaximum: 1}
      ridge: {type: number, minimum: 0}
      sizes: {type: array, minItems: 3, maxItems: 3, items: {type: integer, minimum: 1}}
      first: {type: [integer, "null"]}
      outside: {type: boolean}
      source: {enum: [near, far]}
  cell:
    type: object
    whole: true
    required: [rule, parameters]
    properties:
      rule: {type: string, printed: true, description: how it goes on}
      note: {type: string, printed: true}
      parameters: {type: object, additionalProperties: {$ref: "#/$defs/numbers"}}
"""


@pytest.fixture(autouse=True)
def report(in_folder) -> Path:
    """A report's own configuration, in the present folder."""
    config.DEFAULT.parent.mkdir()
    config.DEFAULT.write_text(DEFAULT)
    config.SCHEMA.write_text(SCHEMA)
    config._composed.cache_clear()  # as in a build of its own
    return in_folder


def loaded(text: str, *settings: str) -> config.Configuration:
    """The configuration with `text` as the file of a person laid over it."""
    Path("mine.yaml").write_text(text, encoding="utf-8")
    return config.load(["mine.yaml"], settings)


def refusal(text: str, *settings: str) -> str:
    with pytest.raises(InputError) as caught:
        loaded(text, *settings)
    return str(caught.value)


# -- good configurations ---------------------------------------------------------------------------


def test_the_engines_schema_is_one_and_its_defaults_hold():
    jsonschema.Draft202012Validator.check_schema(config.read_schema())
    config.DEFAULT.unlink()
    config.SCHEMA.unlink()
    assert config.load().values["report"]["title"] == "Untitled"
    assert loaded("anything: {at: all}").values["anything"] == {"at": "all"}  # without a schema
    assert refusal("report: {title: 7}").startswith("mine.yaml:1: report.title: 7; expected a text")


def test_later_files_and_the_command_line_win_and_each_key_has_its_place():
    text = "# mine\nlengths: {bin: 5, rate: 0.25}\nreport:\n  title: Bills\n"
    found = loaded(text, "lengths={rate: 1e-4}", "lengths={outside: false}")
    lengths = {"bin": 5, "rate": 1e-4, "outside": False, "sizes": [1, 2, 3]}
    assert found.values["lengths"] == lengths and found.values["report"]["title"] == "Bills"
    for key, place in {
        "lengths.bin": "mine.yaml:2", "lengths.rate": "--config",
        "lengths.sizes.1": "config/default.yaml:2", "report.title": "mine.yaml:4",
        "cell.parameters.W.0": "config/default.yaml:5", "report.date": "workings/defaults.yaml:9",
        "lengths.none": "mine.yaml:2",  # the nearest block
    }.items():  # fmt: skip
        assert found.place(key) == place


def test_a_block_that_is_whole_is_taken_whole():
    text = "cell: {rule: h = 2, parameters: {}}"
    assert loaded(text).values["cell"] == {"rule": "h = 2", "parameters": {}}
    said = refusal("cell: {rule: h = 2}")
    assert said.startswith("mine.yaml:1: cell.parameters: missing; expected a block of keys")
    assert said.endswith("this block is taken whole from the last file that has it")


def test_single_values_are_those_of_json_and_what_else_yaml_knows_is_a_text():
    for text, value in {
        "1e-4": 1e-4, "2E-1": 0.2, "1.e-2": 0.01, ".5": 0.5, "-7": -7, "~": None, "": None, "True": True,
        **{word: word for word in ("no", "on", "y", "010", "1:30", "1_000", "0x1F", ".nan", "2026-11-25")},
    }.items():  # fmt: skip
        read = loaded(f"cell: {{rule: r, parameters: {{}}, free: {text}}}").values["cell"]["free"]
        assert read == value and type(read) is type(value)
    shared = "cell: {rule: &r h = 3, note: *r, parameters: {}}"
    assert loaded(shared).values["cell"]["note"] == "h = 3"
    assert loaded("\ufeff# nothing\n").values == config.load().values


def test_what_is_printed_is_named():
    printed = dict(loaded("report: {authors: [Ada, {name: Zoë}], keywords: [a]}").printed())
    for key, text in {
        "cell.rule": "h = x", "report.authors.0": "Ada", "report.authors.1.name": "Zoë", "report.keywords.0": "a",
    }.items():  # fmt: skip
        assert printed[key] == text
    assert "lengths.bin" not in printed and set(map(type, printed.values())) == {str}


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("lengths.bin", ""),
        ("lengths.source", ""),  # may be given
        ("lengths.sizes.7", ""),  # the template finds no such item
        ("cell.parameters.U", ""),  # whatever a person names so
        ("lengths.bni", "the configuration has no 'lengths.bni'; did you mean 'bin'? known here: bin,"),
        ("lenghts", "the configuration has no 'lenghts'; did you mean 'lengths'? known here: report,"),
    ],
)  # fmt: skip
def test_a_choice_that_nobody_can_make_is_told(key, wrong):
    said = config.load().unknown(key)
    assert said.startswith(wrong) and bool(said) == bool(wrong)


# -- what is refused, with its place ---------------------------------------------------------------

VALUES = {  # in the block `lengths`, from line 2 on
    "rate: 1\n  bin: 40": "3: lengths.bin: 40; expected a whole number of mm, at least 1, at most 28",
    "bin: true": "2: lengths.bin: true; expected a whole number",
    "bin: 2.0": "2: lengths.bin: 2.0; expected a whole number",
    "bin: 010": '2: lengths.bin: "010"; expected a whole number',
    "bin: 1" + "0" * 20: "2: lengths.bin: 1e+20; expected a whole number",
    "rate: -0.001": "2: lengths.rate: -0.001; expected a number, above 0, at most 1",
    "rate: fast": '2: lengths.rate: "fast"; expected a number, above 0',
    "rate: true": "2: lengths.rate: true; expected a number",
    "rate: .nan": '2: lengths.rate: ".nan"; expected a number',
    "ridge: 1" + "0" * 5000: "2: lengths.ridge: Infinity; expected a number, at least 0",
    "ridge: 1e999": "2: lengths.ridge: Infinity; expected a number, at least 0",
    "share: 1": "2: lengths.share: 1; expected a number, above 0, below 1",
    "sizes:\n    - 8\n    - 0\n    - 8": "4: lengths.sizes.1: 0; expected a whole number, at least 1",
    "sizes: [8]": "2: lengths.sizes: [8]; expected a list, length at least 3, length at most 3, each a whole",
    "outside: no": '2: lengths.outside: "no"; expected true or false',
    "source: web": '2: lengths.source: "web"; expected one of "near", "far"',
    "first: a": '2: lengths.first: "a"; expected a whole number or nothing (null)',
    "bni: 8": "2: lengths.bni: unknown key; did you mean 'bin'? known here: bin, rate,",
}
BLOCKS = {
    "report: {title: ''}": 'report.title: ""; expected a text, length at least 1, length at most 300',
    "report: {date: soon}": 'report.date: "soon"; expected a text or nothing (null) (a day such as',
    "lengths: 8": "lengths: 8; expected a block of keys",
    "lengths:": "lengths: null; expected a block of keys",
    "lenghts: {bin: 8}": "lenghts: unknown key; did you mean 'lengths'?",
    "cell: {rule: h, parameters: {Z: [[1, 2], [3, true]]}}": "cell.parameters.Z.1.1: true; expected a number",
    "cell: {rule: h, parameters: {Z: true}}": "cell.parameters.Z: true; expected a number or a text or",
}
FILES = {
    "lengths:\n  bin: 8\n  bin: 9\n": ":3:3: not valid YAML: the key 'bin' is given twice",
    "lengths:\n  bin: [8\n": ":3:1: not valid YAML: ",
    "lengths:\n\tbin: 8\n": ":2:1: not valid YAML: ",
    "lengths: !!python/object/apply:os.getcwd []": ":1:10: not valid YAML: the tag ",
    "lengths: !!set {a, b}": ":1:10: not valid YAML: the tag ",
    "lengths:\n  bin: \0": ":2: not valid YAML: control characters are not allowed",
    "lengths: 1\n---\nlengths: 2": ":2:1: not valid YAML: but found another document",
    "lengths: &a [*a]": ":1:14: not valid YAML: *a names no single value; write it out",
    "a: &a {b: 1}\nc: *a": ":2:4: not valid YAML: *a names no single value; write it out",
    "seeds: {blocks: [lengths]}": ":1: seeds.blocks.0: the block 'lengths' has no key `seed`",
    "store: {folder: 'a\\0b'}".replace(
        "'", '"'
    ): ':1: store.folder: "a\\u0000b"; expected a text, length',
    "report: {keywords: ["
    + "a, " * 30000
    + "]}": ":1:60015: not valid YAML: more than 20000 values; data belongs",
    "lengths: " + "[" * 10**6: ":1:29: not valid YAML: more than 20 lists or blocks in one another",
    "just words": ": expected blocks such as 'report:', found 'just words'",
    **{
        f"cell:\n  ? {key}\n  : 1": f":2:5: not valid YAML: the key {read} is no word of letters, digits and _"
        for key, read in {
            "a.b": "'a.b'",
            "1": "1",
            "null": "None",
            "''": "''",
            "[1]": "[1]",
        }.items()
    },
}
REFUSED = (
    {f"lengths:\n  {text}": f"mine.yaml:{said}" for text, said in VALUES.items()}
    | {text: f"mine.yaml:1: {said}" for text, said in BLOCKS.items()}
    | {text: f"mine.yaml{said}" for text, said in FILES.items()}
)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_wrong_is_said_with_its_place(text):
    assert refusal(text)[: len(REFUSED[text])] == REFUSED[text]


def test_the_meaning_of_the_key_is_told_and_every_misfit_listed_once():
    said = refusal("lengths: {rate: 40, bin: 40}\ncell: {rule: 1, parameters: {}}").splitlines()
    assert [line.split(": ")[1] for line in said] == ["lengths.bin", "lengths.rate", "cell.rule"]
    assert said[0].endswith("a whole number of mm, at least 1, at most 28 (width of a bar)")
    said = refusal("", "lengths={bin: 40, ridge: 1" + "0" * 400 + "}").splitlines()
    assert said[0].startswith("--config: lengths.bin: 40; expected a whole number of mm")
    assert said[1] == "--config: lengths.ridge: Infinity; expected a number, at least 0"
    for text, problem in {
        "{bin: [}": ":1:8: not valid YAML: ", "{bin: 1, bin: 2}": ":1:10: not valid YAML: the key 'bin' is given",
        "\udcff": ": not UTF-8 text",
        "&a [*a]": ":1:5: not valid YAML: *a names no single value; write it out",
    }.items():  # fmt: skip
        assert refusal("", f"lengths={text}").startswith(f"--config lengths{problem}")


def test_a_file_that_cannot_be_read_is_named(report):
    Path("mine.yaml").write_bytes("# mine\nreport: {title: Über}".encode("latin-1"))
    for file, said in {
        "mine.yaml": r"^mine\.yaml:2: not UTF-8 text",
        "none.yaml": r"^none\.yaml: cannot be read \(No such file or directory\)",
        "config": r"^config: cannot be read",
    }.items():
        with pytest.raises(InputError, match=said):
            config.load([file])
