"""`fovea sort`: what is refused, before anything is moved."""

from pathlib import Path

import pytest
from by_name import config
from click.testing import CliRunner

from fovea.cli import sort as cli_sort
from fovea.errors import InputError, MissingInputError, OutputError
from fovea.tasks import sort
from fovea.tasks.sort import Config

pytestmark = pytest.mark.usefixtures("answers_by_name")


def test_pictures_packed_into_files_are_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "t10k-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + b"\0\0\0\1" * 3 + b"x")
    with pytest.raises(InputError) as caught:
        sort.run(config(tmp_path / "set"))
    assert str(caught.value) == (
        f"'{tmp_path}/set' holds its pictures packed into a few files, so none of them can be put into a folder by itself. "
        f"For a table of the answers use 'fovea predict model {tmp_path}/set --csv answers.csv'."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        sort.run(config(tmp_path / "nowhere"))
    assert str(caught.value) == (
        f"There is no folder {str(tmp_path / 'nowhere')!r}. Give the folder of pictures to sort."
    )


def test_a_single_file_is_refused(scraped: Path) -> None:
    file = scraped / "cat-0.9.png"
    with pytest.raises(InputError) as caught:
        sort.run(config(file))
    assert str(caught.value) == (
        f"{str(file)!r} is a file, not a folder of pictures. "
        f"For single pictures use 'fovea predict model {file}'."
    )


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as caught:
        sort.run(config(tmp_path / "empty"))
    assert str(caught.value) == (
        f"There is nothing to sort in {str(tmp_path / 'empty')!r}. Give a folder that holds pictures."
    )


def test_sorting_a_folder_into_itself_is_refused(scraped: Path) -> None:
    with pytest.raises(InputError) as caught:
        sort.run(Config(Path("model"), scraped, scraped))
    assert str(caught.value) == (
        f"The pictures in {str(scraped)!r} lie in {str(scraped)!r}, where they are to be put. "
        f"Give --into another folder."
    )


def test_moving_out_of_a_read_only_folder_is_refused_before_the_first_move(
    scraped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere; a user may not
    with pytest.raises(OutputError) as caught:
        sort.run(config(scraped, how="move"))
    assert str(caught.value) == (
        f"Pictures cannot be moved out of {str(scraped)!r}: it is read-only or not yours. "
        f"Nothing was changed. Use --copy or --link."
    )


def test_a_call_without_into_is_wrong_usage(scraped: Path) -> None:
    done = CliRunner().invoke(cli_sort.command, ["model", str(scraped)])
    assert done.exit_code == 2
    assert "Error: Give MODEL, SCRAPED and --into FOLDER, or --undo FOLDER." in done.output


def test_an_empty_folder_beside_a_sort_of_others_is_refused(scraped: Path, tmp_path: Path) -> None:
    sort.run(config(scraped, how="move"))
    (tmp_path / "scrap").mkdir()
    with pytest.raises(InputError) as caught:
        sort.run(config(tmp_path / "scrap", how="move"))
    assert str(caught.value) == (
        f"There is nothing to sort in {str(tmp_path / 'scrap')!r}. Give a folder that holds pictures."
    )
