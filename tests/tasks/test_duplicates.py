"""`duplicates` end to end on drawn pictures: each kind of copy is found, strangers are not, nothing is removed."""

import csv
import re
import shutil
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fovea.errors import InputError, OutputError
from fovea.features import Look
from fovea.judge.registration import SIDE
from fovea.tasks import duplicates as task
from fovea.tasks import duplicates_find
from fovea.tasks.duplicates import Result, duplicates
from fovea.tasks.duplicates_find import Contents, compare, find_pairs
from fovea.tasks.duplicates_write import shown_first


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, draw_pixels: Callable[..., NDArray[np.uint8]]) -> Path:
    """Return a folder of 16 scenes in two classes; some come again: copied, as BMP, smaller, cut and mirrored."""
    folder = tmp_path_factory.mktemp("photos")
    for label in ("cat", "dog"):
        (folder / label).mkdir()
    scenes = [Image.fromarray(draw_pixels(seed=100 + k, size_px=(160, 120))) for k in range(16)]
    for k, scene in enumerate(scenes):
        scene.save(folder / ("cat" if k < 8 else "dog") / f"{k:02d}.png")
    shutil.copy(folder / "cat" / "00.png", folder / "dog" / "same.png")
    scenes[1].save(folder / "cat" / "pixels.bmp")
    scenes[2].resize((80, 60)).save(folder / "cat" / "half.jpg", quality=90)
    scenes[9].crop((8, 6, 152, 114)).save(folder / "dog" / "cut.jpg", quality=90)
    scenes[10].transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "dog" / "flip.jpg", quality=90)
    (folder / "dog" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


@pytest.fixture(scope="module")
def found(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates_find, "N_PLANTED", 12)
        patch.setenv("FOVEA_CACHE", str(out / "cache"))
        return duplicates(photos, csv=out / "remove.csv", html=out / "page.html", threads=1)


def test_every_copy_is_found_with_its_kind_and_no_stranger(found: Result) -> None:
    assert {(one.path, one.copy_of, one.kind, one.is_mirrored) for one in found.removable} == {
        ("dog/same.png", "cat/00.png", "same bytes", False),
        ("cat/01.png", "cat/pixels.bmp", "same pixels", False),
        ("cat/half.jpg", "cat/02.png", "near", False),
        ("dog/cut.jpg", "dog/09.png", "near", False),
        ("dog/flip.jpg", "dog/10.png", "near", True),
    }


def test_groups_with_several_labels_come_first_and_what_stays_comes_first_in_each(found: Result) -> None:
    assert [one.path for one in found.groups[0]] == ["cat/00.png", "dog/same.png"]
    assert not [group for group in found.groups if group[0].copy_of]


def test_the_list_holds_what_could_go_and_nothing_was_removed(found: Result, photos: Path) -> None:
    content = Path(str(found.csv)).read_bytes()
    assert content.startswith(b"\xef\xbb\xbfpath,copy_of,")  # the mark that spreadsheets need
    rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    assert {row["path"] for row in rows} == {one.path for one in found.removable}
    assert rows[0] == {
        "path": "dog/same.png",
        "copy_of": "cat/00.png",
        "kind": "same bytes",
        "difference": "0.0000",
        "label": "dog",
        "label_of_copy_of": "cat",
    }
    assert sum(path.is_file() for path in photos.rglob("*")) == 22


def test_planted_copies_are_counted_by_how_they_were_made(found: Result) -> None:
    assert found.n_planted == 4 * 12
    assert list(found.recalls) == ["crop", "resize", "jpeg", "mirror"]
    assert min(found.recalls.values()) > 0.7


def test_json_holds_the_groups_the_scenes_and_what_could_not_be_read(found: Result) -> None:
    told = found.to_json()
    assert (told["n_pictures"], told["n_groups"], told["n_removable"]) == (21, 5, 5)
    assert [row["path"] for row in told["quarantined"]] == ["dog/broken.jpg"]
    assert told["groups"][0][1]["copy_of"] == "cat/00.png"
    assert [(*one["paths"], one["difference"]) for one in told["doubtful"]] == [
        (one, other, round(difference, 4)) for one, other, difference in found.doubtful
    ]
    assert told["seconds"] == round(told["seconds"], 3)


def test_the_first_by_path_stays_where_that_is_asked(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates_find, "N_PLANTED", 4)
    found = duplicates(photos / "cat", keep="first", csv=tmp_path / "remove.csv", threads=1)
    assert ("pixels.bmp", "01.png") in {(one.path, one.copy_of) for one in found.removable}


def test_the_result_does_not_depend_on_the_block() -> None:
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 255, (12, 6, 6, 3)).astype(np.uint8)
    small = np.stack(
        [np.asarray(Image.fromarray(one).resize((48, 48))) for one in [*rough, *rough[:6, :, ::-1]]]
    )
    pairs = np.argwhere(np.triu(np.ones((18, 18), bool), 1))
    whole = compare(small, pairs, threads=1, progress=lambda *_: None)
    few = compare(small, pairs, threads=2, progress=lambda *_: None, block=7)
    np.testing.assert_allclose(few[0], whole[0], atol=1e-4)
    np.testing.assert_array_equal(few[1], whole[1])
    assert (whole[0] < 0.1).sum() == 6


def test_memory_grows_by_what_is_stated_where_every_picture_has_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 32)).astype(np.float32)
    small = rng.integers(0, 255, (400, SIDE, SIDE, 3)).astype(np.uint8)
    none = np.empty(0, np.int64)
    planted = duplicates_find._Planted(none, none.astype(str), features[:0], small[:0])
    looks = {k: Look(f"{k:064x}", small[k].tobytes()) for k in range(400)}
    monkeypatch.setattr(duplicates_find, "GROUP", 32)
    monkeypatch.setattr(duplicates_find, "_plant", lambda *given, **named: planted)
    monkeypatch.setattr(
        duplicates_find, "looks_of", lambda some, **named: {k: looks[k] for k in some.tolist()}
    )

    def peak(n: int) -> int:
        contents = Contents(features[:n], [f"{k:064x}" for k in range(n)], lambda k: b"")
        tracemalloc.start()
        find_pairs(contents, encoder=None, store=None, precision=0.99, threads=1, progress=lambda *_: None)  # type: ignore[arg-type]
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(20)  # what is kept from then on
    assert (peak(400) - peak(200)) / 200 < duplicates_find.BYTES_A_CONTENT


def test_keeping_without_a_place_for_the_list_is_refused(photos: Path) -> None:
    with pytest.raises(InputError) as refused:
        duplicates(photos, keep="best")
    assert str(refused.value) == (
        "--keep is 'best', which picture of a group stays; say with --csv where to write the list of the others, for "
        "example --csv remove.csv."
    )


def test_settings_that_cannot_be_are_refused_before_the_work(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--precision is 1\.5"):
        duplicates(photos, precision=1.5)
    with pytest.raises(InputError, match="--keep is 'bets'"):
        duplicates(photos, keep="bets", csv=tmp_path / "a.csv")
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(OutputError, match="There is something at"):
        duplicates(photos, html=tmp_path / "page.html")


def test_one_picture_alone_has_no_duplicates(tmp_path: Path) -> None:
    out = BytesIO()
    Image.new("RGB", (40, 30)).save(out, "PNG")
    (tmp_path / "one.png").write_bytes(out.getvalue())
    with pytest.raises(InputError) as refused:
        duplicates(tmp_path)
    assert str(refused.value) == (
        f"{str(tmp_path)!r} holds 1 picture that can be read; finding duplicates takes 2 or more. Name a folder with more "
        "pictures."
    )


def test_two_plain_pictures_of_one_colour_are_the_same_pixels(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    Image.new("RGB", (40, 30)).save(tmp_path / "b.bmp")
    found = duplicates(tmp_path, threads=1)
    assert [(one.path, one.kind) for one in found.removable] == [("a.png", "same pixels")]


@pytest.mark.parametrize("keep", ["best", "first"])
def test_a_link_is_no_copy_of_the_file_that_it_leads_to(tmp_path: Path, keep: str) -> None:
    for name in ("albums", "raw", "zoo"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    Image.new("RGB", (40, 30)).save(tmp_path / "photos" / "raw" / "x.png")
    Image.linear_gradient("L").save(tmp_path / "photos" / "raw" / "y.png")
    (tmp_path / "photos" / "albums" / "x.png").symlink_to("../raw/x.png")
    (tmp_path / "photos" / "zoo" / "x.png").symlink_to("../albums/x.png")
    found = duplicates(tmp_path / "photos", keep=keep, csv=tmp_path / "remove.csv", threads=1)
    assert (found.n_pictures, found.groups) == (2, ())
    assert found.notes[0] == (
        "2 names left out, links to other files listed here: 'albums/x.png', 'zoo/x.png'."
    )


def test_of_two_links_to_a_file_elsewhere_and_its_copy_the_copy_goes_or_a_link(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "elsewhere.png")
    for name in ("a.png", "c.png"):
        (tmp_path / "photos" / name).symlink_to("../elsewhere.png")
    shutil.copy(tmp_path / "elsewhere.png", tmp_path / "photos" / "b.png")
    found = duplicates(tmp_path / "photos", threads=1)
    assert [(one.path, one.copy_of) for one in found.removable] == [("b.png", "a.png")]
    assert "1 name left out, a link to another file listed here: 'c.png'." in found.notes


@pytest.mark.parametrize("keep", ["best", "first"])
def test_of_thirty_files_with_the_same_pixels_one_stays(tmp_path: Path, keep: str) -> None:
    (tmp_path / "photos").mkdir()
    picture = Image.linear_gradient("L").resize((40, 30))
    for k in range(30):  # of 30 sizes, the largest in the middle
        about = PngInfo()
        about.add_text("note", "x" * (500 - 20 * abs(k - 17)))
        picture.save(tmp_path / "photos" / f"{k:02d}.png", pnginfo=about)
    shutil.copy(tmp_path / "photos" / "17.png", tmp_path / "photos" / "copy.png")
    found = duplicates(tmp_path / "photos", keep=keep, csv=tmp_path / "remove.csv", threads=1)
    (group,) = found.groups
    kept = {"best": "17.png", "first": "00.png"}[keep]
    assert [one.path for one in group if not one.copy_of] == [kept]
    assert {one.copy_of for one in group[1:]} == {kept}
    assert [one.path for one in group if one.kind == "same bytes"] == (["copy.png"] if keep == "best" else [])
    assert len(group) == 31


@pytest.mark.parametrize("keep", ["best", "first"])
def test_of_forty_files_with_nearly_the_same_pixels_one_stays(
    tmp_path: Path, keep: str, draw_class: Callable[..., Path]
) -> None:
    for number in range(12):
        draw_class(tmp_path / "photos", "stripes", number)
    with Image.open(tmp_path / "photos" / "stripes_003.png") as picture:
        for k in range(40):
            picture.save(tmp_path / "photos" / f"again {k:02d}.jpg", quality=50 + k)
    found = duplicates(tmp_path / "photos", keep=keep, csv=tmp_path / "remove.csv", threads=1)
    (group,) = found.groups
    kept = {"best": "stripes_003.png", "first": "again 00.jpg"}[keep]
    assert [one.path for one in group if not one.copy_of] == [kept]
    assert len(group) == 41


def test_of_a_large_group_the_page_shows_the_one_that_contradicts(tmp_path: Path) -> None:
    for number in range(12):
        folder = tmp_path / "photos" / ("dog" if number == 9 else "cat")
        folder.mkdir(parents=True, exist_ok=True)
        Image.linear_gradient("L").resize((40, 30)).save(folder / f"{number:02}.png")
    duplicates(
        tmp_path / "photos", html=tmp_path / "page.html", keep="first", csv=tmp_path / "r.csv", threads=1
    )
    page = (tmp_path / "page.html").read_text()
    assert re.search(r"12\s+pictures, 8 shown", page)
    assert "more than one label" in page
    assert "dog/09.png" in page
    assert "cat/11.png" not in page


def test_a_page_shows_the_first_and_one_of_each_kind_before_the_rest() -> None:
    sides = [("cat", "train")] * 9 + [("dog", "train"), ("cat", "valid"), ("cat", "train")]
    assert shown_first(sides) == [0, 1, 2, 3, 4, 5, 9, 10]
    assert shown_first(sides[:3]) == [0, 1, 2]


def test_two_files_of_the_same_bytes_alone_are_told(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "b.png")
    found = duplicates(tmp_path, threads=1)
    assert [(one.path, one.copy_of, one.kind) for one in found.removable] == [
        ("b.png", "a.png", "same bytes")
    ]
    assert (found.scenes, found.doubtful) == ((), ())


def test_a_second_search_decodes_no_picture_to_look_at_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates_find, "N_PLANTED", 4)
    first = duplicates(photos, threads=1)
    monkeypatch.setattr("fovea.tasks.copies.decode", lambda content: pytest.fail("decoded again"))
    again = duplicates(photos, threads=1)
    assert again.groups == first.groups


def test_a_private_page_holds_no_picture_and_no_place(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates_find, "N_PLANTED", 4)
    duplicates(photos, html=tmp_path / "page.html", private=True, threads=1)
    html = (tmp_path / "page.html").read_text()
    assert "data:image/jpeg" not in html
    assert str(photos) not in html


def test_a_picture_that_goes_after_it_was_read_does_not_stop_the_search(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates_find, "N_PLANTED", 4)
    shutil.copytree(photos, tmp_path / "photos")
    find = task.find_pairs

    def find_and_lose(*given: object, **named: object) -> object:
        (tmp_path / "photos" / "dog" / "same.png").unlink()
        return find(*given, **named)

    monkeypatch.setattr(task, "find_pairs", find_and_lose)
    found = duplicates(tmp_path / "photos", html=tmp_path / "page.html", threads=1)
    assert {one.path: one.n_bytes for group in found.groups for one in group}["dog/same.png"] == 0
