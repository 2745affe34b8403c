"""Stored results come back whole or not at all, from any number of writers, within the limit."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from workings.build.store import Store, key, sum_of


def put(store: Store, folder: Path, name: str, size: int = 10) -> str:
    """Store one file of `size` times the name's letter under a key of that name."""
    path = folder / f"{name}.txt"
    path.write_text(name[0] * size)
    place = key(name, {})
    store.keep(place, {"text": str(path)}, {"text": sum_of(path)})
    return place


def got(store: Store, folder: Path, place: str) -> str | None:
    out = folder / "restored.txt"
    return out.read_text() if store.restore(place, {"text": str(out)}) else None


def test_what_was_kept_comes_back(tmp_path):
    store = Store(tmp_path / "store", 1)
    place = put(store, tmp_path, "a")
    assert got(store, tmp_path, place) == "a" * 10
    assert got(store, tmp_path, key("b", {})) is None


@pytest.mark.parametrize(
    ("plan", "inputs", "same"),
    [
        ("1", {"b.csv": "2", "a.csv": "1"}, True),
        ("2", {"a.csv": "1", "b.csv": "2"}, False),
        ("1", {"a.csv": "2", "b.csv": "1"}, False),
        ("1", {"a.csv": "1"}, False),
    ],
)
def test_a_key_is_of_all_that_a_result_depends_on(plan, inputs, same):
    assert (key(plan, inputs) == key("1", {"a.csv": "1", "b.csv": "2"})) is same


@pytest.mark.parametrize(
    "damage",
    [("text", "a"), ("text", "b" * 10), ("text", None), ("entry.json", "{"), ("entry.json", None)],
)
def test_a_damaged_entry_is_noticed_and_removed(tmp_path, capsys, damage):
    store = Store(tmp_path / "store", 1)
    place = put(store, tmp_path, "a")
    entry = tmp_path / "store" / place[:2] / place[2:]
    file, text = damage
    (entry / file).unlink() if text is None else (entry / file).write_text(text)
    assert got(store, tmp_path, place) is None
    assert "is damaged; the job runs again" in capsys.readouterr().err
    assert not entry.exists()
    assert got(store, tmp_path, put(store, tmp_path, "a")) == "a" * 10


def test_the_least_recently_used_go_first(tmp_path):
    store = Store(tmp_path / "store", 0.0025)  # 2,500 bytes: two entries of about 1,100
    places = {}
    for age, name in enumerate(("a", "b", "c")):
        places[name] = put(store, tmp_path, name, 1000)
        entry = store.folder / places[name][:2] / places[name][2:]
        if entry.exists():
            os.utime(entry, (age, age))
        if name == "b":
            assert got(store, tmp_path, places["a"])  # used: now the younger of the two
    assert got(store, tmp_path, places["b"]) is None
    assert got(store, tmp_path, places["a"]) and got(store, tmp_path, places["c"])


def test_a_store_that_cannot_be_written_costs_no_result(tmp_path, capsys):
    (tmp_path / "store").write_text("a file where the folder should be")
    put(Store(tmp_path / "store", 1), tmp_path, "a")
    assert "the result is not stored" in capsys.readouterr().err


def test_what_a_killed_writer_left_is_swept_away(tmp_path):
    store = Store(tmp_path / "store", 1)
    old, new = tmp_path / "store/.new-old", tmp_path / "store/.new-new"
    for left in (old, new):
        left.mkdir(parents=True)
    os.utime(old, (0, 0))
    put(store, tmp_path, "a")
    assert not old.exists() and new.exists()


def hammer(folder: Path, worker: int) -> int:
    """Keep and restore the same forty entries, in another order than the other writers."""
    store = Store(folder / "store", 0.02)  # holds about a third of them
    own = folder / str(worker)
    own.mkdir()
    wrong = 0
    for turn in range(50):
        name = chr(ord("A") + (turn * (2 * worker + 1)) % 40)
        place = put(store, own, name, 1500)
        wrong += got(store, own, place) not in (None, name * 1500)
    return wrong


def test_eight_writers_at_once_never_hand_out_a_wrong_file(tmp_path):
    with multiprocessing.get_context("fork").Pool(8) as pool:
        wrong = pool.starmap(hammer, [(tmp_path, worker) for worker in range(8)])
    assert wrong == [0] * 8
    files = [file for file in (tmp_path / "store").glob("??/*/*") if file.is_file()]
    assert files
    assert list((tmp_path / "store").glob(".*-*")) == []
