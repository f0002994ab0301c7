"""Where the cache lies; folders written whole or not at all."""

from pathlib import Path

import pytest

from fovea.features import cache_folder
from fovea.features.folder import write_whole


def test_the_cache_lies_where_fovea_cache_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_a_tilde_in_fovea_cache_is_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_CACHE", "~/mine")
    assert cache_folder() == Path.home() / "mine"


def test_otherwise_it_lies_in_the_user_s_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FOVEA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "fovea"


def test_a_relative_xdg_folder_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOVEA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the specification says so
    assert cache_folder() == Path.home() / ".cache" / "fovea"


def test_asking_for_the_folder_makes_nothing() -> None:
    assert not cache_folder().exists()


def test_a_folder_is_there_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "one", lambda folder: (folder / "a").write_text("whole") and None)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["one"]
    assert (tmp_path / "deep" / "one" / "a").read_text() == "whole"


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "a").write_text("half")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        write_whole(tmp_path / "one", fail)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_faster_process_stays(tmp_path: Path) -> None:
    def be_late(folder: Path) -> None:
        write_whole(tmp_path / "one", lambda other: (other / "a").write_text("first") and None)
        (folder / "a").write_text("second")

    write_whole(tmp_path / "one", be_late)
    assert [file.name for file in tmp_path.iterdir()] == ["one"]
    assert (tmp_path / "one" / "a").read_text() == "first"
