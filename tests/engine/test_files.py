"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from workings.build.files import written_whole


def everything_in(folder: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in folder.iterdir()}


def test_what_was_written_takes_its_place(tmp_path):
    paths = {"values": str(tmp_path / "new/values.json"), "figure": str(tmp_path / "figure.pdf")}
    with written_whole(paths) as temporary:
        for name, path in temporary.items():
            assert Path(path).parent == Path(paths[name]).parent  # so that the move is atomic
            assert Path(path).suffix == Path(paths[name]).suffix  # libraries look at the ending
            Path(path).write_text(name)
        assert not any(Path(path).exists() for path in paths.values())
    assert everything_in(tmp_path / "new") == {"values.json": "values"}
    assert (tmp_path / "figure.pdf").read_text() == "figure"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figure.pdf", "new"]


def test_after_a_failure_the_last_good_files_stay_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("good")
    paths = {name: str(tmp_path / f"{name}.txt") for name in "ab"}
    with pytest.raises(KeyboardInterrupt), written_whole(paths) as temporary:
        Path(temporary["a"]).write_text("half")
        Path(temporary["b"]).write_text("half")
        raise KeyboardInterrupt
    assert everything_in(tmp_path) == {"a.txt": "good"}


def test_an_output_that_was_not_written_is_a_failure(tmp_path):
    paths = {name: str(tmp_path / f"{name}.txt") for name in "ab"}
    told = pytest.raises(RuntimeError, match=r"did not write \S*/b\.txt$")
    with told, written_whole(paths) as temporary:
        Path(temporary["a"]).write_text("done")
    assert everything_in(tmp_path) == {}
