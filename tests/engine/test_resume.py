"""What an interrupted job leaves is used by a run with the same key, and by no other."""

from __future__ import annotations

import numpy as np
import pytest

from workings.build.resume import Kept, key

RECORD = np.dtype([("index", np.int64), ("p", np.float64)])


def records(*rows: tuple[int, float]) -> np.ndarray:
    return np.array(list(rows), RECORD)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_next_run_finds_what_was_kept():
    kept = Kept("job", "abc", RECORD)
    kept.add(records((3, 0.25), (1, 1 / 3)))
    kept.add(records((7, 0.5)))
    again = Kept("job", "abc", RECORD)
    assert again.records.tolist() == [(3, 0.25), (1, 1 / 3), (7, 0.5)]
    again.remove()
    again.remove()  # nothing there is no mistake
    assert len(Kept("job", "abc", RECORD).records) == 0


def test_another_key_or_another_kind_of_record_begins_anew():
    Kept("job", "abc", RECORD).add(records((3, 0.25)))
    assert len(Kept("job", "abd", RECORD).records) == 0
    assert len(Kept("job", "abc", np.dtype([("index", np.int64)])).records) == 0
    assert len(Kept("another", "abc", RECORD).records) == 0


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", b"text"])
def test_a_damaged_file_begins_anew(damage):
    kept = Kept("job", "abc", RECORD)
    kept.add(records((3, 0.25)))
    kept.path.write_bytes(damage)
    again = Kept("job", "abc", RECORD)
    assert len(again.records) == 0
    again.add(records((4, 0.5)))
    assert Kept("job", "abc", RECORD).records.tolist() == [(4, 0.5)]


def test_a_truncated_file_begins_anew():
    kept = Kept("job", "abc", RECORD)
    kept.add(records((3, 0.25)))
    kept.path.write_bytes(kept.path.read_bytes()[:-40])
    assert len(Kept("job", "abc", RECORD).records) == 0


def test_the_key_tells_everything_apart():
    assert key("a", b"b", ["c", "d"]) == key("a", b"b", ["c", "d"])
    different = [("a", "b"), ("ab", ""), ("", "ab"), ("a",), (["a", "b"],), ("a", b"c")]
    assert len({key(*parts) for parts in different}) == len(different)
