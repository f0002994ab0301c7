"""The user's default backbone: kept in the settings, other keys untouched, damage named."""

import errno
import json
from pathlib import Path

import pytest

from fovea.errors import InputError, OutputError
from fovea.features import config_file, read_default, write_default


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FOVEA_CONFIG", str(tmp_path / "settings"))


def test_there_is_none_until_one_is_chosen_and_none_after_it_is_taken_back() -> None:
    assert read_default() is None
    write_default("resnet18")
    assert read_default() == "resnet18"
    write_default(None)
    assert read_default() is None


def test_it_stands_in_the_user_s_folder_of_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FOVEA_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert config_file() == tmp_path / "xdg" / "fovea" / "config.json"


def test_other_settings_stay() -> None:
    config_file().parent.mkdir()
    config_file().write_text('{"other": [1]}')
    write_default("resnet18")
    assert json.loads(config_file().read_text()) == {"other": [1], "backbone": "resnet18"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "it holds no JSON object"),
        ('{"backbone": 3}', "its key 'backbone' holds 3"),
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ],
)
def test_damaged_settings_are_refused(content: str, reason: str) -> None:
    config_file().parent.mkdir()
    config_file().write_text(content)
    with pytest.raises(InputError) as raised:
        read_default()
    assert str(raised.value) == (
        f"The settings {str(config_file())!r} cannot be read: {reason}. Delete the file; `fovea backbones use NAME` writes it "
        "again."
    )


def test_a_file_where_the_folder_of_settings_has_to_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("mine")
    for act in (read_default, lambda: write_default("resnet18")):
        with pytest.raises(InputError) as raised:
            act()
        assert str(raised.value) == (
            f"The settings {str(config_file())!r} cannot be there: a file stands where the folder "
            f"{str(tmp_path / 'settings')!r} has to be. Name a folder with FOVEA_CONFIG."
        )
    assert (tmp_path / "settings").read_text() == "mine"


def test_a_folder_where_the_file_of_settings_has_to_be_is_told() -> None:
    config_file().mkdir(parents=True)
    with pytest.raises(InputError) as raised:
        read_default()
    assert str(raised.value) == (
        f"The settings {str(config_file())!r} are a folder, and a file is needed. Name the folder around that file with "
        "FOVEA_CONFIG, not the file; or move what is there away."
    )


def test_settings_that_may_not_be_read_are_told_and_not_said_to_be_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def locked(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", locked)
    with pytest.raises(InputError) as raised:
        read_default()
    assert str(raised.value) == (
        f"The settings {str(config_file())!r} cannot be read: Permission denied. Let yourself read the file, or name another "
        "folder with FOVEA_CONFIG."
    )


def test_settings_that_cannot_be_written_are_named_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    write_default("resnet18")

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError) as raised:
        write_default("vgg16")
    assert str(raised.value) == (
        f"The settings {str(config_file())!r} cannot be written: No space left on device. Name another folder with "
        "FOVEA_CONFIG, or give --backbone each time."
    )
    assert read_default() == "resnet18"
    assert [one.name for one in config_file().parent.iterdir()] == ["config.json"]
