"""Paths, bytes, arrays and Pillow pictures all come to the one decoder, unchanged."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fovea.errors import InputError, MissingInputError, PictureError
from fovea.pictures import decode, load_source

Drawn = Callable[..., NDArray[np.uint8]]


def test_path_gives_its_name_and_bytes(draw_picture: Callable[..., Path], tmp_path: Path) -> None:
    path = draw_picture(tmp_path / "1.jpg")
    assert load_source(path) == load_source(str(path)) == (str(path), path.read_bytes())


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_stay_as_they_are(kind: type) -> None:
    assert load_source(kind(b"abc")) == ("bytes", b"abc")


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_arrays_survive_without_loss(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    name, content = load_source(pixels)
    expected = np.broadcast_to(pixels.reshape(5, 7, -1), (5, 7, 3))
    assert name == "array"
    assert np.array_equal(decode(content).pixels, expected)


def test_array_with_alpha_is_put_over_white() -> None:
    content = load_source(np.array([[(10, 20, 30, 0), (10, 20, 30, 255)]], np.uint8))[1]
    assert decode(content).pixels[0].tolist() == [[255, 255, 255], [10, 20, 30]]


def test_array_that_is_a_view_is_taken_as_it_looks(draw_pixels: Drawn) -> None:
    pixels = draw_pixels(seed=1)
    assert np.array_equal(decode(load_source(pixels[::-1, ::2])[1]).pixels, pixels[::-1, ::2])


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32 (4, 4, 3)"),
        (np.zeros((1, 4, 4, 3), np.uint8), "uint8 (1, 4, 4, 3)"),
        (np.zeros((4, 4, 2), np.uint8), "uint8 (4, 4, 2)"),
        (np.zeros((0, 4, 3), np.uint8), "uint8 (0, 4, 3)"),
    ],
)
def test_other_arrays_are_refused(array: NDArray[np.generic], found: str) -> None:
    with pytest.raises(InputError) as refused:
        load_source(array)  # type: ignore[arg-type]
    assert str(refused.value) == (
        f"An array of {found} was given as a picture; give uint8 in 0..255 of "
        "shape (height, width), (height, width, 1), (height, width, 3) RGB or (height, width, 4) RGBA."
    )


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "La", "RGBa"]


@pytest.mark.parametrize("mode", MODES)
def test_pillow_pictures_of_every_mode_look_as_pillow_shows_them(draw_pixels: Drawn, mode: str) -> None:
    image = Image.fromarray(draw_pixels(seed=2))
    steps = {"La": ("LA", "La"), "RGBa": ("RGBA", "RGBa")}.get(mode, (mode,))
    if mode == "LAB":
        image = Image.frombytes("LAB", (2, 1), bytes([200, 10, 250, 50, 0, 0]))
    for step in steps:
        image = image.convert(step) if image.mode != step else image
    expected = image.convert("LA" if mode == "La" else "RGBA" if mode == "RGBa" else mode).convert("RGB")
    difference = decode(load_source(image)[1]).pixels.astype(int) - np.asarray(expected)
    assert np.abs(difference).max() <= 1


def test_16_bit_pillow_picture_is_scaled_by_its_depth() -> None:
    for dtype in (np.uint16, np.int32):  # Pillow's modes I;16 and I
        content = load_source(Image.fromarray(np.array([[0x1234, 65535]], dtype)))[1]
        assert decode(content).pixels[0, :, 0].tolist() == [0x12, 255]


def test_whole_numbers_of_unknown_scale_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        load_source(Image.fromarray(np.array([[-3, 70000]], np.int32)))
    assert str(refused.value) == (
        "A Pillow picture of mode 'I' with numbers from -3 to 70000 was given, whose scale is unknown; "
        "scale it to 0..255 (mode 'L') or 0..65535 (mode 'I;16')."
    )


def test_pillow_picture_is_turned_as_its_file_is(draw_pixels: Drawn) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    target = BytesIO()
    Image.fromarray(draw_pixels(seed=3)).save(target, "PNG", exif=exif)
    with Image.open(target) as image:
        pixels = decode(load_source(image)[1]).pixels
    assert np.array_equal(pixels, decode(target.getvalue()).pixels)


def test_pillow_picture_is_named_after_its_file(draw_picture: Callable[..., Path], tmp_path: Path) -> None:
    path = draw_picture(tmp_path / "1.png")
    with Image.open(path) as image:
        assert load_source(image)[0] == str(path)
    assert load_source(Image.new("L", (1, 1)))[0] == "picture"


def test_pillow_picture_that_is_cut_short_is_a_picture_error(draw_pixels: Drawn) -> None:
    target = BytesIO()
    Image.fromarray(draw_pixels(seed=3)).save(target, "PNG")
    with (
        Image.open(BytesIO(target.getvalue()[:300])) as image,
        pytest.raises(PictureError, match=r"^damaged: "),
    ):
        load_source(image)


def test_missing_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "none.jpg"
    with pytest.raises(MissingInputError) as refused:
        load_source(path)
    assert str(refused.value) == f"There is no file {str(path)!r}. Check its spelling."


def test_folder_in_place_of_a_picture_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        load_source(tmp_path)
    assert str(refused.value) == f"{str(tmp_path)!r} is a folder where a picture is needed; give its files."


def test_address_is_not_fetched() -> None:
    with pytest.raises(InputError) as refused:
        load_source("https://example.org/cat.jpg")
    assert str(refused.value) == (
        "'https://example.org/cat.jpg' is an address on a network; download it first and give the file."
    )


def test_impossible_name_is_said() -> None:
    with pytest.raises(InputError) as refused:
        load_source("a\0b")
    assert str(refused.value) == "The file 'a\\x00b' cannot be read: embedded null byte."


def test_other_things_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        load_source(7)  # type: ignore[arg-type]
    assert str(refused.value) == (
        "A picture was given as int; give a path, the bytes of a file, a Pillow picture "
        "or a uint8 array (height, width, 3)."
    )
