"""`fovea sort`: what goes where, what is promised, and what is said. The classifier answers by name."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from fovea.cli import sort as cli_sort
from fovea.errors import InputError, MissingInputError, OutputError
from fovea.judge import CalibrationScores, threshold_for_precision
from fovea.model import Prediction, Predictions, Thresholds
from fovea.tasks import sort
from fovea.tasks.options import configure
from fovea.tasks.sort import Config
from fovea.tasks.sort_rule import check_rule, plain_rule, promised_rule


def calibration(n: int, *, n_wrong: int, n_classes: int = 2) -> CalibrationScores:
    """n answers with falling probabilities 1.0 to 0.5, the last `n_wrong` of them wrong."""
    right = np.arange(n) < n - n_wrong
    return CalibrationScores(np.linspace(1.0, 0.5, n), right, np.arange(n) % n_classes)


@dataclass
class ByName:
    """Answers by the file's name: `cat-0.9.png` is a cat at 0.9; `-far` is unlike; `broken` has a problem."""

    class_names: tuple[str, ...] = ("cat", "dog")
    fingerprint: str = "f" * 64
    thresholds: Thresholds = field(default_factory=lambda: Thresholds(unsure=0.6))
    calibration: CalibrationScores = field(default_factory=lambda: calibration(400, n_wrong=20))

    def predict(self, files: Sequence[Path], **named: Any) -> Predictions:
        return Predictions(self._answer(Path(file)) for file in files)

    def _answer(self, file: Path) -> Prediction:
        if "broken" in file.name:
            return Prediction(str(file), problem="it is cut short")
        class_name, probability, *far = file.stem.split("-")
        return Prediction(str(file), class_name, float(probability), unlike=far == ["far"])


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> ByName:
    classifier = ByName()
    monkeypatch.setattr("fovea.model.load_model", lambda folder, **named: classifier)
    return classifier


@pytest.fixture
def scraped(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    for number, name in enumerate(["cat-0.9", "dog-0.8", "cat-0.55", "dog-0.95-far"]):
        draw_picture(tmp_path / "scraped" / f"{name}.png", seed=number)
    (tmp_path / "scraped" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path / "scraped"


def config(scraped: Path, **changes: Any) -> Config:
    into = scraped.parent / "into"
    return configure(Config, {"model": Path("model"), "source": scraped, "into": into, **changes})


def placed(into: Path) -> list[str]:
    return sorted(p.relative_to(into).as_posix() for p in into.rglob("*.*") if p.is_file())


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


def test_unsure_and_unlike_ones_go_to_unsure_and_unreadable_ones_stay(scraped: Path) -> None:
    result = sort.run(config(scraped))

    assert placed(result.into) == [
        ".fovea-sort.jsonl", "cat/cat-0.9.png", "dog/dog-0.8.png", "sorted.csv",
        "unsure/cat-0.55.png", "unsure/dog-0.95-far.png",
    ]  # fmt: skip
    assert result.left == ((str(scraped / "broken.png"), "it is cut short"),)
    assert (result.classes, result.n_unsure) == ({"cat": 1, "dog": 1}, 2)


def test_the_table_says_what_went_where_and_why(scraped: Path) -> None:
    result = sort.run(config(scraped))
    with result.table.open(newline="") as file:
        rows = [{**row, "source": Path(row["source"]).name} for row in csv.DictReader(file)]

    names = ("source", "destination", "class", "probability", "reason")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("broken.png", "", "", "", "it is cut short"),
        ("cat-0.55.png", "unsure/cat-0.55.png", "cat", "0.550000", "unsure: below 0.6"),
        ("cat-0.9.png", "cat/cat-0.9.png", "cat", "0.900000", ""),
        ("dog-0.8.png", "dog/dog-0.8.png", "dog", "0.800000", ""),
        ("dog-0.95-far.png", "unsure/dog-0.95-far.png", "dog", "0.950000", "unlike anything seen"),
    ]


@pytest.mark.parametrize("how", ["copy", "link", "move"])
def test_undo_takes_everything_back_with_the_table(scraped: Path, how: str) -> None:
    before = {path: path.read_bytes() for path in scraped.iterdir()}
    sort.run(config(scraped, how=how))

    sort.undo(scraped.parent / "into")

    assert {path: path.read_bytes() for path in scraped.iterdir()} == before
    assert not (scraped.parent / "into").exists()


def test_a_notebook_shows_what_was_sorted_and_what_was_taken_back(scraped: Path) -> None:
    sorted_ = sort.run(config(scraped))._repr_html_()
    assert f"2 pictures in class folders of {scraped.parent / 'into'}, 2 in unsure/." in sorted_
    assert "cat</th><td>1</td>" in sorted_
    assert "1 stay where they are; sorted.csv says why." in sorted_
    undone = sort.undo(scraped.parent / "into")._repr_html_()
    assert "0 pictures moved back, 4 copies or links removed, 0 left." in undone


def test_a_table_its_reader_has_changed_is_neither_overwritten_nor_removed(scraped: Path) -> None:
    first = sort.run(config(scraped)).table
    first.write_text("notes of mine")

    second = sort.run(config(scraped)).table
    sort.undo(scraped.parent / "into")

    assert second.name == "sorted (2).csv"
    assert not second.exists()
    assert first.read_text() == "notes of mine"


def test_the_same_sort_again_adds_what_is_new(scraped: Path, draw_picture: Callable[..., Path]) -> None:
    sort.run(config(scraped, how="move"))
    draw_picture(scraped / "cat-0.7.png", seed=9)

    result = sort.run(config(scraped, how="move"))

    assert result.classes == {"cat": 2, "dog": 1}
    assert len(result.table.read_text().splitlines()) == 1 + 6


def test_what_lies_in_into_is_never_sorted_again(scraped: Path) -> None:
    inside = Config(Path("model"), scraped, scraped / "sorted")
    sort.run(inside)

    again = sort.run(inside)

    assert again.classes == {"cat": 1, "dog": 1}
    assert again.notes == (f"5 files in {str(scraped / 'sorted')!r} are passed over: sorted already.",)


def test_a_failing_prediction_leaves_no_empty_folder(scraped: Path, model: ByName) -> None:
    model.class_names = ("dog",)  # "cat" is then unknown to the rule
    with pytest.raises(KeyError):
        sort.run(config(scraped))
    assert not (scraped.parent / "into").exists()


def test_precision_takes_the_threshold_from_the_calibration(scraped: Path) -> None:
    result = sort.run(config(scraped, precision=0.9))

    assert result.rule.thresholds["cat"] == result.rule.thresholds["dog"]
    assert result.rule.thresholds["cat"] is not None
    assert result.rule.thresholds["cat"] < 0.8
    assert result.rule.text.startswith(
        "With 95 % confidence at least 90 % of the accepted pictures are right,"
    )


def test_a_precision_out_of_reach_says_how_many_more_and_what_is_supported(
    scraped: Path, model: ByName
) -> None:
    model.calibration = calibration(60, n_wrong=0)
    found = threshold_for_precision(model.calibration.top, model.calibration.correct, precision=0.99)
    with pytest.raises(InputError) as caught:
        sort.run(config(scraped, precision=0.99))
    # exact binomial, none wrong: 60 pictures support 0.95 (0.95 ** 59 < 0.05 < 0.955 ** 60)
    assert str(caught.value) == (
        f"{found.text} The best they support is --precision 0.95, which 100% of them reach."
    )
    assert not (scraped.parent / "into").exists()


def test_per_class_sends_unsupported_classes_to_unsure(scraped: Path) -> None:
    scores = calibration(400, n_wrong=0)
    rare = CalibrationScores(scores.top, scores.correct, (np.arange(400) < 10).astype(np.int64))
    rule = promised_rule(rare, ("cat", "dog"), precision=0.95, confidence=0.95, per_class=True)

    assert rule.thresholds["cat"] is not None
    assert rule.refusal(Prediction("a", "dog", 1.0)) == "unsure: no threshold can be promised for this class"
    assert rule.text == (
        "For each class by itself: with 95 % confidence at least 95 % of the accepted pictures are right, if "
        "they are drawn like the calibration ones. They cannot support it for 'dog' (some 49 more labelled "
        "ones would): all answered so go to unsure."
    )


def test_per_class_without_any_support_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        promised_rule(
            calibration(70, n_wrong=0), ("cat", "dog"), precision=0.95, confidence=0.95, per_class=True
        )
    assert str(caught.value).startswith("No class supports the promise by itself. 35 calibration pictures")
    assert "Without --per-class: The best they support is" in str(caught.value)


def test_a_precision_that_is_no_share_is_refused(scraped: Path) -> None:
    with pytest.raises(InputError) as caught:
        sort.run(config(scraped, precision=98))
    assert (
        str(caught.value) == "--precision is 98; it must lie between 0 and 1, for example --precision 0.95."
    )


@pytest.mark.parametrize(
    ("n_right", "n", "told"),
    [
        (100, 100, "The promise of 0.95 holds here."),
        (10, 30, "The promise of 0.95 does NOT hold here: they are of another kind."),
        (20, 20, "Too few to tell whether the promise of 0.95 holds here: label more of them."),
    ],
)
def test_labelled_pictures_tell_whether_the_promise_holds(n_right: int, n: int, told: str) -> None:
    rule = promised_rule(
        calibration(400, n_wrong=0), ("cat",), precision=0.95, confidence=0.95, per_class=False
    )
    answers = [Prediction(str(i), "cat", 1.0) for i in range(n)]
    labels = ["cat"] * n_right + ["junk"] * (n - n_right)

    assert told in check_rule(rule, answers, labels).text


def test_the_check_counts_only_accepted_answers_with_the_exact_interval() -> None:
    answers = [Prediction("a", "cat", 0.9)] * 10 + [Prediction("b", "cat", 0.1)] * 5
    check = check_rule(plain_rule(("cat",), threshold=0.5), answers, ["cat"] * 8 + ["fish"] * 7)

    # Clopper and Pearson, 8 of 10: 0.4439 to 0.9748 (R: binom.test(8, 10)$conf.int)
    assert check.interval == pytest.approx((0.44390, 0.97479), abs=1e-5)
    assert check.text == (
        "Of 15 labelled pictures 10 are accepted, 8 of them right: 80.0% (95 % interval 44.4% to 97.5%). "
        "7 of them are of classes that the model does not know ('fish')."
    )


def test_labelled_pictures_are_read_from_a_table(scraped: Path, tmp_path: Path) -> None:
    table = tmp_path / "labelled.csv"
    table.write_text("path,label\nscraped/cat-0.9.png,cat\nscraped/dog-0.8.png,cat\n")

    check = sort.run(config(scraped, labelled=table)).check

    assert check is not None
    assert (check.n_labelled, check.n_accepted, check.n_right) == (2, 2, 1)


def test_labelled_pictures_of_given_splits_are_all_read(scraped: Path, tmp_path: Path) -> None:
    for place, name in (("train/cat", "cat-0.9"), ("valid/dog", "dog-0.8")):
        (tmp_path / "labelled" / place).mkdir(parents=True)
        (scraped / f"{name}.png").rename(tmp_path / "labelled" / place / f"{name}.png")

    check = sort.run(config(scraped, labelled=tmp_path / "labelled")).check

    assert check is not None
    assert (check.n_labelled, check.n_right) == (2, 2)


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


def test_the_command_says_what_went_where(scraped: Path) -> None:
    into = scraped.parent / "into"
    done = CliRunner().invoke(cli_sort.command, ["model", str(scraped), "--into", str(into), "--move"])

    assert done.output.splitlines() == [
        f"2 pictures moved into class folders of {into}, 2 into unsure/.",
        "  1  cat",
        "  1  dog",
        "1 stay where they are:",
        f"  {scraped / 'broken.png'}: it is cut short",
        "Accepted is a probability of 0.6 or more (the model's own; without --precision).",
        f"What went where: {into / 'sorted.csv'}. Take it back: fovea sort --undo {into}",
    ]


def test_the_command_undoes_and_says_what_is_left(scraped: Path) -> None:
    into = scraped.parent / "into"
    sort.run(config(scraped, how="move"))
    (into / "cat" / "cat-0.9.png").write_bytes(b"edited")

    done = CliRunner().invoke(cli_sort.command, ["--undo", str(into)])

    assert done.output.splitlines() == [
        "3 pictures moved back, 0 copies or links removed.",
        f"1 left in {into}; run this again when that is settled:",
        "  cat/cat-0.9.png: it was changed since",
    ]


def test_json_counts_what_stands(scraped: Path) -> None:
    into = scraped.parent / "into"
    done = CliRunner().invoke(cli_sort.command, ["model", str(scraped), "--into", str(into), "--json"])
    told = json.loads(done.stdout)

    assert {name: told[name] for name in ("n_pictures", "n_sorted", "n_unsure", "n_left", "classes")} == {
        "n_pictures": 5, "n_sorted": 2, "n_unsure": 2, "n_left": 1, "classes": {"cat": 1, "dog": 1},
    }  # fmt: skip


def test_a_call_without_into_is_wrong_usage(scraped: Path) -> None:
    done = CliRunner().invoke(cli_sort.command, ["model", str(scraped)])
    assert done.exit_code == 2
    assert "Error: Give MODEL, SCRAPED and --into FOLDER, or --undo FOLDER." in done.output


def test_a_real_kill_in_the_middle_of_moving_is_gone_on_from(scraped: Path, model: ByName) -> None:
    from fovea.tasks.sort_folder import open_journal

    before = {path.name: path.read_bytes() for path in scraped.iterdir()}
    sort.run(config(scraped, how="move"))
    into = scraped.parent / "into"
    (into / "cat" / "cat-0.9.png").rename(scraped / "cat-0.9.png")  # as if its move had not come about
    with open_journal(into, settings=None) as journal:
        assert len(journal.entries) == 4

    assert sort.run(config(scraped, how="move")).n_sorted == 2
    sort.undo(into)

    assert {path.name: path.read_bytes() for path in scraped.iterdir()} == before


def test_a_kill_between_the_last_move_and_the_table_is_gone_on_from(scraped: Path) -> None:
    (scraped / "broken.png").unlink()
    table = sort.run(config(scraped, how="move")).table
    content = table.read_bytes()
    table.unlink()  # as if it had not been written any more

    result = sort.run(config(scraped, how="move"))

    assert (list(scraped.iterdir()), result.classes, result.n_unsure) == ([], {"cat": 1, "dog": 1}, 2)
    assert table.read_bytes() == content


def test_an_empty_folder_beside_a_sort_of_others_is_refused(scraped: Path, tmp_path: Path) -> None:
    sort.run(config(scraped, how="move"))
    (tmp_path / "scrap").mkdir()
    with pytest.raises(InputError) as caught:
        sort.run(config(tmp_path / "scrap", how="move"))
    assert str(caught.value) == (
        f"There is nothing to sort in {str(tmp_path / 'scrap')!r}. Give a folder that holds pictures."
    )


@pytest.mark.parametrize("how", [["--per-class"], ["--confidence", "0.95"]])
def test_how_to_promise_without_a_precision_is_wrong_usage(scraped: Path, how: list[str]) -> None:
    into = scraped.parent / "into"
    done = CliRunner().invoke(cli_sort.command, ["model", str(scraped), "--into", str(into), *how])
    assert done.exit_code == 2
    assert done.output.endswith(
        "Error: --per-class and --confidence say how --precision is promised: give --precision too.\n"
    )
    assert not into.exists()
