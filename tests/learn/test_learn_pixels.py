"""Encoded pictures become one array: the pixels that prediction takes, problems told, large ones in a file."""

import contextlib
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import OutputError, PictureError
from fovea.features import Preprocess
from fovea.learn import arrays as arrays_file
from fovea.learn.pixels import read_pixels, try_pixels
from fovea.pictures import decode_to

Reads = list[Callable[[], bytes]]


@pytest.fixture
def reads(tmp_path: Path, draw_picture: Callable[..., Path]) -> Reads:
    files = [draw_picture(tmp_path / f"{seed}.png", seed=seed) for seed in range(3)]
    return [file.read_bytes for file in files]


def test_every_picture_is_decoded_to_the_size_asked_for(reads: Reads) -> None:
    made = read_pixels(reads, height_px=16, width_px=24)
    wanted = [decode_to(read(), height_px=16, width_px=24).pixels for read in reads]
    assert np.array_equal(made, np.stack(wanted))


def test_crop_takes_the_middle_of_a_larger_picture(reads: Reads) -> None:
    made = read_pixels(reads[:1], height_px=16, width_px=16, crop=0.5)
    assert np.array_equal(made[0], decode_to(reads[0](), height_px=32, width_px=32).pixels[8:24, 8:24])


def test_the_number_of_threads_changes_nothing(reads: Reads) -> None:
    many = reads * 50
    one, four = (read_pixels(many, height_px=8, width_px=8, threads=n) for n in (1, 4))
    assert np.array_equal(one, four)


def test_no_pictures_give_an_empty_array() -> None:
    assert read_pixels([], height_px=8, width_px=9).shape == (0, 8, 9, 3)


def test_what_cannot_be_read_is_told_and_black(reads: Reads, tmp_path: Path) -> None:
    gone = (tmp_path / "gone.png").read_bytes
    made = try_pixels([reads[0], gone, lambda: b"no picture", reads[1]], preprocess=Preprocess(8, 8))
    with pytest.raises(PictureError) as caught:
        decode_to(b"no picture", height_px=8, width_px=8)
    assert made.problems == ("", "cannot be read: No such file or directory", str(caught.value), "")
    assert [bool(row.any()) for row in made.pixels] == [True, False, False, True]


def test_read_pixels_refuses_what_cannot_be_read_and_names_it(reads: Reads, tmp_path: Path) -> None:
    gone = (tmp_path / "gone.png").read_bytes
    with pytest.raises(PictureError) as caught:
        read_pixels([reads[0], gone], height_px=8, width_px=8)
    assert str(caught.value) == (
        "1 picture of 2 cannot be read: number 1: cannot be read: No such file or directory. "
        "Give the same command again: what is broken is left out then."
    )


def test_progress_is_told_from_none_to_all(reads: Reads) -> None:
    told: list[tuple[str, int, int]] = []
    read_pixels(reads * 50, height_px=8, width_px=8, progress=lambda *one: told.append(one))
    assert told == [("decode", n, 150) for n in (0, 64, 128, 150)]


def test_a_large_array_lies_in_a_file_that_leaves_nothing_behind(
    reads: Reads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays_file, "LARGE_BYTES", 100)
    made = read_pixels(reads, height_px=16, width_px=16, folder=tmp_path / "work")
    assert isinstance(made, np.memmap)
    assert list((tmp_path / "work").iterdir()) == []
    assert np.array_equal(made, read_pixels(reads, height_px=16, width_px=16))


@contextlib.contextmanager
def little_room() -> Iterator[None]:
    """Let no file of this process grow beyond 100 bytes: within the test only, or pytest could not write its own."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_said_before_anything_is_decoded(
    reads: Reads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays_file, "LARGE_BYTES", 100)
    with little_room(), pytest.raises(OutputError) as caught:
        read_pixels(reads, height_px=16, width_px=16, folder=tmp_path)
    assert str(caught.value) == (
        f"The pictures at training size take 0.0 GB, and there is no room for them in {str(tmp_path)!r}: "
        "File too large. Make room, or take smaller or fewer pictures."
    )
