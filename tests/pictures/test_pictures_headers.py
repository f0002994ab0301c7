"""Zeros inside a JPEG are told from flat areas; GIF frames are counted; TIFF directories are checked."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fovea.errors import PictureError
from fovea.pictures import decode
from fovea.pictures.headers import gif_frames


def jpeg(pixels: np.ndarray, **options: object) -> bytes:  # type: ignore[type-arg]
    target = BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=90, **options)  # type: ignore[arg-type]
    return target.getvalue()


def with_zeros(content: bytes, n_bytes: int) -> bytes:
    middle = (content.index(b"\xff\xda") + len(content)) // 2
    return content[:middle] + bytes(n_bytes) + content[middle + n_bytes :]


@pytest.mark.parametrize("optimize", [False, True])
def test_zeros_in_a_jpegs_pixels_are_damage(optimize: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    with pytest.raises(PictureError) as refused:
        decode(with_zeros(jpeg(noise, optimize=optimize), 512))
    assert str(refused.value) in {
        f"damaged: {n} bytes of zeros stand where pixels should be (a failed copy or disk)"
        for n in (512, 513)
    }


@pytest.mark.parametrize("colour", [0, 127, 128, 255])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}, {"subsampling": 0}])
def test_flat_pictures_are_no_damage(colour: int, options: dict[str, object]) -> None:
    flat = np.full((400, 400, 3), colour, np.uint8)
    flat[:40] = np.random.default_rng(1).integers(0, 256, (40, 400, 3), np.uint8)
    assert decode(jpeg(flat, **options)).pixels.shape == flat.shape


def test_gif_frames_are_counted_without_decoding() -> None:
    target = BytesIO()
    frames = [Image.new("RGB", (7, 5), colour) for colour in ("red", "green", "blue")]
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:])
    assert gif_frames(target.getvalue()) == (7, 5, True)


def test_gif_frame_beyond_the_screen_counts() -> None:
    head = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0)
    frame = b"," + struct.pack("<HHHHB", 10, 20, 30, 40, 0) + b"\x02\x01\x00\x00"
    assert gif_frames(head + b"!\xfe\x02hi\0" + b"\1" + frame + b";") == (40, 60, False)


def tiff(*entries: tuple[int, int, int, int]) -> bytes:
    table = b"".join(struct.pack("<HHLL", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<LH", 8, len(entries)) + table + b"\0" * 4


SQUARE = ((256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1))


LZW = (*SQUARE[:3], (259, 3, 1, 5), SQUARE[4])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tiff((256, 3, 2, 5)), "damaged: the TIFF tag 256 has 2 values instead of one"),
        (tiff(*SQUARE, (273, 4, 1, 999)), "cut short: at least 914 bytes of the TIFF's pixels are missing"),
        (
            tiff(*SQUARE, (273, 4, 9, 9999)),
            "cut short: the file ends after 86 bytes, before its picture does",
        ),
        (tiff(*LZW, (273, 4, 1, 8)), "damaged: a TIFF that does not say how long its parts are"),
        (tiff(*SQUARE, (277, 3, 1, 9)), "a TIFF with 9 channels, of which fovea reads at most 6"),
        (tiff((257, 3, 1, 2)), "damaged: its TIFF data cannot be decoded"),
        (b"II*\0\xff\xff\0\0", "cut short: the file ends after 8 bytes, before its picture does"),
    ],
    ids=["two widths", "no pixels", "no table", "no lengths", "channels", "no width", "no directory"],
)
def test_tiff_directories_that_make_no_sense_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(PictureError) as refused:
        decode(content)
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"RIFF\xff\0\0\0WEBPVP8 ", "cut short: 247 bytes of the WebP file are missing"),
        (b"RIFF\x16\0\0\0WEBPnone" + bytes(14), "damaged: a WebP file that begins with b'none'"),
        (b"RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0/\0\0\0\0" + bytes(5), "damaged: its WEBP data cannot be decoded"),
    ],
    ids=["cut", "unknown block", "no pixels"],
)
def test_webp_headers_that_make_no_sense_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(PictureError) as refused:
        decode(content)
    assert str(refused.value) == reason
