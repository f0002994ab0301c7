"""MNIST's IDX files: pictures with their labels and splits; a cut or wrong file is one plain paragraph."""

import gzip
import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fovea.errors import InputError
from fovea.manifest import Manifest, read_source

Write = Callable[..., Path]
PIXELS = bytes(range(24))  # 4 pictures of 2 x 3
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.fixture
def small(write_idx: Write) -> Path:
    """Return a folder with 4 + 2 pictures of 3 x 2 px."""
    write_idx(f"{IMAGES}.gz", (4, 2, 3), PIXELS)
    write_idx(f"{LABELS}.gz", (4,), bytes([7, 2, 7, 2]))
    write_idx("t10k-images-idx3-ubyte.gz", (2, 2, 3), PIXELS[:12])
    write_idx("t10k-labels-idx1-ubyte.gz", (2,), bytes([2, 7]))
    return Path("set")


def refusal(source: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_source(source, **options)
    return str(caught.value)


def told(manifest: Manifest) -> list[tuple[str, str | None, str]]:
    return [(row.path, row.label, row.split) for row in manifest.rows]


def test_every_picture_is_a_row_with_its_label_and_the_files_split(small: Path) -> None:
    assert told(read_source(small)) == [
        ("t10k-images-idx3-ubyte.gz#0", "2", "test"),
        ("t10k-images-idx3-ubyte.gz#1", "7", "test"),
        (f"{IMAGES}.gz#0", "7", "train"),
        (f"{IMAGES}.gz#1", "2", "train"),
        (f"{IMAGES}.gz#2", "7", "train"),
        (f"{IMAGES}.gz#3", "2", "train"),
    ]


def test_a_picture_is_read_as_a_pgm_that_pillow_opens(small: Path) -> None:
    manifest = read_source(small)
    with Image.open(BytesIO(manifest.read(manifest.rows[3]))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PPM", "L", (3, 2))
        assert list(picture.tobytes()) == [6, 7, 8, 9, 10, 11]


def test_mnist_is_what_its_description_says(shared: Path) -> None:
    manifest = read_source(shared / "data/mnist")
    train = [row for row in manifest.rows if row.split == "train"]
    assert (len(train), len(manifest.rows)) == (60_000, 70_000)
    # The first labels and class sizes as listed in the literature.
    assert [row.label for row in train[:10]] == list("5041921314")
    assert manifest.class_counts["1"] == 6742 + 1135
    raw = gzip.decompress((shared / "data/mnist" / f"{IMAGES}.gz").read_bytes())
    number = 59_999
    assert manifest.read(train[number]) == b"P5\n28 28\n255\n" + raw[16 + 784 * number :]


def test_an_unpacked_file_is_mapped_and_wins_over_its_packed_twin(small: Path, write_idx: Write) -> None:
    write_idx(IMAGES, (4, 2, 3), PIXELS[::-1])
    manifest = read_source(small)
    assert [row.path for row in manifest.rows][2] == f"{IMAGES}#0"
    pack = manifest.packs[IMAGES]
    assert isinstance(pack.pixels, np.memmap)  # type: ignore[attr-defined]
    assert manifest.read(manifest.rows[2])[-6:] == PIXELS[::-1][:6]


def test_a_file_of_class_names_names_the_numbers(small: Path) -> None:
    (small / "classes.txt").write_text("a\nb\nbag\nd\ne\nf\ng\nshoe\n")
    assert read_source(small).class_counts == {"bag": 3, "shoe": 3}


def test_too_few_class_names_are_refused(small: Path) -> None:
    (small / "classes.txt").write_text("bag\nshoe\n")
    assert refusal(small) == (
        f"{str((small / 'classes.txt').absolute())!r} names 2 classes, and the labels count to 8. Write one name on each "
        "line, in the order of the numbers from 0."
    )


def test_one_file_is_a_source_of_its_own_pictures(small: Path) -> None:
    assert [row.split for row in read_source(small / f"{IMAGES}.gz").rows] == ["train"] * 4


def test_pictures_without_labels_will_do_where_none_are_needed(write_idx: Write) -> None:
    file = write_idx(f"{IMAGES}.gz", (4, 2, 3), PIXELS)
    assert {(row.label, row.split) for row in read_source(file, labelled=False).rows} == {(None, "")}
    assert refusal(file) == (
        f"The labels of {str(file.absolute())!r} are missing: there is no {LABELS!r} or '{LABELS}.gz' beside it. Put the "
        "labels file there."
    )


def test_the_files_lie_in_a_folder_of_torchvisions(small: Path) -> None:
    (Path("data") / "MNIST").mkdir(parents=True)
    small.rename("data/MNIST/raw")
    assert read_source(Path("data")).rows[0].path == "MNIST/raw/t10k-images-idx3-ubyte.gz#0"


def test_what_stands_beside_the_set_is_said_to_be_left_out(small: Path) -> None:
    (small / "photo.jpg").write_bytes(b"x")
    (small / "more").mkdir()
    (small / "README.md").write_text("about")
    assert read_source(small).notes == ("Left out beside the set's own files: 'more/', 'photo.jpg'.",)


def where(file: Path) -> str:
    return repr(str(file.absolute()))


@pytest.mark.parametrize("name", [IMAGES, f"{IMAGES}.gz"])
def test_a_file_cut_short_is_refused(write_idx: Write, name: str) -> None:
    file = write_idx(name, (4, 2, 3), PIXELS[:-1])
    assert refusal(file) == (
        f"{where(file)} is cut short: its header promises 4 pictures of 3 x 2 pixels, and it ends before them. Download "
        "it again."
    )


def test_a_gzip_stream_cut_short_is_refused(write_idx: Write) -> None:
    rng = np.random.default_rng(0)
    file = write_idx(f"{IMAGES}.gz", (100, 28, 28), rng.integers(0, 256, 78_400, np.uint8).tobytes())
    file.write_bytes(file.read_bytes()[:40_000])
    assert refusal(file) == (
        f"{where(file)} is cut short: its header promises 100 pictures of 28 x 28 pixels, and it ends before them. Download "
        "it again."
    )


def test_a_header_that_lies_asks_for_no_memory(write_idx: Write) -> None:
    file = write_idx(f"{IMAGES}.gz", (2**32 - 1, 2**32 - 1, 2**32 - 1), PIXELS)
    assert refusal(file).startswith(
        f"{where(file)} is cut short: its header promises 4,294,967,295 pictures of "
    )


def test_a_file_cut_in_its_header_is_refused(write_idx: Write) -> None:
    file = write_idx(IMAGES, (4,), b"", magic=b"\0\0\x08\x03")
    assert refusal(file) == f"{where(file)} is cut short: it ends inside its header. Download it again."


def test_a_file_longer_than_its_header_says_is_refused(write_idx: Write) -> None:
    file = write_idx(f"{IMAGES}.gz", (3, 2, 3), PIXELS)
    assert refusal(file) == (
        f"{where(file)} is longer than its header says (3 pictures of 3 x 2 pixels), so one of them is wrong. Download it "
        "again."
    )


def test_a_damaged_gzip_stream_is_refused(write_idx: Write) -> None:
    file = write_idx(f"{IMAGES}.gz", (4, 2, 3), PIXELS)
    content = bytearray(file.read_bytes())
    content[-8:-4] = struct.pack("<I", 1)  # the checksum
    file.write_bytes(content)
    found = refusal(file)
    assert found.startswith(f"{where(file)} is damaged (CRC check failed")
    assert found.endswith("Download it again.")


def test_another_file_by_that_name_is_refused(write_idx: Write) -> None:
    file = write_idx(IMAGES, (), b"<html>not here</html>", magic=b"<!do")
    assert refusal(file) == (
        f"{where(file)} is no IDX file of bytes: it begins with 3c 21 64 6f, not with 00 00 08 03. Download it again."
    )


def test_labels_where_pictures_should_be_are_refused(write_idx: Write) -> None:
    file = write_idx(IMAGES, (4,), b"\0\0\0\0")
    assert refusal(file) == (
        f"{where(file)} is an IDX file of 1 dimension, where pictures (three dimensions) are needed."
    )


def test_labels_of_other_pictures_are_refused(write_idx: Write) -> None:
    file = write_idx(IMAGES, (4, 2, 3), PIXELS)
    labels = write_idx(LABELS, (3,), b"\0\1\2")
    assert refusal(file) == (
        f"{where(labels)} holds 3 labels, and {IMAGES!r} 4 pictures: they do not belong together. Download both again."
    )


def test_two_sets_in_one_folder_are_refused(write_idx: Write) -> None:
    file = write_idx("emnist-letters-train-images-idx3-ubyte", (4, 2, 3), PIXELS)
    write_idx("emnist-digits-train-images-idx3-ubyte", (4, 2, 3), PIXELS)
    first = file.with_name("emnist-digits-train-images-idx3-ubyte")
    assert refusal(Path("set")) == (
        f"{where(Path('set'))} holds 2 sets of IDX files: 'emnist-digits', 'emnist-letters'. Put the files of one set into a "
        f"folder of its own, or give one file of pictures, for example {where(first)}."
    )


@pytest.mark.parametrize(("option", "told"), [("label_by", "--label-by"), ("group_by", "--group-by")])
def test_columns_of_a_set_without_columns_are_refused(small: Path, option: str, told: str) -> None:
    assert refusal(small, **{option: "kind"}).startswith(
        f"{told} 'kind' needs a table, and {where(small)} is a folder, which has no columns. "
    )


def test_a_link_to_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / IMAGES).symlink_to(tmp_path / "gone")
    assert refusal(tmp_path) == f"{where(tmp_path / IMAGES)} cannot be read: No such file or directory."
