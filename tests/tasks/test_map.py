"""What `map` promises: one page with every picture in its place, coloured by what is known, and nothing else changed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fovea.errors import InputError, OutputError
from fovea.manifest import read_manifest
from fovea.tasks.map import Result, map_pictures
from fovea.tasks.map_page import DOUBTS

Draw = Callable[..., Path]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, draw_class: Draw) -> Path:
    """Return a folder of 3 x 20 drawn pictures in class folders, one of them in a wrong one, and a broken file."""
    folder = tmp_path_factory.mktemp("map") / "photos"
    for kind in ("dots", "plain", "stripes"):
        for number in range(20):
            draw_class(folder / kind, kind, number)
    draw_class(folder / "plain", "dots", 77)
    (folder / "dots" / "cut.png").write_bytes(b"")
    return folder


def drawn(result: Result) -> dict[str, Any]:
    """Return what the page's script draws by."""
    found = re.search(r'id="data">(.*?)</script>', Path(result.html).read_text(), re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def colouring(result: Result, title: str) -> dict[str, Any]:
    return next(one for one in drawn(result)["colourings"] if one["title"] == title)


def test_every_picture_has_a_place_and_its_label(photos: Path, tmp_path: Path) -> None:
    result = map_pictures(photos, html=tmp_path / "map.html")
    label = colouring(result, "Label")
    assert result.colours == ("Label", "Group")
    assert len(result.paths) == 61
    assert drawn(result)["paths"] == list(result.paths)
    assert [label["names"][k] for k in label["of"]] == [path.split("/")[0] for path in result.paths]
    assert result.quarantined == (("dots/cut.png", "an empty file (0 bytes)"),)
    assert result.n_bytes == (tmp_path / "map.html").stat().st_size


def test_places_are_drawn_as_they_lie_with_up_above(photos: Path, tmp_path: Path) -> None:
    result = map_pictures(photos, html=tmp_path / "map.html")
    across, down = (np.array(drawn(result)[name]) for name in "xy")
    assert np.corrcoef(across, result.places[:, 0])[0, 1] > 0.999999
    assert np.corrcoef(down, result.places[:, 1])[0, 1] < -0.999999
    assert max(np.ptp(across), np.ptp(down)) == 65_535
    wide, high = np.ptp(result.places, axis=0)
    assert np.ptp(down) / np.ptp(across) == pytest.approx(high / wide, rel=1e-3)


def test_the_nearest_of_each_class_are_counted_as_by_brute_force(photos: Path, tmp_path: Path) -> None:
    result = map_pictures(photos, html=tmp_path / "map.html")
    of = np.array([path.split("/")[0] for path in result.paths])
    far = np.linalg.norm(result.places[:, None] - result.places, axis=2)
    np.fill_diagonal(far, np.inf)
    around = of[np.argsort(far, axis=1)[:, :10]]
    page = " ".join(re.sub(r"<[^>]*>", " ", (tmp_path / "map.html").read_text()).split()).replace("\xa0", " ")
    for kind in ("dots", "plain", "stripes"):
        share = (around[of == kind] == kind).mean()
        assert f"{kind} {(of == kind).sum()} {100 * share:.1f} %" in page


def test_a_wrong_label_is_the_most_suspicious(photos: Path, tmp_path: Path) -> None:
    result = map_pictures(photos, html=tmp_path / "map.html", suspicion=True)
    doubt = colouring(result, "Suspicion")
    assert result.paths[int(np.argmin(doubt["values"]))] == "plain/dots_077.png"
    assert tuple(doubt["names"]) == DOUBTS
    for k, value in zip(doubt["of"], doubt["values"], strict=True):
        assert k == (value >= 0.05) + (value >= 0.25) + (value >= 0.5)


def test_a_folder_without_labels_is_coloured_by_groups(
    photos: Path, tmp_path: Path, draw_class: Draw
) -> None:
    for number in range(5):
        draw_class(tmp_path / "flat", "dots", number)
    result = map_pictures(tmp_path / "flat", html=tmp_path / "map.html")
    assert result.colours == ("Group",)


def test_a_private_page_holds_no_picture(photos: Path, tmp_path: Path) -> None:
    result = map_pictures(photos, html=tmp_path / "map.html", private=True)
    page = (tmp_path / "map.html").read_text()
    assert result.tile_px == 0
    assert "data:image" not in page
    assert str(photos.parent) not in page


def test_the_same_pictures_give_the_same_page(photos: Path, tmp_path: Path) -> None:
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    for page in pages:
        map_pictures(photos, html=page)
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_run_colours_by_its_answers(photos: Path, tmp_path: Path) -> None:
    from fovea.tasks.train.train import train

    run = train(photos, out=tmp_path / "run")
    result = map_pictures(photos, html=tmp_path / "map.html", run=run.folder)
    found = colouring(result, "Prediction")
    answers = {one.path: one for one in run.model.predict([photos / path for path in result.paths])}
    for path, k, value in zip(result.paths, found["of"], found["values"], strict=True):
        one = answers[str(photos / path)]
        assert found["names"][k] == one.class_name
        assert value == pytest.approx(one.probability, abs=2e-4)


@pytest.mark.parametrize("setting", [{"backbone": "resnet18"}, {"fit": "pad"}, {"size": "288"}])
def test_a_run_and_another_network_are_refused(photos: Path, tmp_path: Path, setting: dict[str, str]) -> None:
    with pytest.raises(InputError) as refused:
        map_pictures(photos, html=tmp_path / "map.html", run=tmp_path, **setting)
    assert str(refused.value) == (
        "--run colours by the answers of a run, which has its own network and its own way to use it. Leave out --backbone, "
        "--weights, --stage, --compute, --fit and --size."
    )


@pytest.mark.parametrize("option", ["run", "backbone"])
def test_a_network_that_learned_the_labels_does_not_judge_them(
    photos: Path, tmp_path: Path, option: str
) -> None:
    from fovea.tasks.train.train import train

    run = train(photos, out=tmp_path / "run").folder
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**metrics, "training": {"kept": "the last block"}}))
    n_taught = sum(row.split == "train" for row in read_manifest(run / "manifest.csv").rows if row.sha256)
    with pytest.raises(InputError) as refused:
        map_pictures(photos, html=tmp_path / "map.html", suspicion=True, **{option: str(run)})
    assert str(refused.value) == (
        f"--suspicion judges labels by probes that have not seen them, and the network of {str(run)!r} was trained on "
        f"{n_taught} of these 62 files with their labels. Leave out --suspicion, or take another network"
        f"{' instead of --run' * (option == 'run')}, such as --backbone fovea-tiny."
    )
    assert not (tmp_path / "map.html").exists()


def test_few_labels_cannot_be_suspected(tmp_path: Path, draw_class: Draw) -> None:
    for kind in ("dots", "plain"):
        for number in range(3):
            draw_class(tmp_path / "few" / kind, kind, number)
    with pytest.raises(InputError) as refused:
        map_pictures(tmp_path / "few", html=tmp_path / "map.html", suspicion=True)
    assert str(refused.value) == (
        f"--suspicion judges labels by the other pictures', and {str(tmp_path / 'few')!r} has 6 labelled pictures in 2 classes; "
        "it takes 20 in 2. Leave it out, or name more labelled pictures."
    )
    assert not (tmp_path / "map.html").exists()


def test_an_unknown_method_is_refused_with_the_closest(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        map_pictures(photos, html=tmp_path / "map.html", method="tnse")
    assert str(refused.value) == "--method is 'tnse' (did you mean 'tsne'?); there are: pca, tsne."


def test_a_second_map_does_not_count_the_first_as_a_picture(tmp_path: Path, draw_class: Draw) -> None:
    for number in range(4):
        draw_class(tmp_path / "photos", "dots", number)
    map_pictures(tmp_path / "photos", html=tmp_path / "photos" / "map.html")
    again = map_pictures(tmp_path / "photos", html=tmp_path / "photos" / "again.html")
    assert (len(again.paths), again.quarantined) == (4, ())
    assert "Left out, no pictures by their names: 'map.html'." in again.notes


def test_a_page_that_is_there_is_not_overwritten(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "map.html").write_text("mine")
    with pytest.raises(OutputError, match=r"Choose another name for --html\.$"):
        map_pictures(photos, html=tmp_path / "map.html")
    assert (tmp_path / "map.html").read_text() == "mine"
