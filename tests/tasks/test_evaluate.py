"""`evaluate`: figures on new labelled pictures, what they leave out, leaked ones, and what is said when "
"none can be scored."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fovea.cli import group
from fovea.errors import InputError
from fovea.manifest import Manifest, Row
from fovea.manifest.saved import manifest_bytes
from fovea.model import ModelParts, load_model, write_model
from fovea.pictures import content_sha256
from fovea.tasks.evaluate import Result, evaluate

MODEL = Path(__file__).parents[1] / "model" / "format1"
COLOURS = {"blue": (20, 20, 230), "green": (20, 230, 20), "red": (230, 20, 20)}


@pytest.fixture
def photos(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    """Return class folders of four pictures each; one red picture lies among the green ones."""
    for name, colour in COLOURS.items():
        for n in range(4):
            r, g, b = colour
            shown = (240, 20, 20) if (name, n) == ("green", 3) else (r + n, g + n, b + n)
            draw_picture(tmp_path / "photos" / name / f"{n}.png", colour=shown)
    return tmp_path / "photos"


def with_manifest(folder: Path, rows: list[Row]) -> Path:
    """Save the colour model again, trained on `rows`."""
    model = load_model(MODEL)
    parts = ModelParts(
        encoder=model.encoder,
        head=model.head,
        temperature=model.temperature,
        thresholds=model.thresholds,
        calibration=model.calibration,
        data=model.document.data,
        novelty=model.novelty,
    )
    write_model(folder, parts, extra={"manifest.csv": manifest_bytes(Manifest(folder, tuple(rows)))})
    return folder


def trained_on(*files: Path, split: str = "train") -> list[Row]:
    return [Row(f.name, "red", split, sha256=content_sha256(f.read_bytes())) for f in files]


def test_figures_are_those_counted_by_hand(photos: Path) -> None:
    m = evaluate(MODEL, photos).metrics
    assert (m["n_pictures"], m["n_measured"], m["n_right"]) == (12, 12, 11)
    assert m["accuracy"] == 11 / 12
    assert m["baseline_accuracy"] == 4 / 12
    assert m["per_class"]["green"]["recall"] == 3 / 4
    assert m["per_class"]["red"]["precision"] == 4 / 5
    assert m["confusion"] == [[4, 0, 0], [0, 3, 1], [0, 0, 4]]


def test_mistakes_are_named_with_both_classes(photos: Path) -> None:
    (mistake,) = evaluate(MODEL, photos).metrics["mistakes"]
    assert (mistake["path"], mistake["label"], mistake["class"]) == ("green/3.png", "green", "red")


def test_label_that_the_model_does_not_know_is_named_not_scored(
    photos: Path, draw_picture: Callable[..., Path]
) -> None:
    draw_picture(photos / "violet" / "a.png", colour=(200, 0, 200))
    m = evaluate(MODEL, photos).metrics
    assert (m["n_pictures"], m["n_measured"], m["n_unknown_class"]) == (13, 12, 1)
    assert m["unknown_classes"] == {"violet": 1}
    assert "Not scored, as the model does not know the class: 1 picture, labelled 'violet (1)'." in m["notes"]


def test_class_without_pictures_is_named(photos: Path) -> None:
    for path in (photos / "blue").iterdir():
        path.unlink()
    (photos / "blue").rmdir()
    m = evaluate(MODEL, photos).metrics
    assert m["classes_left_out"] == ["blue"]
    assert m["balanced_accuracy"] == pytest.approx((3 / 4 + 1) / 2)
    assert (
        "No picture here is of 'blue': nothing is known of these classes, and averages leave them out."
        in m["notes"]
    )


def test_pictures_that_were_trained_on_are_told_and_left_out_once(photos: Path, tmp_path: Path) -> None:
    model = with_manifest(tmp_path / "run", trained_on(photos / "red" / "0.png", photos / "red" / "1.png"))
    m = evaluate(model, photos).metrics
    assert (m["n_leaked"], m["leaked"]) == (2, ["red/0.png", "red/1.png"])
    assert (m["n_measured"], m["without_leaks"]["n"]) == (12, 10)
    assert m["without_leaks"]["accuracy"] == 9 / 10
    told = "2 pictures here were in the training data, where a model does better. The figures without leaks stand beside."
    assert told in m["notes"]


def test_renamed_picture_is_still_a_leak(photos: Path, tmp_path: Path) -> None:
    model = with_manifest(tmp_path / "run", trained_on(photos / "red" / "0.png"))
    (photos / "red" / "0.png").rename(photos / "red" / "renamed.png")
    assert evaluate(model, photos).metrics["leaked"] == ["red/renamed.png"]


def test_validation_pictures_of_the_run_are_no_leak(photos: Path, tmp_path: Path) -> None:
    model = with_manifest(tmp_path / "run", trained_on(photos / "red" / "0.png", split="valid"))
    assert evaluate(model, photos).metrics["n_leaked"] == 0


def test_all_trained_on_has_no_figures_beside(photos: Path, tmp_path: Path) -> None:
    model = with_manifest(tmp_path / "run", trained_on(*photos.rglob("*.png")))
    m = evaluate(model, photos).metrics
    assert (m["n_leaked"], m["without_leaks"]) == (12, None)
    assert any(note.endswith("No others are left to measure.") for note in m["notes"])


def test_model_without_its_manifest_says_what_cannot_be_told(photos: Path) -> None:
    assert (
        "The run's manifest.csv is missing: pictures that it was trained on are not told from new ones."
    ) in evaluate(MODEL, photos).metrics["notes"]


def test_classes_that_only_a_given_valid_split_holds_are_measured_too(photos: Path) -> None:
    for split, name in (("train", "red"), ("valid", "blue")):
        (photos / split).mkdir()
        (photos / name).rename(photos / split / name)
    (photos / "green").rename(photos / "train" / "green")
    m = evaluate(MODEL, photos).metrics
    assert (m["n_pictures"], m["n_measured"], m["classes_left_out"]) == (12, 12, [])
    assert m["notes"] == [
        "The run's manifest.csv is missing: pictures that it was trained on are not told from new ones."
    ]


def test_unreadable_picture_is_counted_with_its_reason(photos: Path) -> None:
    (photos / "red" / "0.png").write_bytes(b"")
    m = evaluate(MODEL, photos).metrics
    assert (m["n_pictures"], m["n_quarantined"], m["n_measured"]) == (12, 1, 11)
    assert m["quarantined"][0]["path"] == "red/0.png"
    assert m["quarantined"][0]["reason"]


def test_promise_of_training_is_checked_here(photos: Path) -> None:
    promise = evaluate(MODEL, photos).metrics["promise"]
    assert (promise["threshold"], promise["precision"], promise["confidence"]) == (0.5, 0.95, 0.9)
    assert (promise["n_accepted"], promise["n_right"]) == (12, 11)


def test_merged_labels_are_scored(photos: Path) -> None:
    (photos / "red").rename(photos / "crimson")
    m = evaluate(MODEL, photos, merge={"crimson": "red"}).metrics
    assert (m["n_measured"], m["n_unknown_class"]) == (12, 0)


def message(photos: Path) -> str:
    with pytest.raises(InputError) as caught:
        evaluate(MODEL, photos)
    return str(caught.value)


def test_labels_of_another_world_are_said(photos: Path) -> None:
    for name in COLOURS:
        (photos / name).rename(photos / name.upper())
    assert message(photos) == (
        f"None of the labels in {str(photos)!r} ('BLUE', 'GREEN', 'RED') is a class of the model ('blue', "
        "'green', 'red'). Rename the folders, or bring them together with --merge OLD=CLASS."
    )


def test_nothing_readable_is_said(photos: Path) -> None:
    for path in photos.rglob("*.png"):
        path.write_bytes(b"")
    text = message(photos)
    assert text.startswith(f"0 of 12 pictures in {str(photos)!r} can be read; most often: ")
    assert text.endswith(f" `fovea check {photos}` lists them all.")


def test_command_prints_the_figures_and_the_notes(photos: Path) -> None:
    done = CliRunner().invoke(group, ["evaluate", str(MODEL), str(photos)])
    assert done.exit_code == 0
    assert done.stdout.startswith(
        "12 of 12 pictures measured, 0 unusable.\n  accuracy                       0.9167 ("
    )
    assert "  green                           75.0 % found, 100.0 % right  (4 pictures)\n" in done.stdout
    assert "\nNote: The run's manifest.csv is missing" in done.stdout


def test_json_has_the_keys_of_metrics(photos: Path) -> None:
    done = CliRunner().invoke(group, ["evaluate", str(MODEL), str(photos), "--json"])
    keys = (
        "accuracy accuracy_interval baseline_accuracy balanced_accuracy macro_f1 log_loss ece ece_floor "
        "n_quarantined n_leaked images_per_second seconds backbone engine precision"
    )
    assert set(keys.split()) <= set(json.loads(done.stdout))


def test_notebook_table_escapes_names() -> None:
    figures = dict.fromkeys(
        ("accuracy", "baseline_accuracy", "balanced_accuracy", "macro_f1", "log_loss"), 0.5
    )
    rest = {
        "ece": 0.1,
        "ece_floor": 0.05,
        "accuracy_interval": [0.4, 0.6],
        "without_leaks": None,
        "notes": [],
    }
    html = Result({**figures, **rest, "baseline_class": "<b>"})._repr_html_()
    assert "<td>always &#x27;&lt;b&gt;&#x27;</td><td>0.5000</td>" in html
