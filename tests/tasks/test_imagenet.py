"""A network's own classes: its softmax as it is, the likeliest few, and answers that climb until they are sure."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from fovea.cli import group
from fovea.errors import BackboneError, InputError, MissingInputError, OutputError
from fovea.manifest import imagenet_classes, synsets
from fovea.model.decide import answer
from fovea.tasks.imagenet import _too_broad, make_refine
from fovea.tasks.predict import Config, Result, run

MODEL = Path(__file__).parents[1] / "model" / "format1"
RED, YELLOW, GREY = (250, 10, 10), (210, 190, 10), (128, 128, 128)
DOG, CAT, PUG, BEAGLE, TABBY = "n02084071", "n02121620", "n02110958", "n02088364", "n02123045"


@pytest.fixture
def photos(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    """Return a folder of three plain pictures and one that is broken."""
    for name, colour in (("1-red", RED), ("2-yellow", YELLOW), ("3-grey", GREY)):
        draw_picture(tmp_path / "photos" / f"{name}.png", colour=colour)
    (tmp_path / "photos" / "4-broken.png").write_bytes(b"broken")
    return tmp_path / "photos"


@pytest.fixture
def ask(imagenet_network: Path, photos: Path) -> Callable[..., Result]:
    return lambda **asked: run(Config(imagenet_network, [photos], **asked))


def shares(*colour: int) -> list[float]:
    """Return the probabilities of pug, beagle and tabby, worked out as the network's docstring says."""
    powers = np.exp(4 * np.array(colour) / 255)
    return (powers / powers.sum()).tolist()  # type: ignore[no-any-return]


def test_answers_are_the_networks_own_softmax(ask: Callable[..., Result]) -> None:
    red, yellow, grey, broken = ask().predictions
    for one, colour in ((red, RED), (yellow, YELLOW), (grey, GREY)):
        told = [one.probabilities[name] for name in ("pug", "beagle", "tabby")]
        assert told == pytest.approx(shares(*colour), abs=3e-3)  # features are float16
    assert (red.class_name, red.probability) == ("pug", red.probabilities["pug"])
    assert (red.unsure, red.unlike) == (None, None)  # neither is judged
    assert (broken.class_name, broken.problem) == (None, "not a picture: a text file")


def test_five_classes_are_told_unless_asked_otherwise(ask: Callable[..., Result]) -> None:
    assert [len(ask(top=top).predictions[0].probabilities) for top in (None, 2, 1000)] == [5, 2, 1000]
    assert list(ask(top=2).predictions[0].probabilities) == ["pug", "beagle"]


@pytest.mark.parametrize(
    ("sure", "answers"),
    [
        (0.4, ["pug", "pug", "dog"]),
        (0.9, ["pug", "dog", "domestic animal"]),
        (0.97, ["dog", "dog", "domestic animal"]),
    ],
)
def test_the_answer_climbs_until_it_is_sure(
    ask: Callable[..., Result], sure: float, answers: list[str]
) -> None:
    told = ask(sure=sure).predictions[:3]
    assert [one.sure_class for one in told] == answers
    assert all((one.sure_probability or 0) >= sure and one.unsure is False for one in told)
    assert [one.class_name for one in told] == [one.class_name for one in ask().predictions[:3]]


def test_a_sure_answers_probability_is_that_of_all_it_stands_for(ask: Callable[..., Result]) -> None:
    pug, beagle, _ = shares(*YELLOW)
    assert ask(sure=0.9).predictions[1].sure_probability == pytest.approx(pug + beagle, abs=3e-3)


def test_meanings_that_say_little_are_no_answer() -> None:
    names = {one.wnid: one.words[0] for one in synsets().values()}
    broad = {names[wnid] for wnid in _too_broad()}
    assert {
        "entity",
        "physical entity",
        "object",
        "whole",
        "organism",
        "artifact",
        "instrumentality",
    } <= broad
    assert not {"animal", "person", "plant", "device", "food", "geological formation", "vehicle"} & broad


def test_where_only_such_meanings_are_sure_the_answer_is_unsure() -> None:
    """A network torn between a tench and a toaster: both are a "whole" only."""
    rows = np.zeros((1, 1000))
    rows[0, [0, 859]] = 0.45, 0.55
    model: Any = SimpleNamespace(class_names=[one.wnid for one in imagenet_classes()])
    (one,) = make_refine(model, top=2, sure=0.9)(answer(rows, ["a.jpg"], class_names=model.class_names))
    assert (one.words, one.probability, one.remark, one.sure_class) == ("toaster", 0.55, "unsure", "")


def test_two_classes_of_one_kind_are_never_unsure_at_one() -> None:
    model: Any = SimpleNamespace(class_names=[BEAGLE, PUG])
    (one,) = make_refine(model, top=None, sure=0.9)(
        answer(np.array([[0.5, 0.5]]), ["a.jpg"], class_names=model.class_names)
    )
    assert (one.sure_words, one.sure_probability, one.remark) == ("dog", 1.0, "")


def test_a_network_is_said_not_to_be_calibrated_and_what_it_was_taken_for(ask: Callable[..., Result]) -> None:
    assumed, uncalibrated = ask().notes
    assert assumed == (
        "by hand answers 1,000 classes and does not name them; they are taken for ImageNet's, in its order. Where it was "
        "trained on others, the names are wrong."
    )
    assert uncalibrated == (
        "The probabilities are those that by hand gives itself. They are not calibrated: of answers at 0.9 more or fewer than "
        "nine in ten may be right; and no picture is told to be unlike anything seen."
    )


def test_what_was_not_judged_is_not_counted(
    ask: Callable[..., Result], imagenet_network: Path, photos: Path
) -> None:
    result = ask()
    assert (result.n_unsure, result.n_unlike) == (None, None)
    assert ask(sure=0.9).n_unsure == 0
    done = CliRunner().invoke(
        group, ["predict", str(imagenet_network), str(photos), "--csv", f"{photos}.csv"]
    )
    assert "\n1 could not be read\n" in done.stdout
    assert "unlike" not in done.stdout


def test_only_classes_that_were_answered_are_counted(ask: Callable[..., Result]) -> None:
    result = ask(sure=0.9)
    assert sum(result.classes.values()) == 3
    assert (result.n_pictures, result.n_problems) == (4, 1)


def test_a_csv_has_the_likeliest_classes_side_by_side(ask: Callable[..., Result], tmp_path: Path) -> None:
    ask(csv=tmp_path / "out.csv", top=2, sure=0.97)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    sure, pairs = ["sure_class", "sure_probability"], ["class_1", "probability_1", "class_2", "probability_2"]
    assert list(rows[0])[6:] == [*sure, *pairs]
    assert [rows[0][key] for key in ("class", "sure_class", "class_1", "class_2")] == [
        "pug",
        "dog",
        "pug",
        "beagle",
    ]
    assert (rows[0]["unsure"], rows[0]["unlike"]) == ("false", "")


def test_a_csv_begun_with_other_options_is_not_continued(ask: Callable[..., Result], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    ask(csv=out, sure=0.9)
    out.rename(tmp_path / "out.csv.part")
    state = {"inputs": "0" * 64, "n_inputs": "4", "model": "x", "encoder": "y", "top": "5"}
    (tmp_path / "out.csv.part.json").write_text(json.dumps(state))
    with pytest.raises(OutputError, match="an unfinished result of unknown origin"):
        ask(csv=out, sure=0.9)


def test_rows_that_somebody_changed_are_not_continued(ask: Callable[..., Result], tmp_path: Path) -> None:
    out, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    state = tmp_path / "out.csv.part.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fovea.tasks.predict_write.CsvPart.finish", lambda self: None)
        ask(csv=out, sure=0.9)
    part.write_bytes(part.read_bytes().replace(b",false,", b",FALSE,"))
    with pytest.raises(OutputError) as caught:
        ask(csv=out, sure=0.9)
    assert state.exists()
    assert str(caught.value).startswith(f"{str(part)!r} holds 4 rows: rows that were changed since. Repeat")


def test_classes_without_a_hierarchy_cannot_be_climbed(photos: Path) -> None:
    with pytest.raises(InputError) as caught:
        run(Config(MODEL, [photos], sure=0.9))
    assert str(caught.value) == (
        "--sure climbs WordNet's hierarchy, and the classes of this model ('blue', 'green', 'red', ...) stand in none. It "
        "needs ImageNet's classes, or class folders named by WordNet ids such as n02084071."
    )


@pytest.mark.parametrize("sure", [0.0, 1.0, 90])
def test_a_sureness_out_of_range_is_refused(ask: Callable[..., Result], sure: float) -> None:
    with pytest.raises(InputError) as caught:
        ask(sure=sure)
    assert str(caught.value) == f"--sure is {sure!r}; it must lie between 0 and 1, for example --sure 0.9."


def test_a_network_without_a_softmax_tells_no_classes(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(BackboneError) as caught:
        run(Config(MODEL / "backbone", [photos]))
    assert str(caught.value) == (
        "'colours' tells no classes of its own: no stage of it is the softmax of its answers. Train on your pictures "
        "(fovea train), or name a network that does, such as mobilenetv2."
    )


def test_a_name_that_is_neither_run_nor_network_is_refused(photos: Path) -> None:
    with pytest.raises(InputError, match="There is no backbone 'mobilnetv2', and no run at this path"):
        run(Config("mobilnetv2", [photos]))


def test_a_run_that_is_not_there_is_refused_as_a_run(photos: Path) -> None:
    with pytest.raises(MissingInputError, match="There is no model folder at 'runs/frist'"):
        run(Config("runs/frist", [photos]))


def test_the_terminal_names_what_a_sure_answer_stands_for(imagenet_network: Path, photos: Path) -> None:
    yellow = str(photos / "2-yellow.png")
    done = CliRunner().invoke(group, ["predict", str(imagenet_network), yellow, "--sure", "0.9"])
    _, dog, together, likeliest, pug, alone = done.stdout.split()
    assert (dog, likeliest, pug) == ("dog", "likeliest:", "pug")
    assert [float(together), float(alone)] == pytest.approx(
        [sum(shares(*YELLOW)[:2]), shares(*YELLOW)[0]], abs=3e-3
    )


def test_the_terminal_tells_the_classes_asked_for(imagenet_network: Path, photos: Path) -> None:
    red = str(photos / "1-red.png")
    done = CliRunner().invoke(group, ["predict", str(imagenet_network), red, "--top", "3"])
    assert "pug" in done.stdout.split()
    assert "beagle 0.02" in done.stdout
    assert "tabby 0.02" in done.stdout


def test_shared_networks_name_what_the_photos_show(shared: Path) -> None:
    """The goal is 0.80 over all 500 (benchmarks/imagenet.py); here ten of them, converted with torch."""
    pytest.importorskip("torch")
    folder = shared / "data/imagenet"
    with (folder / "pictures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[::50]
    result = run(
        Config(shared / "weights/mobilenetv2_100.safetensors", [folder / row["path"] for row in rows])
    )
    names = [one.class_name for one in result.predictions]
    assert sum(name == row["label"].replace("_", " ") for name, row in zip(names, rows, strict=True)) >= 6


def test_the_page_shows_every_picture_with_its_five_bars(ask: Callable[..., Result], tmp_path: Path) -> None:
    result = ask(html=tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert result.html == str(tmp_path / "page.html")
    assert text.count('<table class="bars"') == text.count("data:image/jpeg;base64,") == 3
    assert text.count('<td class="num">') == 3 * 5
    assert '<code class="path">4-broken.png</code></td><td>not a picture: a text file' in text


def test_the_page_beside_a_csv_is_the_page_without_one(ask: Callable[..., Result], tmp_path: Path) -> None:
    ask(html=tmp_path / "a" / "page.html", sure=0.9)
    ask(html=tmp_path / "b" / "page.html", sure=0.9, csv=tmp_path / "out.csv")
    assert (tmp_path / "a" / "page.html").read_text() == (tmp_path / "b" / "page.html").read_text()


def test_a_page_is_never_overwritten(ask: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(OutputError) as caught:
        ask(html=tmp_path / "page.html")
    assert str(caught.value) == (
        f"There is something at {str(tmp_path / 'page.html')!r} already. Choose another name for --html."
    )


def test_a_page_that_cannot_be_written_is_said(ask: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError) as caught:
        ask(html=tmp_path / "file" / "page.html")
    assert str(caught.value) == (
        f"{str(tmp_path / 'file' / 'page.html')!r} cannot be written: File exists. Make room or get permission, or choose "
        "another name for --html; features that were computed are stored, so the same command takes seconds."
    )


def test_a_runs_likeliest_classes_can_be_asked_for_too(photos: Path, tmp_path: Path) -> None:
    result = run(Config(MODEL, [photos / "1-red.png"], top=2, csv=tmp_path / "out.csv"))
    with (tmp_path / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["class_1"], row["probability_1"]) == ("red", row["probability"])
    assert float(row["probability_1"]) > float(row["probability_2"])
    assert result.classes == {"blue": 0, "green": 0, "red": 1}


@pytest.fixture
def by_id(tmp_path: Path) -> Path:
    """Return class folders named by WordNet ids: reddish pugs, greenish beagles, bluish tabbies, a few in between."""
    rng = np.random.default_rng(0)
    for channel, wnid in enumerate((PUG, BEAGLE, TABBY)):
        (tmp_path / "by_id" / wnid).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(20, 90, (24, 24, 3), dtype=np.uint8)
            pixels[..., channel] += rng.integers(90, 150, (24, 24), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "by_id" / wnid / f"{number}.png")
    return tmp_path / "by_id"


def test_folders_named_by_wordnet_ids_show_their_words(by_id: Path, tmp_path: Path) -> None:
    def fovea(*arguments: str | Path) -> str:
        done = CliRunner().invoke(group, [str(one) for one in arguments])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    checked, page = fovea("check", by_id, "--html", tmp_path / "check.html"), tmp_path / "check.html"
    assert f"12  pug ({PUG})" in checked
    assert f"tabby ({TABBY})" in page.read_text()
    assert json.loads(fovea("check", by_id, "--json"))["class_words"] == {
        PUG: "pug", BEAGLE: "beagle", TABBY: "tabby"
    }  # fmt: skip
    assert f"({BEAGLE})" in fovea("train", by_id, "--out", tmp_path / "run")
    assert f'<th scope="row">beagle ({BEAGLE})</th>' in (tmp_path / "run" / "report.html").read_text()
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["class_words"][PUG] == "pug"
    told = fovea("predict", tmp_path / "run", by_id / PUG / "1.png")
    assert told.startswith(f"{by_id}/{PUG}/1.png  pug ({PUG})  ")
    (row,) = json.loads(
        fovea("predict", tmp_path / "run", by_id / PUG / "1.png", "--sure", "0.9999", "--json")
    )
    assert (row["sure_class"], row["sure_words"]) in {(DOG, "dog"), ("n02075296", "carnivore"), (PUG, "pug")}
    assert row["words"] in {"pug", "beagle", "tabby"}
    assert list(row["probabilities"]) == sorted((PUG, BEAGLE, TABBY))
