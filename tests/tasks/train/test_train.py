"""What `train` promises: a whole run or none, nothing of the user's changed, the same bytes twice."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import fovea
from fovea.errors import InputError, OutputError
from fovea.manifest import read_manifest
from fovea.tasks.options import configure
from fovea.tasks.train.train import Config, train

PROMISED = {
    "accuracy", "accuracy_interval", "baseline_accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece",
    "ece_floor", "n_train", "n_valid", "n_quarantined", "n_leaked", "images_per_second", "seconds", "backbone",
    "engine", "precision",
}  # fmt: skip


def tree_hash(folder: Path) -> str:
    """Return one hash of all names and contents in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(p).encode() + p.read_bytes() for p in files)).hexdigest()


def test_a_run_holds_the_model_its_figures_and_its_evidence(photos: Path, tmp_path: Path) -> None:
    run = train(photos, out=tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        "model.json", "head.safetensors", "backbone", "golden", "metrics.json", "report.html", "manifest.csv",
        "predictions.csv", "card.md",
    }  # fmt: skip
    assert run.metrics.keys() >= PROMISED
    assert run.metrics["seconds"].keys() == {"scan", "extract", "fit", "judge", "total"}
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == run.metrics
    assert run.metrics["n_train"] + run.metrics["n_valid"] == 120


def test_drawn_classes_are_told_apart_on_pictures_held_out(photos: Path, tmp_path: Path) -> None:
    run = train(photos, out=tmp_path / "run")
    assert run.metrics["protocol"] == "held-out"
    assert run.metrics["accuracy"] >= 0.9 > run.metrics["baseline_accuracy"]


def test_nothing_of_the_users_is_changed(photos: Path, tmp_path: Path) -> None:
    before = tree_hash(photos)
    train(photos, out=tmp_path / "run")
    assert tree_hash(photos) == before


def test_the_saved_model_predicts_what_was_trained(
    photos: Path, tmp_path: Path, draw_class: Callable[..., Path]
) -> None:
    run = train(photos, out=tmp_path / "run")
    new = [
        draw_class(tmp_path / "new", kind, 900 + k) for kind in ("stripes", "dots", "plain") for k in range(4)
    ]
    answers = fovea.load(tmp_path / "run").predict(new)
    right = sum(
        str(path.name).startswith(str(one.class_name)) for path, one in zip(new, answers, strict=True)
    )
    assert right >= 10
    assert [one.class_name for one in run.model.predict(new)] == [one.class_name for one in answers]


def test_pictures_enter_at_the_size_that_was_asked_for_then_and_later(photos: Path, tmp_path: Path) -> None:
    run = train(photos, out=tmp_path / "run", size="96x160")
    preprocess = fovea.load(tmp_path / "run").encoder.preprocess
    assert (preprocess.height_px, preprocess.width_px) == (96, 160)
    assert run.metrics["accuracy"] >= 0.9
    assert "96x160 px" in run.report.read_text()
    usual = train(photos, out=tmp_path / "usual")
    assert usual.model.encoder.fingerprint != run.model.encoder.fingerprint


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("big", "--size 'big': write the side in pixels, such as 288, or height x width, such as 384x272."),
        ("4", "--size '4': a side has 8 to 2,048 pixels."),
        ("96x9999", "--size '96x9999': a side has 8 to 2,048 pixels."),
    ],
)
def test_a_size_that_is_none_is_refused(photos: Path, tmp_path: Path, size: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        train(photos, out=tmp_path / "run", size=size)
    assert str(caught.value) == said


def test_the_same_command_writes_the_same_head_byte_for_byte(photos: Path, tmp_path: Path) -> None:
    train(photos, out=tmp_path / "one")
    train(photos, out=tmp_path / "two")
    for name in ("head.safetensors", "manifest.csv", "predictions.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_second_training_decodes_nothing(photos: Path, tmp_path: Path) -> None:
    assert train(photos, out=tmp_path / "one").metrics["n_decoded"] == 120
    assert train(photos, out=tmp_path / "two").metrics["n_decoded"] == 0


def test_a_finished_run_is_not_overwritten(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(photos, out=out)
    before = tree_hash(out)
    with pytest.raises(OutputError) as caught:
        train(photos, out=out)
    assert str(caught.value) == (
        f"There is a finished run in {str(out)!r}, and nothing is overwritten. Choose another name, for example "
        f"--out {str(tmp_path / 'run-2')!r}; with --since {str(out)!r} its splits are kept and the report says which "
        "answers changed."
    )
    assert tree_hash(out) == before


def test_something_else_in_the_place_of_the_run_is_not_overwritten(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(OutputError, match="is not a run of fovea's, and nothing is overwritten"):
        train(photos, out=tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


def stop_during(stage: str, *, after: int) -> Callable[[str, int, int], None]:
    """Return a progress that presses Ctrl-C in a stage."""

    def progress(name: str, n_done: int, n_total: int) -> None:
        if name == stage and n_done > after:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_run_continues_with_the_same_settings(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(photos, out=tmp_path / "run", progress=stop_during("extract", after=40))
    assert not (tmp_path / "run").exists()
    run = train(photos, out=tmp_path / "run")
    assert run.metrics["n_decoded"] < 120
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_unfinished_run_with_other_settings_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(photos, out=tmp_path / "run", progress=stop_during("extract", after=0))
    marker = tmp_path / ".run.settings.json"
    with pytest.raises(OutputError) as caught:
        train(photos, out=tmp_path / "run", seed=1)
    assert str(caught.value) == (
        f"A run into {str(tmp_path / 'run')!r} was begun with other settings and not finished (seed was 0 and is 1). "
        f"Give the same settings to continue it, choose another --out, or delete {str(marker)!r} to begin anew; stored "
        "features are used again in any case."
    )


def test_a_users_mistake_leaves_no_marker_behind(tmp_path: Path, draw_class: Callable[..., Path]) -> None:
    draw_class(tmp_path / "photos" / "plain", "plain", 1)
    draw_class(tmp_path / "photos" / "plain", "plain", 2)
    with pytest.raises(InputError, match="There is one class only: 'plain' with 2 pictures"):
        train(tmp_path / "photos", out=tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_broken_files_are_quarantined_with_path_and_reason(photos: Path, tmp_path: Path) -> None:
    (photos / "dots" / "empty.jpg").write_bytes(b"")
    (photos / "dots" / "page.jpg").write_bytes(b"<!doctype html><p>not found")
    run = train(photos, out=tmp_path / "run")
    rows = read_manifest(tmp_path / "run" / "manifest.csv").rows
    problems = {row.path: row.problem for row in rows if row.problem}
    assert run.metrics["n_quarantined"] == 2
    assert problems.keys() == {"dots/empty.jpg", "dots/page.jpg"}
    assert "HTML" in problems["dots/page.jpg"]


def test_copies_by_bytes_and_by_pixels_stand_on_one_side(photos: Path, tmp_path: Path) -> None:
    from PIL import Image

    pairs = []
    for number in range(0, 40, 2):
        original = photos / "stripes" / f"stripes_{number:03d}.png"
        shutil.copy(original, photos / "stripes" / f"bytes_{number:03d}.png")
        with Image.open(original) as picture:
            picture.save(photos / "stripes" / f"pixels_{number:03d}.bmp")
        pairs.append((original.name, f"bytes_{number:03d}.png", f"pixels_{number:03d}.bmp"))
    train(photos, out=tmp_path / "run")
    sides = {Path(row.path).name: row.split for row in read_manifest(tmp_path / "run" / "manifest.csv").rows}
    assert all(len({sides[name] for name in pair}) == 1 for pair in pairs)


def split_photos(photos: Path, folder: Path) -> Path:
    """Copy the photos into train/ and valid/ folders, every fifth into valid."""
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        side = "valid" if number % 5 == 0 else "train"
        (folder / side / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / side / path.parent.name / path.name)
    return folder


def test_leaks_between_given_splits_are_counted_and_left_out_of_a_second_figure(
    photos: Path, tmp_path: Path
) -> None:
    given = split_photos(photos, tmp_path / "given")
    for path in sorted((given / "train" / "dots").iterdir())[:3]:
        shutil.copy(path, given / "valid" / "dots" / f"leaked_{path.name}")
    metrics = train(given, out=tmp_path / "run").metrics
    assert (metrics["protocol"], metrics["n_leaked"]) == ("given", 3)
    assert metrics["without_leaks"]["n"] == metrics["n_valid"] - 3


def test_a_test_split_is_read_after_everything_was_chosen(photos: Path, tmp_path: Path) -> None:
    given = split_photos(photos, tmp_path / "given")
    shutil.copytree(given / "valid", given / "test")
    (given / "valid" / "dots").rename(tmp_path / "aside")
    shutil.copytree(tmp_path / "aside", given / "valid" / "dots")
    stages: list[str] = []
    run = train(given, out=tmp_path / "run", progress=lambda stage, done, total: stages.append(stage))
    assert run.metrics["n_test"] == run.metrics["test"]["n"] == 24
    last_extract = max(k for k, stage in enumerate(stages) if stage == "extract")
    assert last_extract > max(k for k, stage in enumerate(stages) if stage == "fit")


def test_few_pictures_are_cross_validated_and_it_is_said(
    tmp_path: Path, draw_class: Callable[..., Path]
) -> None:
    for kind in ("dots", "stripes"):
        for number in range(6):
            draw_class(tmp_path / "few" / kind, kind, number)
    metrics = train(tmp_path / "few", out=tmp_path / "run").metrics
    assert (metrics["protocol"], metrics["measured"], metrics["n_valid"]) == (
        "cross-validated",
        "out-of-fold",
        0,
    )
    assert any("cross-validated" in note for note in metrics["notes"])


def test_two_pictures_a_class_are_enough_to_train(tmp_path: Path, draw_class: Callable[..., Path]) -> None:
    for kind in ("dots", "stripes"):
        for number in range(2):
            draw_class(tmp_path / "few" / kind, kind, number)
    assert train(tmp_path / "few", out=tmp_path / "run").metrics["n_train"] == 4


def test_classes_are_dropped_and_merged_without_touching_files(photos: Path, tmp_path: Path) -> None:
    before = tree_hash(photos)
    run = train(photos, out=tmp_path / "run", drop=("plain",), merge={"dots": "spots"})
    assert run.metrics["class_names"] == ["spots", "stripes"]
    assert tree_hash(photos) == before


def test_since_keeps_the_splits_and_says_which_answers_changed(
    photos: Path, tmp_path: Path, draw_class: Callable[..., Path]
) -> None:
    train(photos, out=tmp_path / "first")
    for number in range(40, 50):
        draw_class(photos / "dots", "dots", number)
    (photos / "stripes" / "stripes_000.png").rename(photos / "plain" / "stripes_000.png")
    run = train(photos, out=tmp_path / "second", since=tmp_path / "first")
    one, two = (read_manifest(tmp_path / name / "manifest.csv").rows for name in ("first", "second"))
    sides = {row.sha256: row.split for row in two}
    assert all(sides[row.sha256] == row.split for row in one)
    assert run.metrics["n_decoded"] == 10
    since = run.metrics["since"]
    assert since["n_compared"] == 120
    assert since["text"].startswith("Of 120 pictures in both runs ")


def test_private_leaves_thumbnails_and_absolute_paths_out(photos: Path, tmp_path: Path) -> None:
    train(photos, out=tmp_path / "run", private=True)
    for name in ("report.html", "manifest.csv", "metrics.json", "model.json", "card.md", "predictions.csv"):
        text = (tmp_path / "run" / name).read_text(encoding="utf-8-sig")
        assert str(tmp_path) not in text
        assert "data:image/jpeg" not in text


def test_the_report_shows_the_figures_of_metrics_json(photos: Path, tmp_path: Path) -> None:
    run = train(photos, out=tmp_path / "run")
    page = run.report.read_text()
    assert f"Right on {run.metrics['n_right']} of {run.metrics['n_measured']}" in page
    assert "<script" not in page
    assert "Right on" in run._repr_html_()


def test_an_unknown_setting_is_refused_with_the_closest_name() -> None:
    with pytest.raises(TypeError) as caught:
        configure(Config, {"photos": Path("a"), "out": Path("b"), "sede": 1})
    assert str(caught.value) == "no setting 'sede'. Did you mean 'seed'?"


def test_settings_find_their_place_in_groups() -> None:
    config = configure(
        Config, {"photos": Path("a"), "out": Path("b"), "views": 2, "precision": 0.9, "seed": 3}
    )
    assert (config.backbone.views, config.promise.precision, config.seed) == (2, 0.9, 3)


def test_a_share_outside_its_range_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        train(photos, out=tmp_path / "run", precision=98)
    assert (
        str(caught.value) == "--precision is 98; it must lie between 0 and 1, for example --precision 0.95."
    )


def test_a_test_split_is_recorded_with_its_problems_and_its_leaks(photos: Path, tmp_path: Path) -> None:
    given = split_photos(photos, tmp_path / "given")
    (given / "valid").rename(given / "test")
    for path in sorted((given / "train" / "dots").iterdir())[:3]:
        shutil.copy(path, given / "test" / "dots" / f"leaked_{path.name}")
    (given / "test" / "dots" / "empty.jpg").write_bytes(b"")
    metrics = train(given, out=tmp_path / "run").metrics
    rows = read_manifest(tmp_path / "run" / "manifest.csv").rows
    assert sum(row.split == "test" and not row.problem for row in rows) == metrics["n_test"] == 27
    assert [row.path for row in rows if row.problem] == ["test/dots/empty.jpg"]
    assert (metrics["n_quarantined"], metrics["test"]["n_leaked"]) == (1, 3)
    assert metrics["test"]["without_leaks"]["n"] == 24


def test_the_promise_asked_for_decides_what_is_unsure(photos: Path, tmp_path: Path) -> None:
    run = train(photos, out=tmp_path / "run", precision=0.9)
    asked = run.metrics["guarantees"][0]
    assert asked["precision"] == run.metrics["unsure"]["precision"] == 0.9
    assert run.metrics["unsure_threshold"] == asked["threshold"] == run.model.thresholds.unsure


def test_merging_a_class_since_an_earlier_run_mends_no_answer(photos: Path, tmp_path: Path) -> None:
    train(photos, out=tmp_path / "first")
    run = train(photos, out=tmp_path / "second", since=tmp_path / "first", merge={"dots": "spots"})
    assert run.metrics["since"]["n_changed"] == run.metrics["since"]["n_fixed"] == 0
