"""Stored results come back whole or not at all, from any number of writers, within the limit."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from workings.build.store import TALLY, Store, key, located, sum_of
from workings.messages import InputError


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
    entry = store.folder / place[:2] / place[2:]
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


FOREIGN = (
    "ms/paper/thesis.tex",
    "ab/data/x",
    ".notes-old/k",
    ".new-old/k",
    "ab/" + "0" * 62 + "/k",
)


@pytest.mark.parametrize("inside", ["", "workings-store/"])
def test_what_the_store_did_not_make_stays(tmp_path, capsys, inside):
    files = [tmp_path / f"store/{inside}{name}" for name in FOREIGN]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine" * 1000)
        os.utime(file.parent, (0, 0))
    store = Store(tmp_path / "store", 0.0001)
    put(store, tmp_path, "a", 1000)
    assert got(store, tmp_path, key("b", {})) is None
    assert [file for file in files if not file.exists()] == []
    assert ("nothing is stored (another made this folder)" in capsys.readouterr().err) == bool(
        inside
    )


def test_a_link_out_of_the_store_is_not_followed(tmp_path):
    store = Store(tmp_path / "store", 0.0001)
    put(store, tmp_path, "a")
    aside = tmp_path / "aside" / ("0" * 62)
    aside.mkdir(parents=True)
    (aside / "k").write_text("mine" * 1000)
    (store.folder / "00").symlink_to(aside.parent)
    (store.folder / "11").mkdir()
    (store.folder / "11" / ("1" * 62)).symlink_to(aside)
    put(store, tmp_path, "b")
    assert (aside / "k").exists()


@pytest.mark.parametrize("place", ["store", "store/workings-store", "store/workings-store/ab"])
def test_a_store_that_cannot_be_written_costs_no_result(tmp_path, capsys, monkeypatch, place):
    """A file is where a folder should be; it's told once in a build."""
    store = Store(tmp_path / "store", 1)
    monkeypatch.setenv("WORKINGS_NOTES", str(tmp_path))
    monkeypatch.setattr(Store, "_place", lambda *_: store.folder / "ab/cd")
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("a file")
    for name in "ab":
        assert got(store, tmp_path, put(store, tmp_path, name)) is None
    assert capsys.readouterr().err.count("nothing is stored") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_store_of_another_user_is_a_miss(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WORKINGS_NOTES", "nowhere")
    store = Store(tmp_path / "store", 1)
    place = put(store, tmp_path, "a")
    store.folder.chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode | 0o055)
    out = tmp_path / "out"
    out.mkdir(mode=0o777)
    os.seteuid(12345)
    try:
        assert store.restore(place, {"text": str(out / "text")}) is None
        store.keep(place, {"text": str(tmp_path / "a.txt")}, {"text": "1"})
    finally:
        os.seteuid(0)
    said = capsys.readouterr().err
    assert "of another user" in said and "nothing is stored (Permission denied)" in said
    assert got(store, tmp_path, place) == "a" * 10


@pytest.mark.parametrize("inside", [lambda entry: entry / "text", lambda entry: entry])
def test_a_folder_or_a_file_where_the_other_should_be_is_a_damage(tmp_path, capsys, inside):
    store = Store(tmp_path / "store", 1)
    place = put(store, tmp_path, "a")
    path = inside(store.folder / place[:2] / place[2:])
    if path.is_dir():
        path.rename(tmp_path / "aside")
        path.write_text("a file")
    else:
        path.unlink()
        path.mkdir()
    assert got(store, tmp_path, place) is None
    assert "is damaged; the job runs again" in capsys.readouterr().err
    assert got(store, tmp_path, put(store, tmp_path, "a")) == "a" * 10


@pytest.mark.parametrize(
    ("folder", "right"),
    [(f, False) for f in ("/", ".", "..", "build", "report/x", "config", "link", "./analysis/..")]
    + [(f, True) for f in (".cache/workings", "../shared", "/srv/store", "reports")],
)
def test_a_folder_of_the_report_is_no_store(in_folder, folder, right):
    Path("link").symlink_to("build")
    if right:
        assert located(folder).is_absolute()
    else:
        with pytest.raises(InputError, match="is a folder of the report, or above it"):
            located(folder)


def test_what_a_killed_writer_left_is_swept_away(tmp_path):
    store = Store(tmp_path / "store", 1)
    put(store, tmp_path, "a")
    old, new, other = (
        store.folder / f".{name}" for name in ("new-abcdefgh", "old-abcdefgh", "mine-abcdefgh")
    )
    for left in (old, new, other):
        left.mkdir()
    for left in (old, other):
        os.utime(left, (0, 0))
    put(store, tmp_path, "b")
    assert not old.exists() and new.exists() and other.exists()


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
    folder = tmp_path / "store/workings-store"
    assert list(folder.glob("??/*/*")) and not list(folder.glob(".*-*"))


def test_the_entries_are_counted_only_when_it_is_due(tmp_path, monkeypatch):
    store, counted = (
        Store(tmp_path / "store", 0.01),
        [],
    )  # 10,000 bytes: eight entries of about 1,100
    count = Store._make_room
    monkeypatch.setattr(Store, "_make_room", lambda self: (counted.append(1), count(self)))
    places = [put(store, tmp_path, f"{letter}", 1000) for letter in "abcdefgh"]
    assert counted == [] and all(got(store, tmp_path, place) for place in places)
    put(store, tmp_path, "i", 1000)
    put(store, tmp_path, "j", 1000)
    assert len(counted) == 1  # and room for more than one was made
    for damage in (lambda tally: tally.unlink(), lambda tally: tally.write_text("half\n12")):
        damage(store.folder / TALLY)
        put(store, tmp_path, "k", 10)
        kept = list(store.folder.glob("??/*"))
        held = sum(file.stat().st_size for entry in kept for file in entry.iterdir())
        assert (store.folder / TALLY).read_text() == f"{held}\n" and held <= 10_000
