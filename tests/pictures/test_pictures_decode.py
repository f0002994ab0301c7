"""The one decoder: formats, frames, orientation, reduced scale, limits, and whose fault a refusal is."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from fovea.errors import InputError, PictureError
from fovea.pictures import Facts, decode, decode_to, thumbnail_jpeg

Drawn = Callable[..., NDArray[np.uint8]]
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture must be stored for each orientation: what the EXIF standard's picture shows."""


def encode(pixels: NDArray[np.uint8], format: str, **options: object) -> bytes:
    target = BytesIO()
    Image.fromarray(pixels).save(target, format, **options)  # type: ignore[arg-type]
    return target.getvalue()


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def reason(content: bytes) -> str:
    with pytest.raises(PictureError) as refused:
        decode(content)
    with pytest.raises(PictureError) as refused_small:
        decode_to(content, height_px=8, width_px=8)
    assert str(refused.value) == str(refused_small.value)
    return str(refused.value)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_formats_give_the_pixels_that_went_in(draw_pixels: Drawn, format: str) -> None:
    pixels = draw_pixels(seed=1)
    picture = decode(encode(pixels, format, **({"lossless": True} if format == "WEBP" else {})))
    assert np.array_equal(picture.pixels, pixels)
    assert (picture.facts.format, picture.facts.width, picture.facts.height) == (format, 48, 32)
    assert picture.facts.conversions == ()


@pytest.mark.parametrize("size", [b"48 32", b"48\n32", b"48\t32", b"48 # wide\n32"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_raw_pixels_are_read_behind_any_header(draw_pixels: Drawn, mode: str, size: bytes) -> None:
    image = Image.fromarray(draw_pixels(seed=1)).convert(mode)
    kind = b"P5" if mode == "L" else b"P6"
    picture = decode(kind + b"\n" + size + b"\n255\n" + image.tobytes() + b"and what follows")
    assert np.array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert picture.facts == Facts("PPM", mode, 48, 32, ("grey",) if mode == "L" else ())


@pytest.mark.parametrize("header", [b"P5 4 4 255 ", b"P6\n4 4\n255\n", b"P6\n#\n4 4\n255\n"])
def test_raw_pixels_cut_short_are_told(header: bytes) -> None:
    content = header + bytes(15)
    assert reason(content) == (
        f"cut short: the file ends after {len(content)} bytes, before its picture does"
    )


@pytest.mark.parametrize("format", ["JPEG", "AVIF", "WEBP"])
def test_lossy_formats_come_close(draw_pixels: Drawn, format: str) -> None:
    pixels = draw_pixels(seed=1)
    picture = decode(encode(pixels, format, quality=95))
    assert np.abs(picture.pixels.astype(int) - pixels).mean() < 3


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", "tiff_adobe_deflate"])
def test_compressed_tiffs_are_read(draw_pixels: Drawn, compression: str) -> None:
    pixels = draw_pixels(seed=2)
    assert np.array_equal(decode(encode(pixels, "TIFF", compression=compression)).pixels, pixels)


def test_big_tiff_is_read(draw_pixels: Drawn) -> None:
    pixels = draw_pixels(seed=2)
    assert np.array_equal(decode(encode(pixels, "TIFF", big_tiff=True)).pixels, pixels)


def test_pixels_cannot_be_written(draw_pixels: Drawn) -> None:
    assert not decode(encode(draw_pixels(), "PNG")).pixels.flags.writeable


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_first_frame_of_several_is_taken(draw_pixels: Drawn, format: str) -> None:
    red, blue = (Image.fromarray(draw_pixels(colour=colour)) for colour in ((250, 0, 0), (0, 0, 250)))
    target = BytesIO()
    red.save(target, format, save_all=True, append_images=[blue])
    picture = decode(target.getvalue())
    assert np.abs(picture.pixels.astype(int) - (250, 0, 0)).max() <= 6
    assert picture.facts.conversions[0] == "first-frame"


def test_mpo_gives_its_first_picture(draw_pixels: Drawn) -> None:
    red, blue = (Image.fromarray(draw_pixels(colour=colour)) for colour in ((250, 0, 0), (0, 0, 250)))
    target = BytesIO()
    red.save(target, "MPO", save_all=True, append_images=[blue])
    picture = decode(target.getvalue())
    assert picture.pixels[..., 0].min() > 240
    assert (picture.facts.format, picture.facts.conversions) == ("MPO", ("first-frame",))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", TURNS)
def test_every_orientation_shows_the_same_picture(draw_pixels: Drawn, orientation: int, format: str) -> None:
    upright = draw_pixels(seed=4, size_px=(64, 32))
    stored = np.asarray(Image.fromarray(upright).transpose(TURNS[orientation]))
    options = {"quality": 98, "exif": exif(orientation)}
    picture = decode(encode(stored, format, **options))
    assert picture.pixels.shape == upright.shape
    assert np.abs(picture.pixels.astype(int) - upright).mean() < 3
    assert picture.facts.conversions == ("turned",)


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("orientation", TURNS)
def test_turned_pictures_are_resized_as_upright_ones(draw_pixels: Drawn, orientation: int, fit: str) -> None:
    upright = draw_pixels(seed=5, size_px=(320, 240))
    stored = np.asarray(Image.fromarray(upright).transpose(TURNS[orientation]))
    turned = decode_to(encode(stored, "PNG", exif=exif(orientation)), height_px=40, width_px=56, fit=fit)
    plain = decode_to(encode(upright, "PNG"), height_px=40, width_px=56, fit=fit)
    assert np.abs(turned.pixels.astype(int) - plain.pixels).max() <= 2
    assert (turned.facts.width, turned.facts.height) == (320, 240)


def test_g4_tiffs_of_all_orientations_show_one_page(shared: Path) -> None:
    names = [f"pillow__Tests__images__g4_orientation_{k}.tif" for k in range(2, 8)]
    pages = [decode((shared / "data/odd" / name).read_bytes()).pixels for name in names]
    # They were scanned apart: a few edge pixels of 51,920 differ.
    assert all((page != pages[0]).mean() < 0.003 for page in pages)


@pytest.mark.parametrize("block", [b"Exif\0\0II*\0\xff\xff\xff\x7f", b"Exif\0\0nonsense", exif(77)])
def test_unreadable_exif_is_ignored_and_said(draw_pixels: Drawn, block: bytes) -> None:
    picture = decode(encode(draw_pixels(), "JPEG", exif=block))
    assert picture.pixels.shape == (32, 48, 3)
    assert picture.facts.conversions == ("bad-exif",)


@pytest.mark.parametrize(
    ("cover", "expected"), [((30, 40), (30, 40)), ((31, 40), (60, 80)), ((1, 1), (30, 40))]
)
def test_jpeg_comes_at_the_smallest_scale_that_covers(
    draw_pixels: Drawn, cover: tuple[int, int], expected: tuple[int, int]
) -> None:
    content = encode(draw_pixels(seed=6, size_px=(320, 240)), "JPEG")
    picture = decode(content, cover_px=cover)
    assert picture.pixels.shape[:2] == expected
    assert (picture.facts.width, picture.facts.height, picture.facts.conversions) == (320, 240, ())


def test_turned_jpeg_at_reduced_scale_covers_what_was_asked_upright(draw_pixels: Drawn) -> None:
    content = encode(draw_pixels(size_px=(320, 240)), "JPEG", exif=exif(6))
    assert decode(content, cover_px=(80, 60)).pixels.shape == (80, 60, 3)


@pytest.mark.parametrize(("height", "width"), [(224, 224), (269, 187), (100, 30), (700, 500)])
@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_decode_to_gives_exactly_the_size(draw_pixels: Drawn, height: int, width: int, fit: str) -> None:
    content = encode(draw_pixels(size_px=(300, 432)), "JPEG")
    picture = decode_to(content, height_px=height, width_px=width, fit=fit)
    assert picture.pixels.shape == (height, width, 3)
    assert (picture.facts.width, picture.facts.height) == (300, 432)


def test_reduced_scale_looks_like_the_whole_shrunk(draw_pixels: Drawn) -> None:
    pixels = draw_pixels(seed=7, size_px=(640, 480))
    from_jpeg = decode_to(encode(pixels, "JPEG", quality=98), height_px=60, width_px=80).pixels
    from_png = decode_to(encode(pixels, "PNG"), height_px=60, width_px=80).pixels
    assert np.abs(from_jpeg.astype(int) - from_png).max() <= 8


def test_unknown_fit_is_the_callers_mistake(draw_pixels: Drawn) -> None:
    with pytest.raises(InputError) as refused:
        decode_to(encode(draw_pixels(), "PNG"), height_px=8, width_px=8, fit="stretch")
    assert str(refused.value) == "fit is 'stretch'; use one of crop, pad, squash."


def giant_jpeg(width: int, height: int, **options: object) -> bytes:
    """A small JPEG whose header claims another size."""
    content = encode(np.zeros((8, 8, 3), np.uint8), "JPEG", **options)
    return content.replace(struct.pack(">HH", 8, 8), struct.pack(">HH", height, width), 1)


def giant_png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(b"\0")
    blocks = (
        struct.pack(">L", len(b) - 4) + b + struct.pack(">L", zlib.crc32(b))
        for b in (header, pixels, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(blocks)


@pytest.mark.parametrize(
    ("content", "size", "limit"),
    [
        (giant_png(8193, 8192), "8,193 x 8,192", "67,108,864"),
        (giant_jpeg(16385, 16384), "16,385 x 16,384", "268,435,456"),
        (giant_jpeg(8193, 8192, progressive=True), "8,193 x 8,192", "67,108,864"),
        (b"BM" + struct.pack("<LLLLllHH", 0, 0, 54, 40, 9000, 9000, 1, 24) + bytes(24), "9,000 x 9,000", "67,108,864"),
        (b"P6 9000 9000 255 ", "9,000 x 9,000", "67,108,864"),
        (b"P3 1025 1024 255 ", "1,025 x 1,024", "1,048,576"),
        (b"GIF89a" + struct.pack("<HHBBB", 9000, 9000, 0, 0, 0) + b";", "9,000 x 9,000", "67,108,864"),
        (b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x27\x23\0\x27\x23\0", "9,000 x 9,000", "67,108,864"),
    ],
    ids=["PNG", "JPEG", "progressive JPEG", "BMP", "PPM", "text PPM", "GIF", "WebP"],
)  # fmt: skip
def test_too_many_pixels_are_refused_from_the_header(content: bytes, size: str, limit: str) -> None:
    assert reason(content) == f"too large: {size} pixels, where fovea reads at most {limit}; scale it down"


def test_png_whose_rows_end_early_is_cut_short() -> None:
    assert reason(giant_png(10, 10)).startswith("cut short: ")


def test_memory_that_runs_out_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(giant_png(8000, 8000))
    code = """
import resource, sys
from pathlib import Path
from fovea.pictures import decode
content = Path(sys.argv[1]).read_bytes()
try:
    decode(content)
except Exception as error:
    assert str(error).startswith("cut short"), error
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (4096 * pages + 2**26,) * 2)
decode(content)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "large.png")], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "fovea.errors.PictureError: too large for the memory that is left"
    )


def test_jpeg_over_the_limit_comes_reduced_and_says_so(
    monkeypatch: pytest.MonkeyPatch, draw_pixels: Drawn
) -> None:
    monkeypatch.setattr(sys.modules["fovea.pictures.decode"], "PIXEL_LIMIT", 300 * 200 - 1)
    picture = decode(encode(draw_pixels(size_px=(300, 200)), "JPEG"))
    assert picture.pixels.shape == (100, 150, 3)
    assert (picture.facts.width, picture.facts.conversions) == (300, ("reduced",))


def test_programs_that_allow_truncated_pictures_change_nothing(
    monkeypatch: pytest.MonkeyPatch, draw_pixels: Drawn
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    for format in ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"):
        content = encode(draw_pixels(seed=8, size_px=(200, 200)), format)
        assert reason(content[: len(content) * 2 // 3]).startswith("cut short: "), format


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_cut_files_are_said_to_be_cut(draw_pixels: Drawn, format: str) -> None:
    content = encode(draw_pixels(seed=8, size_px=(200, 200)), format)
    assert reason(content[: len(content) // 2]).startswith("cut short: ")


def test_flipped_bit_in_png_pixels_is_noticed(draw_pixels: Drawn) -> None:
    content = bytearray(encode(draw_pixels(seed=8), "PNG"))
    content[content.index(b"IDAT") + 40] ^= 1
    assert reason(bytes(content)) == "damaged: the checksum of a PNG block (IDAT) is wrong"


@pytest.mark.parametrize("tail", [b"\0" * 4000, b"garbage" * 500, b"PK\x03\x04" + b"\0" * 99])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF"])
def test_what_stands_behind_the_end_mark_is_ignored(draw_pixels: Drawn, format: str, tail: bytes) -> None:
    content = encode(draw_pixels(seed=9), format)
    assert np.array_equal(decode(content + tail).pixels, decode(content).pixels)


def test_compressed_texts_are_not_unpacked(draw_pixels: Drawn) -> None:
    pixels = draw_pixels(seed=9)
    bomb = b"zTXtnote\0\0" + zlib.compress(bytes(50_000_000))
    block = struct.pack(">L", len(bomb) - 4) + bomb + struct.pack(">L", zlib.crc32(bomb))
    content = encode(pixels, "PNG")
    assert np.array_equal(decode(content[:33] + block + content[33:]).pixels, pixels)


def test_threads_give_the_same_pictures(draw_pixels: Drawn) -> None:
    contents = [
        encode(draw_pixels(seed=k), f) for k in range(20) for f in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
    ]
    alone = [decode_to(content, height_px=20, width_px=20).pixels for content in contents]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda content: decode_to(content, height_px=20, width_px=20).pixels, contents)
        )
    assert all(map(np.array_equal, alone, together))


def test_thumbnail_is_a_small_bare_jpeg(draw_pixels: Drawn) -> None:
    content = encode(draw_pixels(seed=3, size_px=(400, 200)), "JPEG", exif=exif(6), comment=b"secret")
    with Image.open(BytesIO(thumbnail_jpeg(content, side_px=100))) as small:
        assert (small.format, small.size) == ("JPEG", (50, 100))
        assert not {"exif", "comment"} & small.info.keys()


def test_thumbnail_of_a_small_picture_is_not_enlarged(draw_pixels: Drawn) -> None:
    with Image.open(BytesIO(thumbnail_jpeg(encode(draw_pixels(), "PNG")))) as small:
        assert small.size == (48, 32)


def test_thumbnail_of_a_damaged_picture_is_refused() -> None:
    with pytest.raises(PictureError, match=r"^an empty file \(0 bytes\)$"):
        thumbnail_jpeg(b"")


def test_heic_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    content = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    assert (
        reason(content) == 'a HEIC picture, which needs an optional package: pip install "fovea-vision[heic]"'
    )


def test_heic_is_read_with_its_extra(draw_pixels: Drawn) -> None:
    heif = pytest.importorskip("pillow_heif")
    pixels = draw_pixels(seed=3, size_px=(64, 64))
    target = BytesIO()
    heif.from_pillow(Image.fromarray(pixels)).save(target, quality=95)
    picture = decode(target.getvalue())
    assert np.abs(picture.pixels.astype(int) - pixels).mean() < 3
    assert picture.facts.format == "HEIF"
