"""Files are known by their first bytes, and what is not a picture is named."""

import struct

import pytest

from fovea.errors import PictureError
from fovea.pictures import decode
from fovea.pictures.exif import orientation
from fovea.pictures.sniff import sniff


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file (0 bytes)"),
        (b"\n<!DOCTYPE html><p>404", "not a picture: an HTML page"),
        (b"\xef\xbb\xbf<HTML>", "not a picture: an HTML page"),
        (b'<?xml version="1.0"?><a/>', "not a picture: an XML file"),
        (b'<?xml version="1.0"?><svg/>', "not a picture: an SVG drawing"),
        (b"%PDF-1.7 ", "not a picture: a PDF document"),
        (b"PK\x03\x04...", "not a picture: a ZIP archive"),
        (b"path,label\na.jpg,cat\n", "not a picture: a text file"),
        (bytes(5000), "not a picture: nothing but zeros"),
        (b"RIFF\0\0\0\0AVI LIST", "not a picture: an AVI video"),
        (b"RIFF\0\0\0\0WAVEfmt ", "not a picture: a WAV recording"),
        (b"RIFF\0\0\0\0CDDA", "not a picture: a RIFF file"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "not a picture: an MP4 or QuickTime video"),
        (
            b"\0\0\0\x18ftypcrx \0\0\0\1",
            "a camera's raw file, which fovea does not read; save it as JPEG or PNG",
        ),
        (b"8BPS\0\1", "a Photoshop file, which fovea does not read; save it as JPEG or PNG"),
        (
            b"\x01\x02\x03\x04\x05",
            "not a picture: it begins with the bytes 01 02 03 04 05, which is no format that fovea knows",
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "not a picture: a Git LFS pointer; run `git lfs pull`",
        ),
    ],
)
def test_what_is_no_picture_is_named(content: bytes, reason: str) -> None:
    with pytest.raises(PictureError) as refused:
        decode(content)
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("brands", "format"),
    [(b"avif", "AVIF"), (b"mif1\0\0\0\0avif", "AVIF"), (b"heic", "HEIF"), (b"mif1\0\0\0\0heic", "HEIF")],
)
def test_avif_and_heic_are_told_by_their_brands(brands: bytes, format: str) -> None:
    box = b"ftyp" + brands.ljust(8, b"\0")
    assert sniff(struct.pack(">L", len(box) + 4) + box) == format


def block(kind: int, value: bytes, *, endian: str = "<", tag: int = 0x0112) -> bytes:
    order = b"II" if endian == "<" else b"MM"
    entry = struct.pack(endian + "HHL", tag, kind, 1) + value.ljust(4, b"\0")
    return order + struct.pack(endian + "HLH", 42, 8, 1) + entry


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (block(3, b"\6\0"), 6),
        (b"Exif\0\0" + block(3, b"\0\x08", endian=">"), 8),
        (block(4, b"\3\0\0\0"), 3),
        (block(3, b"\6\0", tag=0x0111), 1),
        (block(3, b"\0\0"), 1),
        (b"", 1),
        (b"Exif\0\0", 1),
        (block(3, b"\x09\0"), None),
        (block(3, b"\6\0")[:15], None),
        (b"neither", None),
    ],
    ids=[
        "short",
        "big endian",
        "long",
        "no tag",
        "unknown",
        "empty",
        "only the mark",
        "nine",
        "cut",
        "no TIFF",
    ],
)
def test_orientation_is_read_and_bad_exif_is_told(content: bytes, expected: int | None) -> None:
    assert orientation(content) == expected
