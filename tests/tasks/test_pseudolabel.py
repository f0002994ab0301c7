"""What `pseudolabel` promises: a run judged on labelled pictures alone, marks on what was added, and the old run untouched."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fovea.errors import InputError, OutputError
from fovea.manifest import read_manifest
from fovea.tasks.pseudolabel import Result, pseudolabel, tell
from fovea.tasks.train.train import train


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, draw_class: Any) -> Path:
    """Return a folder with labelled `photos` (3 x 8), unlabelled ones in `pool` (60, and copies), and the run `first`."""
    folder = tmp_path_factory.mktemp("pseudolabel")
    for kind in ("stripes", "dots", "plain"):
        for number in range(28):
            draw_class(folder / "photos" / kind if number < 8 else folder / "pool", kind, number)
    shutil.copy(folder / "pool" / "dots_010.png", folder / "pool" / "dots_010_again.png")
    shutil.copy(folder / "photos" / "dots" / "dots_000.png", folder / "pool" / "known.png")
    (folder / "pool" / "broken.png").write_bytes(b"no picture")
    (folder / "pool" / "list.csv").write_text("path,label")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(folder / "cache"))
        train(folder / "photos", out=folder / "first", threads=1)
    return folder


@pytest.fixture(scope="module")
def before(job: Path) -> dict[str, bytes]:
    return contents(job / "first")


@pytest.fixture(scope="module")
def done(job: Path, before: dict[str, bytes]) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(job / "cache"))
        return pseudolabel(
            job / "first",
            job / "pool",
            out=job / "second",
            csv=job / "added.csv",
            html=job / "added.html",
            threads=1,
        )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_the_surest_of_every_class_are_added(done: Result) -> None:
    assert done.n_unlabelled == 60  # without the copy, the known one and the broken file
    assert [one.n_added for one in done.rounds] == [0, 30, 42]  # a half, then 67 %, of 20 a class
    assert all(Path(path).name.startswith(label) for path, label, _, _ in done.added)


def test_the_manifest_marks_what_was_added(job: Path, done: Result) -> None:
    rows = read_manifest(job / "second" / "manifest.csv", root=job / "photos").rows
    marked = {row.path: row for row in rows if row.pseudo_round}
    assert len(marked) == 42
    assert {Path(path).name for path in marked} == {path for path, _, _, _ in done.added}
    assert all(Path(path).is_absolute() and row.split == "train" for path, row in marked.items())
    assert {row.pseudo_round for row in marked.values()} == {1, 2}
    assert len(rows) - len(marked) == 24


def test_only_labelled_pictures_judge(done: Result) -> None:
    metrics = done.trained.metrics
    assert metrics["n_train"] + metrics["n_valid"] == 24
    assert metrics["n_measured"] == 24
    assert done.text in metrics["notes"]


def test_the_new_run_predicts(job: Path, done: Result) -> None:
    assert done.model.predict(job / "pool" / "stripes_020.png")[0].class_name == "stripes"


def test_the_earlier_run_and_all_pictures_stay_as_they_were(
    job: Path, before: dict[str, bytes], done: Result
) -> None:
    assert contents(job / "first") == before


def test_the_table_lists_what_was_added(job: Path, done: Result) -> None:
    with (job / "added.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["label"], int(row["round"])) for row in rows] == [
        (path, label, number) for path, label, _, number in done.added
    ]


def test_the_page_shows_what_was_added(job: Path, done: Result) -> None:
    page = (job / "added.html").read_text()
    assert all(path in page for path, _, _, _ in done.added)
    assert page.count("data:image/jpeg") == 42


def test_json_holds_rounds_and_metrics(done: Result) -> None:
    told = json.loads(json.dumps(done.to_json()))
    assert [one["round"] for one in told["rounds"]] == [0, 1, 2]
    assert told["n_added"] == len(told["added"]) == 42
    assert [one["path"] for one in told["quarantined"]] == ["broken.png"]
    assert told["notes"] == done.trained.metrics["notes"]
    assert "Left out, no pictures by their names: 'list.csv'." in told["notes"]
    assert told["seconds"] == round(done.seconds, 3) > 0


def test_pictures_of_the_run_alone_leave_nothing_to_add(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(job / "cache"))
    with pytest.raises(InputError) as caught:
        pseudolabel(job / "first", job / "photos", out=tmp_path / "out", threads=1)
    assert str(caught.value) == (
        f"There is nothing to add: of the 24 pictures in {str(job / 'photos')!r} all that can be read are among the run's own. "
        "Name a folder with other pictures."
    )
    assert not (tmp_path / "out").exists()


def test_a_table_that_is_there_is_not_written_over(job: Path, tmp_path: Path) -> None:
    (tmp_path / "added.csv").write_text("mine")
    with pytest.raises(OutputError, match="Choose another name for --csv"):
        pseudolabel(job / "first", job / "pool", out=tmp_path / "out", csv=tmp_path / "added.csv")
    assert (tmp_path / "added.csv").read_text() == "mine"


@pytest.mark.parametrize("rounds", [0, 6])
def test_rounds_out_of_reason_are_refused(job: Path, tmp_path: Path, rounds: int) -> None:
    with pytest.raises(InputError) as caught:
        pseudolabel(job / "first", job / "pool", out=tmp_path / "out", rounds=rounds)
    assert str(caught.value) == f"--rounds is {rounds}; give 1 to 5."


def test_what_did_not_help_is_said() -> None:
    from fovea.learn import Round

    rounds = (Round(0, 0, 0.8, 0.5, is_kept=True), Round(1, 120, 0.76, 0.6, is_kept=False))
    assert tell(rounds, n_added=0, n_unlabelled=240) == (
        "No pseudo-labels were added: with 120 of them, accuracy on the labelled pictures would go from 80.0 % to 76.0 % "
        "(cross-validated). Label more pictures: fovea next."
    )


def test_that_nothing_was_sure_enough_is_said() -> None:
    from fovea.learn import Round

    assert tell((Round(0, 0, 0.8, 0.5, is_kept=True),), n_added=0, n_unlabelled=240) == (
        "No pseudo-labels were added: of 240 unlabelled pictures none has a label that is more likely right than wrong. Label more "
        "pictures: fovea next."
    )


def test_too_few_pictures_to_cross_validate_are_refused(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(job / "cache"))
    monkeypatch.setattr("fovea.tasks.pseudolabel.LEAST_FOLDS", 6)  # of the five that there are
    with pytest.raises(InputError) as caught:
        pseudolabel(job / "first", job / "pool", out=tmp_path / "out", threads=1)
    assert str(caught.value) == (
        "The run learned from 24 different pictures in all, too few to tell by cross-validation whether pseudo-labels help. "
        "Label 6 pictures a class or more."
    )


def test_a_run_whose_network_was_trained_on_its_pictures_is_refused(job: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(job / "first", tmp_path / "tuned"))
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**metrics, "training": {"kept": "the last block"}}))
    with pytest.raises(InputError) as caught:
        pseudolabel(run, job / "pool", out=tmp_path / "out", threads=1)
    assert str(caught.value) == (
        f"The network of {str(run)!r} was trained on 24 of the 24 pictures that the run learned from, so cross-validation on "
        "these cannot tell whether pseudo-labels help. Name a run that keeps a probe on another network: fovea train PHOTOS "
        "--out FOLDER."
    )


@pytest.mark.parametrize("seed", [None, 7])
def test_the_run_is_trained_as_it_was(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int | None
) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(job / "cache"))
    wished: dict[str, Any] = {
        "precision": 0.9,
        "confidence": 0.8,
        "per_class": True,
        "balance": True,
        "views": 2,
        "seed": 3,
    }
    first = train(job / "photos", out=tmp_path / "first", threads=1, valid_share=0.3, **wished)
    done = pseudolabel(first.folder, job / "pool", out=tmp_path / "out", threads=1, seed=seed)
    told, before = (json.loads((run.folder / "model.json").read_text()) for run in (done, first))
    assert (before["seed"], told["seed"]) == (3, seed or 3)
    for name in ("promise", "balance", "valid_share", "backbone"):
        assert told["settings"][name] == before["settings"][name]
    (promised,) = done.trained.metrics["guarantees"]
    assert (promised["precision"], promised["confidence"]) == (0.9, 0.8)


def test_a_private_run_is_asked_where_its_pictures_lie(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(job / "cache"))
    train(job / "photos", out=tmp_path / "private", threads=1, private=True)
    with pytest.raises(InputError) as caught:
        pseudolabel(tmp_path / "private", job / "pool", out=tmp_path / "out", threads=1)
    assert str(caught.value) == (
        f"{str(tmp_path / 'private')!r} does not say where its pictures lie (it was trained with --private). Name the place: "
        "--photos FOLDER."
    )


def test_a_private_run_names_no_place(job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(job / "cache"))
    done = pseudolabel(job / "first", job / "pool", out=tmp_path / "out", threads=1, private=True)
    assert done.added
    written = [file for file in done.folder.rglob("*") if file.is_file()]
    assert [file.name for file in written if str(job).encode() in file.read_bytes()] == []
