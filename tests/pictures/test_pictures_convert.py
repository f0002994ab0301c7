"""Every mode becomes RGB by its stated rule; expected values by hand."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL
import pytest
from numpy.typing import NDArray
from PIL import Image

from fovea.errors import PictureError
from fovea.pictures import decode

Drawn = Callable[..., NDArray[np.uint8]]


needs_pillow_13 = pytest.mark.skipif(
    int(PIL.__version__.split(".", maxsplit=1)[0]) < 13, reason="Pillow 12 cannot read this kind of TIFF"
)


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    target = BytesIO()
    image.save(target, format, **options)  # type: ignore[arg-type]
    return target.getvalue()


def grey16(*values: int) -> Image.Image:
    return Image.fromarray(np.array([values], np.uint16))


def png16(colour: int, *values: int, transparent: bytes = b"") -> bytes:
    """A PNG of 16 bits and one row, of colour type 0 grey, 2 RGB, 4 grey with alpha or 6 RGBA."""
    width = len(values) // {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    blocks = [b"IHDR" + struct.pack(">LLBBBBB", width, 1, 16, colour, 0, 0, 0)]
    blocks += [b"tRNS" + transparent] if transparent else []
    blocks += [b"IDAT" + zlib.compress(b"\0" + struct.pack(f">{len(values)}H", *values)), b"IEND"]
    parts = (struct.pack(">L", len(b) - 4) + b + struct.pack(">L", zlib.crc32(b)) for b in blocks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_upper_eight_bits(format: str) -> None:
    picture = decode(encode(grey16(0, 255, 256, 0x1234, 0x8000, 65535), format))
    assert picture.pixels[0, :, 0].tolist() == [0, 0, 1, 0x12, 0x80, 255]
    assert picture.facts.conversions == ("grey", "16-bit")


def test_16_bit_of_a_widened_8_bit_picture_is_that_picture(draw_pixels: Drawn) -> None:
    grey = draw_pixels(seed=3)[..., 0]
    picture = decode(encode(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"))
    assert np.array_equal(picture.pixels, np.repeat(grey[..., None], 3, axis=2))


def test_16_bit_colour_keeps_its_upper_eight_bits() -> None:
    picture = decode(png16(2, 0x12FF, 0x3400, 65535, 0, 255, 256))
    assert picture.pixels[0].tolist() == [[0x12, 0x34, 255], [0, 0, 1]]
    assert picture.facts.conversions == ("16-bit",)


def test_16_bit_colour_that_stands_for_nothing_becomes_white() -> None:
    content = png16(
        2, 0x1200, 0x3400, 0x5600, 1, 2, 3, transparent=struct.pack(">3H", 0x1200, 0x3400, 0x5600)
    )
    picture = decode(content)
    assert picture.pixels[0].tolist() == [[255, 255, 255], [0, 0, 0]]
    assert picture.facts.conversions == ("16-bit", "alpha")


@pytest.mark.parametrize(("colour", "values"), [(4, (0x1200, 0xFFFF)), (6, (0x1200, 0x1200, 0x1200, 0xFFFF))])
def test_16_bit_with_alpha_keeps_its_upper_eight_bits(colour: int, values: tuple[int, ...]) -> None:
    picture = decode(png16(colour, *values, *[0] * len(values)))
    assert picture.pixels[0].tolist() == [[0x12] * 3, [255] * 3]
    assert {"16-bit", "alpha"} <= set(picture.facts.conversions)


def test_big_endian_16_bit_tiff_reads_as_the_little_endian_one() -> None:
    swapped = Image.frombytes("I;16B", (2, 1), b"\x12\x34\xff\x00")
    assert decode(encode(swapped, "TIFF")).pixels[0, :, 0].tolist() == [0x12, 0xFF]


def test_16_bit_grey_where_zero_is_white_is_turned_round() -> None:
    # Tag 262 (photometric) is 1 as Pillow writes it; 0 means that zero is white.
    content = encode(grey16(0, 0x1234), "TIFF")
    at = content.index(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00")
    content = content[: at + 8] + b"\0\0" + content[at + 10 :]
    assert decode(content).pixels[0, :, 0].tolist() == [255, 255 - 0x12]


def test_signed_16_bit_tiff_is_scaled_by_its_fifteen_bits(shared: Path) -> None:
    # Its 100 numbers rise from 0 to 32767; Pillow reads them as 32-bit integers.
    content = (shared / "data/odd/pillow__Tests__images__16bit.s.tif").read_bytes()
    numbers = np.asarray(Image.open(BytesIO(content)))
    assert np.array_equal(decode(content).pixels[..., 0], numbers // 128)


def test_numbers_below_zero_are_refused(shared: Path) -> None:
    content = bytearray((shared / "data/odd/pillow__Tests__images__16bit.s.tif").read_bytes())
    content[8:10] = (-5).to_bytes(2, "little", signed=True)  # the first pixel
    with pytest.raises(PictureError) as refused:
        decode(bytes(content))
    assert str(refused.value) == (
        "numbers below zero (from -5 to 32767), whose scale is unknown; save it as an 8-bit or 16-bit PNG"
    )


def test_32_bit_whole_numbers_are_refused() -> None:
    content = encode(Image.fromarray(np.array([[5, 70]], np.int32)), "TIFF")
    with pytest.raises(PictureError) as refused:
        decode(content)
    assert str(refused.value) == (
        "32-bit whole numbers, whose scale is unknown; save it as an 8-bit or 16-bit PNG"
    )


@pytest.mark.parametrize(("top", "expected"), [(1.0, [0, 128, 255]), (255.0, [0, 128, 255])])
def test_floats_up_to_1_or_to_255_are_read(top: float, expected: list[int]) -> None:
    numbers = np.array([[0.0, 0.501 * top, top]], np.float32)
    picture = decode(encode(Image.fromarray(numbers), "TIFF"))
    assert picture.pixels[0, :, 0].tolist() == expected
    assert picture.facts.conversions == ("grey", "float")


@pytest.mark.parametrize(
    ("numbers", "found"), [([-1.0, 3.0], "-1 to 3"), ([0, 4000], "0 to 4000"), ([np.nan, 1], "nan to nan")]
)
def test_floats_of_unknown_scale_are_refused(numbers: list[float], found: str) -> None:
    with pytest.raises(PictureError) as refused:
        decode(encode(Image.fromarray(np.array([numbers], np.float32)), "TIFF"))
    assert str(refused.value) == (
        f"floating-point numbers from {found}, whose scale is unknown (0 to 1 and 0 to 255 are read); "
        "save it as an 8-bit or 16-bit PNG"
    )


def test_cmyk_tiff_is_light_minus_ink() -> None:
    # Each channel: (255 - ink) * (255 - black) / 255.
    inks = [(0, 0, 0, 0), (255, 0, 0, 0), (0, 100, 50, 0), (0, 0, 0, 255), (51, 102, 0, 51)]
    image = Image.fromarray(np.array([inks], np.uint8), "CMYK")
    expected = [[round((255 - ink) * (255 - k) / 255) for ink in (c, m, y)] for c, m, y, k in inks]
    picture = decode(encode(image, "TIFF"))
    assert np.abs(picture.pixels[0].astype(int) - expected).max() <= 1
    assert picture.facts.conversions == ("cmyk",)


def test_cmyk_jpeg_with_adobes_inverted_inks_shows_the_right_colour() -> None:
    image = Image.new("CMYK", (16, 16), (0, 204, 255, 0))
    assert np.abs(decode(encode(image, "JPEG", quality=98)).pixels.astype(int) - (255, 51, 0)).max() <= 3


def test_cmyk_jpeg_and_tiff_of_one_scene_agree(shared: Path) -> None:
    odd = shared / "data/odd"
    jpeg = decode((odd / "pillow__Tests__images__pil_sample_cmyk.jpg").read_bytes()).pixels
    for name in ("tiff_strip_cmyk_jpeg", "tiff_tiled_cmyk_jpeg", "tiff_strip_cmyk_16l_jpeg"):
        tiff = decode((odd / f"pillow__Tests__images__{name}.tif").read_bytes()).pixels
        assert np.abs(tiff.astype(int) - jpeg).mean() < 1, name


def test_lab_tiff_agrees_with_the_formula_of_cielab() -> None:
    # L* a* b* -> XYZ (D50) -> linear sRGB by Lindbloom's Bradford-adapted matrix -> sRGB.
    lab = np.array([[(50, 0, 0), (80, 20, 40), (30, -20, 10), (100, 0, 0)]], float)
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], -1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * (0.96422, 1.0, 0.82521)
    matrix = [(3.1338561, -1.6168667, -0.4906146), (-0.9787684, 1.9161415, 0.0334540)]
    linear = (xyz @ np.array([*matrix, (0.0719453, -0.2289914, 1.4052427)]).T).clip(0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    stored = (lab * (2.55, 1, 1)).round().astype(np.int16).astype(np.uint8)  # a* and b* with their sign
    picture = decode(encode(Image.frombytes("LAB", (4, 1), stored.tobytes()), "TIFF"))
    assert np.abs(picture.pixels - 255 * srgb).max() < 5
    assert picture.facts.conversions == ("lab",)


@needs_pillow_13
def test_ycbcr_tiff_is_converted_by_jpegs_formula() -> None:
    y, cb, cr = 120, 90, 180
    expected = (
        y + 1.402 * (cr - 128),
        y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128),
        y + 1.772 * (cb - 128),
    )
    picture = decode(encode(Image.new("YCbCr", (1, 1), (y, cb, cr)), "TIFF"))
    assert np.abs(picture.pixels[0, 0] - np.array(expected)).max() <= 1
    assert picture.facts.conversions == ("ycbcr",)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_alpha_is_put_over_white(format: str) -> None:
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    image = Image.fromarray(np.array([[(200, 100, 0, 255), (200, 100, 0, 128), (9, 9, 9, 0)]], np.uint8))
    picture = decode(encode(image, format, **options))
    half = [round((c * 128 + 255 * 127) / 255) for c in (200, 100, 0)]
    assert np.abs(picture.pixels[0].astype(int) - [(200, 100, 0), half, (255, 255, 255)]).max() <= 1
    assert picture.facts.conversions == ("alpha",)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_with_alpha_is_put_over_white(format: str) -> None:
    image = Image.frombytes("LA", (2, 1), bytes([10, 255, 10, 0]))
    picture = decode(encode(image, format))
    assert picture.pixels[0].tolist() == [[10] * 3, [255] * 3]
    assert picture.facts.conversions == ("grey", "alpha")


@needs_pillow_13
def test_grey_tiff_with_premultiplied_alpha_is_put_over_white() -> None:
    # Tag 338 (extra samples) is 2 as Pillow writes it; 1 means that the grey was multiplied by the alpha already.
    content = encode(Image.frombytes("LA", (1, 1), bytes([60, 128])), "TIFF")
    at = content.index(b"\x52\x01\x03\x00\x01\x00\x00\x00\x02\x00")
    picture = decode(content[: at + 8] + b"\1" + content[at + 9 :])
    assert (
        abs(int(picture.pixels[0, 0, 0]) - (60 + 127)) <= 1
    )  # its own light, and what the paper lets through


def palette_picture() -> Image.Image:
    image = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    return image


@pytest.mark.parametrize("format", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette_gives_its_colours(format: str) -> None:
    picture = decode(encode(palette_picture(), format))
    assert picture.pixels[0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert picture.facts.conversions == ("palette",)


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_transparent_palette_colour_becomes_white(format: str) -> None:
    picture = decode(encode(palette_picture(), format, transparency=1))
    assert picture.pixels[0].tolist() == [[255, 0, 0], [255, 255, 255], [0, 0, 255]]
    assert picture.facts.conversions == ("palette", "alpha")


def test_half_transparent_palette_colours_are_mixed_with_white() -> None:
    picture = decode(encode(palette_picture(), "PNG", transparency=bytes([0, 128, 255])))
    assert picture.pixels[0].tolist() == [[255, 255, 255], [127, 255, 127], [0, 0, 255]]


def test_colour_that_stands_for_nothing_becomes_white() -> None:
    image = Image.fromarray(np.array([[(1, 2, 3), (4, 5, 6)]], np.uint8))
    assert decode(encode(image, "PNG", transparency=(1, 2, 3))).pixels[0].tolist() == [[255] * 3, [4, 5, 6]]


def test_16_bit_grey_that_stands_for_nothing_becomes_white() -> None:
    picture = decode(encode(grey16(0x1200, 0x1201), "PNG", transparency=0x1201))
    assert picture.pixels[0, :, 0].tolist() == [0x12, 255]
    assert picture.facts.conversions == ("grey", "16-bit", "alpha")


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM"])
def test_1_bit_is_black_and_white(format: str) -> None:
    picture = decode(encode(Image.fromarray(np.array([[True, False, True]])), format))
    assert picture.pixels[0, :, 0].tolist() == [255, 0, 255]
    assert "1-bit" in picture.facts.conversions or format == "BMP"


def test_grey_is_repeated(draw_pixels: Drawn) -> None:
    grey = draw_pixels(seed=1)[..., 0]
    picture = decode(encode(Image.fromarray(grey), "PNG"))
    assert np.array_equal(picture.pixels, np.dstack([grey] * 3))
    assert picture.facts.conversions == ("grey",)
