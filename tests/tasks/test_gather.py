"""What gathering promises: every row keeps its own features, facts and problem, each content is read by the network once."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fovea.features import Encoder, Stage, open_backbone, open_store
from fovea.manifest import Manifest, read_source
from fovea.tasks.gather import Gathered, add_hashes, gather, last_average


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return open_backbone(precision="f32", threads=1)


@pytest.fixture
def few(tmp_path: Path, draw_picture: Callable[..., Path]) -> Manifest:
    """Return a manifest: two scenes, a copy of the first, a broken file and one that is not there."""
    for number, name in enumerate(("cat/0.png", "dog/1.png")):
        draw_picture(tmp_path / name, seed=number, size_px=(48, 32 + number))
    shutil.copy(tmp_path / "cat" / "0.png", tmp_path / "dog" / "copy.png")
    (tmp_path / "cat" / "cut.png").write_bytes((tmp_path / "cat" / "0.png").read_bytes()[:300])
    (tmp_path / "cat" / "gone.png").write_bytes(b"x")
    manifest = read_source(tmp_path)
    (tmp_path / "cat" / "gone.png").unlink()
    return manifest


def gathered(manifest: Manifest, encoder: Encoder, *, views: int = 1) -> Gathered:
    with open_store() as store:
        return gather(add_hashes(manifest, store), encoder=encoder, store=store, views=views)


def test_hashes_are_filled_in_and_what_is_gone_gets_a_problem(few: Manifest) -> None:
    rows = {row.path: row for row in add_hashes(few, None).rows}
    assert rows["cat/0.png"].sha256 == rows["dog/copy.png"].sha256 != rows["dog/1.png"].sha256
    assert rows["cat/gone.png"].problem == "cannot be read: No such file or directory"
    assert [path for path, row in rows.items() if row.problem] == ["cat/gone.png"]


def test_packed_pictures_have_the_features_of_the_same_pictures_as_files(
    tmp_path: Path, encoder: Encoder, draw_pixels: Callable[..., np.ndarray]
) -> None:
    from PIL import Image

    grey = [draw_pixels(seed=number, size_px=(28, 28))[..., 0] for number in range(9)]
    for name in ("packed", "files"):
        (tmp_path / name).mkdir()
    sizes = b"".join(n.to_bytes(4, "big") for n in (9, 28, 28))
    content = b"\0\0\x08\x03" + sizes + b"".join(one.tobytes() for one in grey)
    (tmp_path / "packed" / "train-images-idx3-ubyte").write_bytes(content)
    for number, one in enumerate(grey):
        Image.fromarray(one).save(tmp_path / "files" / f"{number}.png")
    packed, files = (
        gathered(read_source(tmp_path / name, labelled=False), encoder) for name in ("packed", "files")
    )
    assert [row.path for row in packed.manifest.rows][8] == "train-images-idx3-ubyte#8"
    assert (packed.manifest.rows[0].width, packed.manifest.rows[0].height) == (28, 28)
    assert np.array_equal(packed.features, files.features)


def test_rows_with_a_problem_or_a_hash_are_left_as_they_are(few: Manifest) -> None:
    known = few.with_rows(
        [replace(few.rows[0], problem="wrong label"), *(replace(row, sha256="ab") for row in few.rows[1:])]
    )
    assert add_hashes(known, None).rows == known.rows


def test_every_row_has_the_features_of_its_own_picture(few: Manifest, encoder: Encoder) -> None:
    from fovea.pictures import decode_to

    found = gathered(few, encoder)
    size = encoder.preprocess
    for name in ("cat/0.png", "dog/1.png", "dog/copy.png"):
        number = [row.path for row in few.rows].index(name)
        picture = decode_to(
            few.file(few.rows[number]).read_bytes(), height_px=size.height_px, width_px=size.width_px
        )
        expected = encoder.encode(picture.pixels[None])[0].astype(np.float16)
        np.testing.assert_array_equal(found.features[found.place[number], 0], expected)


def test_rows_of_one_content_share_its_number(few: Manifest, encoder: Encoder) -> None:
    found = gathered(few, encoder)
    number = {row.path: int(k) for row, k in zip(few.rows, found.content, strict=True)}
    assert number["cat/0.png"] == number["dog/copy.png"] != number["dog/1.png"]
    assert number["cat/cut.png"] == number["cat/gone.png"] == -1
    rows = {row.path: row for row in found.manifest.rows}
    assert found.sha256s[number["dog/1.png"]] == rows["dog/1.png"].sha256
    assert len(found.sha256s) == len(found.facts) == 2


def test_sizes_and_problems_are_filled_in(few: Manifest, encoder: Encoder) -> None:
    rows = {row.path: row for row in gathered(few, encoder).manifest.rows}
    assert (rows["cat/0.png"].width, rows["cat/0.png"].height) == (48, 32)
    assert (rows["dog/1.png"].width, rows["dog/1.png"].height) == (48, 33)
    assert rows["cat/cut.png"].problem.startswith("cut short")


def test_each_content_is_decoded_once_and_never_again(few: Manifest, encoder: Encoder) -> None:
    assert gathered(few, encoder).n_decoded == 3  # two scenes and the broken one
    assert gathered(few, encoder).n_decoded == 0


def test_views_stand_side_by_side_the_plain_one_first(few: Manifest, encoder: Encoder) -> None:
    one, three = gathered(few, encoder), gathered(few, encoder, views=3)
    assert three.features.shape[1:] == (3, encoder.n_features)
    rows = np.flatnonzero(one.content >= 0)
    np.testing.assert_array_equal(three.features[three.place[rows], 0], one.features[one.place[rows], 0])
    assert (three.features[three.place[rows], 1] != three.features[three.place[rows], 0]).any()


def test_nothing_to_gather_is_no_error(few: Manifest, encoder: Encoder) -> None:
    found = gathered(few.with_rows([]), encoder)
    assert (found.features.shape, found.content.shape) == ((0, 1, encoder.n_features), (0,))


class Staged:
    """An encoder that has stages alone."""

    def __init__(self, *names: str) -> None:
        self.stages = tuple(Stage(name, 4 * k, 4 * k + 4) for k, name in enumerate(names))


def test_the_last_average_is_taken_and_a_maximum_only_where_there_is_none() -> None:
    assert last_average(Staged("a", "b", "b:max")).name == "b"  # type: ignore[arg-type]
    assert last_average(Staged("a:max", "b:max")).name == "b:max"  # type: ignore[arg-type]
