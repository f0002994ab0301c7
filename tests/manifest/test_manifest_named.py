"""The built-in digits: the right pictures, written whole, over nothing."""

from pathlib import Path

import numpy as np
import pytest

from fovea.errors import InputError, OutputError
from fovea.manifest import read_source, write_data_set, write_digits
from fovea.manifest.named import digits


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "digits"
    assert write_data_set("digits", folder) == 1797
    return folder


def test_the_packed_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    ink, numbers = digits()
    oracle = load_digits()
    assert (ink == oracle.images).all()
    assert (numbers == oracle.target).all()


def test_the_written_folders_are_a_source_of_ten_classes(written: Path) -> None:
    manifest = read_source(written)
    # Class sizes as the data set's description has them.
    sizes = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert manifest.class_counts == {str(digit): n for digit, n in enumerate(sizes)}
    assert manifest.notes == ()


def test_a_written_picture_shows_dark_ink_on_white_paper(written: Path) -> None:
    from PIL import Image

    with Image.open(written / "0/0000.png") as picture:
        pixels = np.asarray(picture, dtype=float)
        assert (picture.format, picture.mode, picture.size) == ("PNG", "L", (32, 32))
    # Averaged back to 8 x 8 it is the packed picture inverted, but for the enlargement's smoothing.
    coarse = pixels.reshape(8, 4, 8, 4).mean(axis=(1, 3))
    assert np.corrcoef(coarse.ravel(), 16.0 - digits()[0][0].ravel())[0, 1] > 0.97
    assert pixels[:, 0].min() > 240
    assert pixels.min() < 60


def test_the_written_pictures_are_small(written: Path) -> None:
    assert sum(path.stat().st_size for path in written.rglob("*.png")) < 2_000_000


def test_an_empty_folder_may_be_written_into(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    assert write_digits(tmp_path / "digits") == 1797
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError) as caught:
        write_digits(tmp_path)
    assert str(caught.value) == (
        f"'{tmp_path}' is already there and not an empty folder; nothing was written. Choose another folder, "
        f"or remove it first."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_place_that_cannot_be_written_is_named_and_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError) as caught:
        write_digits(tmp_path / "file/digits")
    assert str(caught.value) == (
        f"The digits cannot be written to '{tmp_path}/file/digits': File exists ('{tmp_path}/file'). Choose "
        f"a folder that can be written and has about 8 MB free."
    )


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    def full(self: object, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_digits(tmp_path / "digits")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_data_set_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_data_set("digit", tmp_path)
    assert str(caught.value) == (
        "There is no built-in data set 'digit' (did you mean 'digits'?). The built-in ones: digits."
    )
