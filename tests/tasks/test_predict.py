"""`predict`: answers in order, the JSON, what is said when nothing can be answered; and the CSV, killed and "
"continued."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fovea.cli import group
from fovea.errors import InputError, MissingInputError, ModelError, OutputError
from fovea.model import Prediction, chunks
from fovea.tasks import predict_write
from fovea.tasks.predict import Config, Result, run
from fovea.tasks.predict_write import (
    Columns,
    encode_rows,
    part_path,
    shown_path,
    shown_text,
    state_path,
    whole_rows,
)

MODEL = Path(__file__).parents[1] / "model" / "format1"
COLOURS = {"blue": (20, 20, 230), "green": (20, 230, 20), "red": (230, 20, 20)}


@pytest.fixture
def photos(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    """Return a folder of twelve pictures, one of them unreadable."""
    for n, (name, colour) in enumerate(list(COLOURS.items()) * 4):
        r, g, b = colour
        draw_picture(tmp_path / "photos" / f"{n:02}-{name}.png", colour=(r + n, g + n, b + n))
    (tmp_path / "photos" / "05-red.png").write_bytes(b"broken")
    return tmp_path / "photos"


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 5)


def predict(*inputs: str | Path, csv: Path | None = None) -> Result:
    return run(Config(MODEL, inputs, csv=csv))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_input_has_its_row_in_order(photos: Path) -> None:
    result = predict(photos)
    assert [Path(one.path).name for one in result.predictions] == sorted(
        path.name for path in photos.iterdir()
    )
    assert [one.class_name for one in result.predictions][:6] == [
        "blue",
        "green",
        "red",
        "blue",
        "green",
        None,
    ]


def test_counts_tell_classes_and_problems(photos: Path) -> None:
    result = predict(photos)
    assert (result.n_pictures, result.n_problems) == (12, 1)
    assert result.classes == {"blue": 4, "green": 4, "red": 3}


def test_files_and_folders_mix_and_repeat(photos: Path) -> None:
    one = photos / "02-red.png"
    assert [p.path for p in predict(one, photos, one).predictions][::13] == [str(one), str(one)]


def test_missing_file_among_others_has_a_row(photos: Path) -> None:
    first, second = predict(photos / "gone.png", photos / "00-blue.png").predictions
    assert (first.problem, second.class_name) == ("there is no such file", "blue")


def test_nothing_given_is_said() -> None:
    with pytest.raises(InputError) as caught:
        predict()
    assert str(caught.value) == (
        "Nothing was given to predict. Name pictures or folders: `fovea predict RUN a.jpg folder`."
    )


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        predict(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert str(caught.value) == (
        f"There is nothing at {str(tmp_path / 'a.jpg')!r} (nor at the other 1). Check the path, and name "
        "pictures or folders."
    )


def test_empty_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        predict(tmp_path)
    assert (
        str(caught.value)
        == f"{str(tmp_path)!r} holds no files. Name pictures, or folders that hold pictures."
    )


def test_folder_that_is_no_model_is_said(photos: Path) -> None:
    with pytest.raises(ModelError, match="this looks like a folder of pictures"):
        run(Config(photos, [photos]))


def test_json_is_a_row_for_every_input(photos: Path) -> None:
    done = CliRunner().invoke(group, ["predict", str(MODEL), str(photos), "--json"])
    assert done.exit_code == 0
    answers = json.loads(done.stdout)
    assert [Path(row["path"]).name for row in answers] == sorted(path.name for path in photos.iterdir())
    keys = {"path", "class", "probability", "probabilities", "unsure", "unlike", "problem"}
    assert all(set(row) == keys for row in answers)


def test_json_beside_a_csv_holds_its_counts(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(group, ["predict", str(MODEL), str(photos), "--csv", str(out), "--json"])
    told = json.loads(done.stdout)
    assert (told["csv"], told["n_pictures"], told["n_problems"], told["n_resumed"]) == (str(out), 12, 1, 0)
    assert told["classes"] == {"blue": 4, "green": 4, "red": 3}


def test_note_about_the_store_goes_to_stderr(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_CACHE", "/dev/null/cache")
    done = CliRunner().invoke(group, ["predict", str(MODEL), str(photos / "00-blue.png"), "--json"])
    assert len(json.loads(done.stdout)) == 1
    assert done.stderr.startswith("Note: Nothing is stored: '/dev/null/cache/")


def test_terminal_shows_a_line_a_picture(photos: Path) -> None:
    done = CliRunner().invoke(
        group, ["predict", str(MODEL), str(photos / "00-blue.png"), str(photos / "05-red.png")]
    )
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{photos}/00-blue.png  blue  0.")
    assert second.startswith(f"{photos}/05-red.png   -  ")


def test_terminal_sums_up_what_went_into_a_csv(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(group, ["predict", str(MODEL), str(photos), "--csv", str(out)])
    n_unsure, n_unlike = (sum(row[key] == "true" for row in rows(out)) for key in ("unsure", "unlike"))
    assert done.stdout.splitlines() == [
        "12 pictures: blue 4, green 4, red 3",
        f"{n_unsure} unsure, {n_unlike} unlike anything seen, 1 could not be read",
        f"rows in {out}",
    ]


def test_terminal_shows_forty_of_many(photos: Path) -> None:
    done = CliRunner().invoke(group, ["predict", str(MODEL), *[str(photos / "00-blue.png")] * 41])
    lines = done.stdout.splitlines()
    assert len(lines) == 40 + 4
    assert lines[41] == "41 pictures: blue 41"


def test_file_name_cannot_control_the_terminal(tmp_path: Path, draw_picture: Callable[..., Path]) -> None:
    draw_picture(tmp_path / "a\x1b[31m.png", colour=COLOURS["red"])
    done = CliRunner().invoke(group, ["predict", str(MODEL), str(tmp_path)])
    assert "\x1b" not in done.stdout
    assert "a\ufffd[31m.png" in done.stdout


def test_csv_has_the_rows_of_the_list(photos: Path, tmp_path: Path) -> None:
    result = predict(photos, csv=tmp_path / "out.csv")
    listed = predict(photos).predictions
    table = rows(tmp_path / "out.csv")
    assert list(table[0]) == [
        *("path", "class", "probability", "unsure", "unlike", "problem"),
        *("p_blue", "p_green", "p_red"),
    ]
    assert [(row["path"], row["class"]) for row in table] == [
        (one.path, one.class_name or "") for one in listed
    ]
    assert table[0]["p_red"] == f"{listed[0].probabilities['red']:.6f}"
    assert (result.n_pictures, result.n_problems, len(result.predictions)) == (12, 1, 0)


def test_finished_csv_leaves_nothing_beside_it(photos: Path, tmp_path: Path) -> None:
    predict(photos, csv=tmp_path / "out" / "out.csv")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["out.csv"]


def test_finished_csv_is_never_overwritten(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("mine")
    with pytest.raises(OutputError) as caught:
        predict(photos, csv=out)
    assert str(caught.value) == (
        f"{str(out)!r} is there already and nothing is overwritten: it is finished, or something else. "
        "Choose another name after --csv, or move it away."
    )
    assert out.read_text() == "mine"


def test_csv_inside_the_folder_is_no_picture_of_it(photos: Path, small_chunks: None) -> None:
    cut(photos, photos / "out.csv", n_bytes=-9)
    assert predict(photos, csv=photos / "out.csv").n_pictures == 12


def cut(photos: Path, out: Path, *, n_bytes: int) -> bytes:
    """Leave `out` as a kill would: its first bytes under the unfinished name. Return the whole content."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predict_write.CsvPart, "finish", lambda part: None)
        predict(photos, csv=out)
    whole = part_path(out).read_bytes()
    part_path(out).write_bytes(whole[:n_bytes])
    return whole


@pytest.mark.parametrize("name", ["labels.csv", "LABELS.TSV", "answers.jsonl"])
def test_table_among_the_pictures_is_none_of_them_unless_it_is_named(photos: Path, name: str) -> None:
    (photos / name).write_text("path,label\n")
    result = predict(photos)
    assert (result.n_pictures, result.n_problems) == (12, 1)
    assert predict(photos / name).n_problems == 1


def test_cut_anywhere_it_continues_to_the_same_bytes(
    photos: Path, tmp_path: Path, small_chunks: None
) -> None:
    out = tmp_path / "out.csv"
    whole = cut(photos, out, n_bytes=0)
    for n_bytes in [*range(0, len(whole), 61), len(whole)]:
        state = state_path(out).read_bytes()
        part_path(out).write_bytes(whole[:n_bytes])
        result = predict(photos, csv=out)
        assert out.read_bytes() == whole
        assert (result.n_pictures, result.n_problems, sum(result.classes.values())) == (12, 1, 11)
        out.unlink()
        state_path(out).write_bytes(state)


def test_whole_chunks_are_not_predicted_again(photos: Path, tmp_path: Path, small_chunks: None) -> None:
    cut(photos, tmp_path / "out.csv", n_bytes=-9)
    assert predict(photos, csv=tmp_path / "out.csv").n_resumed == 10


def foreign(out: Path, n_rows: int, what: str) -> str:
    return (
        f"{str(part_path(out))!r} holds {n_rows} rows: {what}. Repeat the command that began it to finish "
        "it, delete it to start anew, or choose another name after --csv."
    )


def test_unfinished_csv_for_other_pictures_is_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    cut(photos, out, n_bytes=-9)
    with pytest.raises(OutputError) as caught:
        predict(photos / "00-blue.png", csv=out)
    assert str(caught.value) == foreign(out, 11, "an unfinished result for other pictures (12 of them)")


def test_unfinished_csv_of_another_model_is_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    cut(photos, out, n_bytes=-9)
    state = json.loads(state_path(out).read_text())
    state_path(out).write_text(json.dumps({**state, "model": "0" * 64}))
    with pytest.raises(OutputError) as caught:
        predict(photos, csv=out)
    assert str(caught.value) == foreign(out, 11, "an unfinished result of another model or other options")


@pytest.mark.parametrize("state", [None, "{", "[]", "{}"])
def test_unfinished_csv_of_unknown_origin_is_refused(photos: Path, tmp_path: Path, state: str | None) -> None:
    out = tmp_path / "out.csv"
    cut(photos, out, n_bytes=-9)
    state_path(out).unlink() if state is None else state_path(out).write_text(state)
    with pytest.raises(OutputError) as caught:
        predict(photos, csv=out)
    assert str(caught.value) == foreign(out, 11, "an unfinished result of unknown origin")


def test_changed_rows_are_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    whole = cut(photos, out, n_bytes=0)
    part_path(out).write_bytes(whole.replace(b"03-blue", b"99-blue"))
    with pytest.raises(OutputError) as caught:
        predict(photos, csv=out)
    assert str(caught.value) == foreign(out, 12, "rows of other pictures or classes")


def test_csv_that_another_process_writes_is_left_alone(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    which = {"columns": Columns(("blue",)), "names": ["a"], "model": {}, "chunk": 1}
    with predict_write.open_part(out, **which), pytest.raises(OutputError) as caught:  # type: ignore[arg-type]
        predict(photos, csv=out)
    assert str(caught.value) == (
        f"Another process is writing {str(out)!r}. Wait for it, or choose another name after --csv."
    )


def test_full_disk_keeps_the_rows_and_continues(
    photos: Path, tmp_path: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, fsync, calls = tmp_path / "out.csv", os.fsync, [0]

    def full(handle: int) -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(predict_write.os, "fsync", full)
    with pytest.raises(OutputError) as caught:
        predict(photos, csv=out)
    assert str(caught.value) == (
        f"{str(out)!r} cannot be written (No space left on device). Finished rows stay in 'out.csv.part': "
        "make room or get permission, and the same command continues there."
    )
    assert not out.exists()
    assert predict(photos, csv=out).n_resumed >= 5


def test_place_that_cannot_be_written_is_said(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        OutputError, match=r"'.*file/out\.csv' cannot be written \((File exists|Not a directory)\)"
    ):
        predict(photos, csv=tmp_path / "file" / "out.csv")


def test_killed_in_the_middle_it_continues_to_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    """A child predicts in chunks of two, slowly, and is killed with SIGKILL once a few rows are there."""
    out = tmp_path / "out.csv"
    code = (
        "import sys, time; from fovea.model import chunks; chunks.CHUNK = 2; "
        "from fovea.tasks import predict, predict_write as w; append = w.CsvPart.append; "
        "w.CsvPart.append = lambda part, rows: (append(part, rows), time.sleep(0.3)); "
        "predict.run(predict.Config(sys.argv[1], [sys.argv[2]], csv=sys.argv[3]))"
    )
    child = subprocess.Popen([sys.executable, "-c", code, MODEL, photos, out])
    while not part_path(out).exists() or part_path(out).read_bytes().count(b"\n") < 4:
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK", 2)
        assert predict(photos, csv=out).n_resumed in (2, 4, 6, 8, 10)
        predict(photos, csv=tmp_path / "whole.csv")
    assert out.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_neither_torch_nor_scipy_is_imported(photos: Path) -> None:
    code = (
        "import sys; from fovea.cli import main\n"
        "try: main()\n"
        "finally: sys.stderr.write(' '.join(n for n in ('torch', 'scipy', 'sklearn', 'pandas', 'jinja2') if "
        "n in sys.modules))"
    )
    command = [sys.executable, "-c", code, "predict", MODEL, photos / "00-blue.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("=a.jpg", "./=a.jpg"),
        ("-a/b.jpg", "./-a/b.jpg"),
        ("@a.jpg", "./@a.jpg"),
        ("a=b.jpg", "a=b.jpg"),
        ("/=a", "/=a"),
    ],
)
def test_path_that_looks_like_a_formula_names_the_same_file_without(path: str, shown: str) -> None:
    assert shown_path(path) == shown
    assert os.path.normpath(shown) == os.path.normpath(path)


@pytest.mark.parametrize(
    ("text", "shown"), [("=cat", "'=cat"), ("-1", "-1"), ("+ cat", "'+ cat"), ("cat", "cat")]
)
def test_class_that_looks_like_a_formula_is_quoted(text: str, shown: str) -> None:
    assert shown_text(text) == shown


def test_class_called_like_a_column_has_its_own_column() -> None:
    row = Columns(("path", "problem")).row(Prediction("a", "path", 0.75, {"path": 0.75, "problem": 0.25}))
    assert row == ["a", "path", "0.750000", "", "", "", "0.750000", "0.250000"]


@pytest.mark.parametrize("name", ['a"b', "a,b", "a\nb", "a\r\nb", "a\rb", "\udcff.jpg", "ü"])
def test_odd_names_come_back_from_the_table(name: str) -> None:
    content = encode_rows([["path"], [name]])
    ends, found = whole_rows(content.splitlines(keepends=True))
    assert found == [["path"], [name]]
    assert ends[-1] == len(content)
