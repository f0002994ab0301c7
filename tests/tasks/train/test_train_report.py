"""What a run's evidence promises: the page, the figures, the manifest and the answers say the same, and nothing is left out."""

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fovea.errors import InputError, MissingInputError, ModelError
from fovea.features import open_backbone
from fovea.manifest import Manifest, Row, read_manifest
from fovea.tasks.train.method import TrainingFacts
from fovea.tasks.train.report import told_training, without_places
from fovea.tasks.train.since import Answer, read_earlier, write_answers
from fovea.tasks.train.train import Run, train


def test_what_is_told_of_training_names_no_place_in_private() -> None:
    facts = TrainingFacts("average", "the mean of 2", "The mean of '/home/me/a' and '/home/me/b' is kept.")
    told = told_training(facts, private=True)
    assert told is not None
    assert told["text"] == "The mean of '…/a' and '…/b' is kept."
    assert told_training(facts, private=False) == facts.to_json()
    assert told_training(None, private=True) is None


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, draw_class: Callable[..., Path]) -> Path:
    """Return train/ and valid/ folders with copies across and within, an empty file and a grey picture."""
    folder = tmp_path_factory.mktemp("report") / "given"
    for kind in ("stripes", "dots", "plain"):
        for number in range(40):
            draw_class(folder / ("valid" if number % 5 == 0 else "train") / kind, kind, number)
    train_side, valid = folder / "train", folder / "valid"
    shutil.copy(train_side / "dots" / "dots_001.png", valid / "dots" / "bytes.png")
    with Image.open(train_side / "stripes" / "stripes_002.png") as picture:
        picture.save(valid / "stripes" / "pixels.bmp")
    shutil.copy(train_side / "plain" / "plain_003.png", train_side / "plain" / "again.png")
    with Image.open(train_side / "plain" / "plain_004.png") as picture:
        picture.convert("L").save(train_side / "plain" / "plain_004.png")
    (train_side / "dots" / "empty.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def runs(given: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Run]]:
    """Return a run, and another since it after one picture got another label."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FOVEA_CACHE", str(tmp_path_factory.mktemp("report-cache")))
        first = train(given, out=given.parent / "first", precision=0.9)
        moved = given / "train" / "dots" / "dots_006.png"
        moved.rename(given / "train" / "plain" / "moved.png")
        second = train(given, out=given.parent / "second", since=first.folder)
        (given / "train" / "plain" / "moved.png").rename(moved)
        yield first, second


@pytest.fixture
def first(runs: tuple[Run, Run]) -> Run:
    return runs[0]


@pytest.fixture
def second(runs: tuple[Run, Run]) -> Run:
    return runs[1]


@pytest.fixture
def copied(first: Run, tmp_path: Path) -> Path:
    """Return a copy of the run's folder, to be spoilt."""
    return Path(shutil.copytree(first.folder, tmp_path / "copied"))


def answers_of(run: Run) -> list[dict[str, str]]:
    """Return the rows of predictions.csv."""
    return list(csv.DictReader((run.folder / "predictions.csv").read_text(encoding="utf-8").splitlines()))


def test_the_page_holds_the_figures_of_metrics_json(first: Run) -> None:
    metrics = json.loads((first.folder / "metrics.json").read_text())
    assert first.page.accuracy == metrics["accuracy"]
    assert {figure.key: figure.value for figure in first.page.figures}.items() <= metrics.items()
    assert (first.page.n_judged, first.page.n_right) == (metrics["n_measured"], metrics["n_right"])
    assert first.page.mistakes.n_total == metrics["n_mistakes"]
    assert list(first.page.next_steps) == metrics["next_steps"]


def test_copies_across_the_sides_come_first_and_say_what_they_share(first: Run) -> None:
    pairs = {(pair.first.path, pair.second.path): pair.kind for pair in first.page.duplicates}
    across = [pair.first.split != pair.second.split for pair in first.page.duplicates]
    assert across == sorted(across, reverse=True)
    assert pairs["train/dots/dots_001.png", "valid/dots/bytes.png"] == "same bytes"
    assert pairs["train/stripes/stripes_002.png", "valid/stripes/pixels.bmp"] == "same pixels"
    assert pairs["train/plain/again.png", "train/plain/plain_003.png"] == "same bytes"


def test_leaked_pictures_are_counted_and_the_figures_stand_beside_those_without(first: Run) -> None:
    assert first.page.n_leaked == first.metrics["n_leaked"] == 2
    without = first.metrics["without_leaks"]
    assert {row.key: (row.value, row.without) for row in first.page.leak_figures} == {
        key: (first.metrics[key], without[key])
        for key in ("accuracy", "balanced_accuracy", "macro_f1", "log_loss")
    }


def test_the_lists_hold_all_that_the_numbers_count(first: Run, second: Run) -> None:
    for run in (first, second):
        for name in ("mistakes", "suspects", "leaked"):
            assert len(run.metrics[name]) == run.metrics[f"n_{name}"]
    assert sorted(first.metrics["leaked"]) == ["valid/dots/bytes.png", "valid/stripes/pixels.bmp"]


def test_a_wrong_label_is_listed_by_path_with_what_it_may_be(second: Run) -> None:
    suspects = {one["path"]: one for one in second.metrics["suspects"]}
    moved = suspects["train/plain/moved.png"]
    assert (moved["split"], moved["label"], moved["suggested"]) == ("train", "plain", "dots")
    assert 0 <= moved["quality"] < 0.5
    shown = {thumb.path: thumb for thumb in second.page.label_issues.thumbs}["train/plain/moved.png"]
    told = {one["path"]: one for one in answers_of(second)}["train/plain/moved.png"]
    assert shown.probability == pytest.approx(float(told["probability"]), abs=1e-6)


def test_mistakes_are_the_wrong_answers_of_the_held_out_part(second: Run) -> None:
    wrong = {
        (one["path"], one["label"], one["answer"])
        for one in answers_of(second)
        if one["split"] == "valid" and one["label"] != one["answer"]
    }
    assert {(one["path"], one["label"], one["answer"]) for one in second.metrics["mistakes"]} == wrong


def test_the_test_split_stands_on_the_page(
    given: Path, tmp_path: Path, draw_class: Callable[..., Path]
) -> None:
    photos = Path(shutil.copytree(given, tmp_path / "photos"))
    for number in range(50, 55):
        draw_class(photos / "test" / "dots", "dots", number)
    shutil.copy(photos / "train" / "dots" / "dots_001.png", photos / "test" / "dots" / "copy.png")
    run = train(photos, out=tmp_path / "run")
    page, test = run.page, run.metrics["test"]
    assert (page.test_n, page.test_n_right, page.test_accuracy) == (6, test["n_right"], test["accuracy"])
    assert page.test_interval == tuple(test["accuracy_interval"])
    assert (page.test_n_leaked, page.test_without_leaks) == (1, test["without_leaks"]["accuracy"])
    assert "On the test split, read once after everything was chosen" in run.report.read_text()


def test_what_was_left_out_and_converted_is_listed(first: Run) -> None:
    assert first.page.quarantined == (("train/dots/empty.jpg", "an empty file (0 bytes)"),)
    assert first.page.conversions == (("grey", 1),)


def test_every_class_says_how_many_it_learned_from(first: Run) -> None:
    n_train = {one.name: one.n_train for one in first.page.classes}
    assert n_train == {"dots": 32, "plain": 33, "stripes": 32}
    assert sum(n_train.values()) == first.metrics["n_train"]


def test_the_promise_that_was_asked_for_is_the_one_shown(first: Run) -> None:
    assert [promise.precision for promise in first.page.promises] == [0.9]
    assert all(promise.confidence == 0.95 for promise in first.page.promises)


def test_the_page_says_with_what_it_was_made(first: Run) -> None:
    made = dict(first.page.provenance)
    assert made["data fingerprint"] == first.metrics["data_fingerprint"]
    assert made["backbone"].startswith(f"{first.metrics['backbone']}, ")
    assert dict(first.page.settings)["seed"] == "0"
    assert [stage.name for stage in first.page.stages] == ["scan", "extract", "fit", "judge", "total"]


def test_every_row_in_use_has_an_answer_and_no_other(first: Run) -> None:
    used = [row for row in read_manifest(first.folder / "manifest.csv").rows if row.split and not row.problem]
    answers = answers_of(first)
    assert sorted((row.path, row.sha256, row.split, row.label) for row in used) == sorted(
        (one["path"], one["sha256"], one["split"], one["label"]) for one in answers
    )


def test_answers_on_the_held_out_part_are_the_saved_models(first: Run, given: Path) -> None:
    rows = read_manifest(first.folder / "manifest.csv").rows
    held_out = [row for row in rows if row.split == "valid"]
    told = {one["sha256"]: one for one in answers_of(first)}
    for row, one in zip(held_out, first.model.predict([given / row.path for row in held_out]), strict=True):
        assert told[row.sha256]["answer"] == one.class_name
        assert float(told[row.sha256]["probability"]) == pytest.approx(one.probability, abs=1e-3)


def test_an_earlier_run_is_read_back_as_it_was_written(first: Run) -> None:
    earlier = read_earlier(first.folder)
    assert {sha256: (one.answer, one.probability) for sha256, one in earlier.answers.items()} == {
        one["sha256"]: (one["answer"], float(one["probability"])) for one in answers_of(first)
    }
    assert earlier.manifest.rows == read_manifest(first.folder / "manifest.csv").rows


def test_a_head_is_taken_over_only_for_the_same_network_and_classes(first: Run) -> None:
    earlier, encoder = read_earlier(first.folder), first.model.encoder
    assert earlier.head_for(encoder, ["dots", "plain", "stripes"]) is earlier.head
    assert earlier.head_for(encoder, ["dots", "plain"]) is None
    squashing = open_backbone(fit="squash")
    assert earlier.head_for(squashing, ["dots", "plain", "stripes"]) is None


def test_changed_answers_are_those_that_differ_between_the_two_files(first: Run, second: Run) -> None:
    before = {one["sha256"]: one["answer"] for one in answers_of(first)}
    differing = [one for one in answers_of(second) if before[one["sha256"]] != one["answer"]]
    since = second.metrics["since"]
    assert (since["n_compared"], since["n_changed"]) == (len(answers_of(second)), len(differing))
    assert (second.page.since, second.page.n_changes) == ("first", len(differing))
    assert len(second.page.changes) == min(len(differing), 24)
    assert all(change.before != change.thumb.answer for change in second.page.changes)
    assert second.page.changes_text == since["text"]
    assert since["text"].partition("(")[0] in second.report.read_text()


@pytest.mark.parametrize(
    ("then", "now", "shown"),
    [
        ({}, {"kitten": "cat"}, {"cat": "cat", "kitten": "cat", "dog": "dog"}),
        ({"kitten": "cat"}, {"kitten": "cat"}, {"cat": "cat", "dog": "dog"}),
        ({"cat": "dog", "dog": "fox"}, {"cat": "dog", "dog": "fox"}, {"dog": "dog", "fox": "fox"}),
        ({"kitten": "cat"}, {"kitten": "pet", "cat": "pet"}, {"cat": "pet", "dog": "dog"}),
        ({"kitten": "cat"}, {}, {"cat": "cat", "dog": "dog"}),
    ],
    ids=["merged now", "merged both times", "in a chain", "merged further", "no more"],
)
def test_earlier_answers_go_by_the_classes_of_now(
    first: Run, then: dict[str, str], now: dict[str, str], shown: dict[str, str]
) -> None:
    answers = {name: Answer(name, 0.9) for name in shown}
    earlier = replace(read_earlier(first.folder), answers=answers, merge=then)
    assert {sha: one.answer for sha, one in earlier.answers_under(now).items()} == shown


def test_an_earlier_run_remembers_what_it_merged(given: Path, tmp_path: Path) -> None:
    train(given, out=tmp_path / "run", merge={"dots": "plain"})
    assert read_earlier(tmp_path / "run").merge == {"dots": "plain"}


def test_splits_of_the_earlier_run_are_kept(first: Run, second: Run) -> None:
    one, two = (
        {row.sha256: row.split for row in read_manifest(run.folder / "manifest.csv").rows}
        for run in (first, second)
    )
    assert one == two


def test_a_run_without_its_answers_is_no_earlier_run(copied: Path) -> None:
    (copied / "predictions.csv").unlink()
    with pytest.raises(InputError) as caught:
        read_earlier(copied)
    assert str(caught.value) == (
        f"--since {str(copied)!r}: its manifest.csv or predictions.csv is missing, so it cannot be compared with. "
        "Name another run, or train without --since."
    )


@pytest.mark.parametrize("name", ["predictions.csv", "manifest.csv"])
def test_a_run_whose_evidence_was_edited_is_no_earlier_run(copied: Path, name: str) -> None:
    (copied / name).write_text("sha256\nx\n")
    with pytest.raises(ModelError, match=name):
        read_earlier(copied)


def test_what_is_no_run_is_no_earlier_run(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="There is no model folder at"):
        read_earlier(tmp_path / "nowhere")


def test_class_names_of_any_kind_come_back_from_the_answers() -> None:
    names = ("a,b", 'say "hi"', "line\rbreak\n", "K\udce4se", "=1+1")
    rows = [Row(f"{k}\udce4.jpg", name, "train") for k, name in enumerate(names)]
    content = write_answers(rows, probabilities=np.eye(5), class_names=names)
    text = io.StringIO(content.decode(errors="surrogateescape"), newline="")
    read = [(row["path"], row["label"], row["answer"]) for row in csv.DictReader(text)]
    assert read == [(row.path, row.label, row.label) for row in rows]


@pytest.mark.parametrize(
    ("root", "path"), [("/", "…/a.jpg"), ("/home", "anna/cats/a.jpg"), ("/home/anna", "anna/cats/a.jpg")]
)
def test_a_private_manifest_names_no_absolute_path(root: str, path: str) -> None:
    row = Row("anna/cats/a.jpg", "cat", problem="cannot be read from '/home/anna/cats/a.jpg'")
    (cleaned,) = without_places(Manifest(Path(root), (row,))).rows
    assert (cleaned.path, cleaned.label) == (path, "cat")
    assert cleaned.problem == "cannot be read from '…/a.jpg'"


def test_a_private_manifest_does_not_say_where_a_missing_picture_was_looked_for() -> None:
    row = Row(
        "/far/anna/x.jpg", "cat", problem="row 2 of t.csv: there is no file '/far/anna/x.jpg'; delete the row"
    )
    (cleaned,) = without_places(Manifest(Path("/home"), (row,))).rows
    assert (cleaned.path, cleaned.problem) == (
        "…/x.jpg",
        "row 2 of t.csv: there is no file '…/x.jpg'; delete the row",
    )


def test_notes_of_a_private_run_name_no_absolute_path(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "not a folder"
    broken.write_text("mine")
    monkeypatch.setenv("FOVEA_CACHE", str(broken))
    open_run = train(given, out=tmp_path / "open").metrics["notes"]
    private = train(given, out=tmp_path / "private", private=True).metrics["notes"]
    assert any(str(broken) in note for note in open_run)
    assert len(private) == len(open_run)
    assert not any(str(tmp_path) in note for note in private)
