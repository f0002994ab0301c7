"""What keeps runs apart: a finished one is safe, an unfinished one goes on with its settings, nothing else is left behind."""

import json
from pathlib import Path

import pytest

from fovea.errors import BackboneError, InputError, OutputError
from fovea.tasks.train.unfinished import require_apart, unfinished, workspace_beside

SETTINGS = {"seed": 0, "source": {"drop": ["cat"], "merge": {}}}


def stopped_run(out: Path) -> Path:
    """Begin a run and press Ctrl-C; return the marker's place."""
    with pytest.raises(KeyboardInterrupt), unfinished(out, settings=SETTINGS) as marker:
        raise KeyboardInterrupt
    return marker.path


def test_a_run_is_marked_while_it_is_under_way_and_not_after(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "first"
    with unfinished(out, settings=SETTINGS) as marker:
        assert json.loads((tmp_path / "runs" / ".first.settings.json").read_text()) == SETTINGS
        assert not marker.continues
        marker.done()
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_stopped_run_goes_on_with_the_same_settings(tmp_path: Path) -> None:
    path = stopped_run(tmp_path / "run")
    assert path.exists()
    with unfinished(tmp_path / "run", settings=SETTINGS) as marker:
        assert marker.continues


def test_an_error_takes_the_mark_of_a_new_run_away(tmp_path: Path) -> None:
    with pytest.raises(InputError), unfinished(tmp_path / "run", settings=SETTINGS):
        raise InputError("no pictures")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [OutputError("no space left"), MemoryError(), RuntimeError("connection closed by peer")]
)
def test_what_the_same_command_may_survive_leaves_the_mark_and_the_checkpoints(
    error: Exception, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(type(error)), unfinished(out, settings=SETTINGS), workspace_beside(out) as workspace:
        workspace.mkdir()
        raise error
    with unfinished(out, settings=SETTINGS) as marker:
        assert marker.continues and workspace.is_dir()


@pytest.mark.parametrize("error", [InputError("no pictures"), BackboneError("cut short")])
def test_an_error_in_what_was_given_takes_the_checkpoints_away(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)), workspace_beside(tmp_path / "run") as workspace:
        workspace.mkdir()
        raise error
    assert not workspace.exists()


def test_what_refuses_to_go_on_leaves_the_checkpoints_of_a_stopped_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with (
        pytest.raises(KeyboardInterrupt),
        unfinished(out, settings=SETTINGS),
        workspace_beside(out) as workspace,
    ):
        workspace.mkdir()
        (workspace / "fit.checkpoint").write_bytes(b"hours")
        raise KeyboardInterrupt
    with (
        pytest.raises(InputError),
        unfinished(out, settings=SETTINGS) as marker,
        workspace_beside(out) as workspace,
    ):
        raise InputError("the checkpoint is of a training with other settings")
    assert marker.path.exists()
    assert (workspace / "fit.checkpoint").read_bytes() == b"hours"


def test_an_error_leaves_the_mark_of_a_stopped_run(tmp_path: Path) -> None:
    path = stopped_run(tmp_path / "run")
    with pytest.raises(InputError), unfinished(tmp_path / "run", settings=SETTINGS):
        raise InputError("no pictures")
    assert path.exists()


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    path = stopped_run(tmp_path / "run")
    other = {"seed": 3, "source": {"drop": ["cat"], "merge": {"a": "b"}}}
    with pytest.raises(OutputError) as caught, unfinished(tmp_path / "run", settings=other):
        pass
    assert str(caught.value) == (
        f"A run into {str(tmp_path / 'run')!r} was begun with other settings and not finished (merge was {{}} and is "
        "{'a': 'b'}, seed was 0 and is 3). Give the same settings to continue it, choose another --out, or delete "
        f"{str(path)!r} to begin anew; stored features are used again in any case."
    )


def test_beginning_anew_leaves_no_checkpoint_of_before(tmp_path: Path) -> None:
    out = tmp_path / "run"
    path = stopped_run(out)
    (tmp_path / ".run.training").mkdir()
    (tmp_path / ".run.training" / "scratch.checkpoint").write_text("of other settings")
    path.unlink()  # as the refusal of other settings says
    with unfinished(out, settings={"seed": 3}), workspace_beside(out) as workspace:
        assert not workspace.exists()


def test_a_damaged_mark_is_begun_anew(tmp_path: Path) -> None:
    stopped_run(tmp_path / "run").write_text('{"seed"')
    with unfinished(tmp_path / "run", settings=SETTINGS) as marker:
        assert json.loads(marker.path.read_text()) == SETTINGS


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with unfinished(tmp_path / "run", settings=SETTINGS) as marker:
        marker.done()


@pytest.mark.parametrize("name", ["", ".", "..", "x/.."])
def test_a_folder_without_a_name_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError) as caught, unfinished(Path(name), settings=SETTINGS):
        pass
    assert str(caught.value) == (
        f"--out {str(Path(name))!r} is no new folder. Name one of its own, for example --out runs/first."
    )


def test_a_link_to_nowhere_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(tmp_path / "nowhere")
    with (
        pytest.raises(OutputError, match="is not a run of fovea's, and nothing is overwritten"),
        unfinished(tmp_path / "run", settings=SETTINGS),
    ):
        pass


def test_a_place_that_cannot_be_written_is_said_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "run"
    with pytest.raises(OutputError) as caught, unfinished(out, settings=SETTINGS):
        pytest.fail("work began")
    assert (
        str(caught.value)
        == f"Nothing can be written beside {str(out)!r} (a file is in the way). Choose another --out."
    )


def test_settings_with_names_that_are_not_utf8_are_taken(tmp_path: Path) -> None:
    settings = {"photos": "/K\udce4se"}
    with pytest.raises(KeyboardInterrupt), unfinished(tmp_path / "run", settings=settings):
        raise KeyboardInterrupt
    with unfinished(tmp_path / "run", settings=settings) as marker:
        assert marker.continues


@pytest.mark.parametrize(
    ("photos", "out"), [("photos", "photos/a/run"), (".", "run"), ("x/y", "x"), ("x", "x")]
)
def test_a_run_among_the_pictures_or_around_them_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: str, out: str
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    Path(photos).mkdir(parents=True, exist_ok=True)
    beside = Path(photos).resolve()
    with pytest.raises(OutputError) as caught:
        require_apart(Path(photos), out=Path(out))
    assert str(caught.value) == (
        f"--out {out!r} and the pictures in {photos!r} lie one in the other. Nothing is written among the pictures, where "
        "the next training would take a run's folders for classes: give an --out beside them, for example "
        f"--out {str(beside) + '-run'!r}."
    )


def test_a_link_into_the_pictures_is_followed(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    with pytest.raises(OutputError, match="lie one in the other"):
        require_apart(tmp_path / "photos", out=tmp_path / "link" / "run")


@pytest.mark.parametrize("photos", ["photos", "photos/labels.csv", "nowhere"])
def test_a_run_may_lie_beside_the_pictures_or_their_table(tmp_path: Path, photos: str) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "labels.csv").write_text("path,label\n")
    require_apart(
        tmp_path / photos, out=tmp_path / ("photos/run" if photos.endswith("csv") else "photos-run")
    )
