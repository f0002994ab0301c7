"""Each of the 97 odd files: read with these facts, or refused with this reason; within 2 s and 1 GiB."""

# ruff: noqa: E501 (a row of a table stays on its line)

import json
import subprocess
import sys
from pathlib import Path

import pytest

P = "pillow__Tests__images__"
S = "sharp__test__fixtures__"
UNREAD = "which fovea does not read; save it as JPEG or PNG"
CUT = "cut short: the file ends after {} bytes, before its picture does"
LARGE = "too large: {} pixels, where fovea reads at most {}; scale it down"
LIMIT, JPEG_LIMIT = "67,108,864", "268,435,456"

# format, mode and upright size of the file, and what was done
READ = {
    "made__4000_by_2.png": "PNG RGB 4000 x 2",
    "made__jpeg_named.png": "JPEG RGB 192 x 240",
    "made__name with spaces, commas & ümläuts.jpg": "JPEG RGB 192 x 240",
    "made__no_extension": "JPEG RGB 192 x 240",
    "made__one_pixel.png": "PNG RGB 1 x 1",
    "made__trailing_garbage.jpg": "JPEG RGB 192 x 240",
    P + "16_bit_binary.pgm": "PPM I 20 x 100, grey, 16-bit",
    P + "16bit.MM.cropped.tif": "TIFF I;16B 64 x 64, grey, 16-bit",
    P + "16bit.MM.deflate.tif": "TIFF I;16B 64 x 64, grey, 16-bit",
    P + "16bit.s.tif": "TIFF I 10 x 10, grey, 16-bit",
    P + "DXGI_FORMAT_BC7_UNORM_SRGB.png": "PNG RGBA 16 x 16, alpha",
    P + "DXGI_FORMAT_R8G8B8A8_UNORM_SRGB.png": "PNG RGBA 16 x 16, alpha",
    P + "avif__hopper.avif": "AVIF RGB 128 x 128",
    P + "blend_transparency.png": "PNG RGB 1 x 1, first-frame, alpha",
    P + "bmp__html__pal1.png": "PNG 1 127 x 64, 1-bit",
    P + "bmp__q__pal1p1.bmp": "BMP P 127 x 64, palette",
    P + "compression.tif": "TIFF 1 10 x 10, first-frame, 1-bit",
    P + "g4_orientation_2.tif": "TIFF 1 590 x 88, turned, 1-bit",
    P + "g4_orientation_3.tif": "TIFF 1 590 x 88, turned, 1-bit",
    P + "g4_orientation_4.tif": "TIFF 1 590 x 88, turned, 1-bit",
    P + "g4_orientation_5.tif": "TIFF 1 590 x 88, turned, 1-bit",
    P + "g4_orientation_6.tif": "TIFF 1 590 x 88, turned, 1-bit",
    P + "g4_orientation_7.tif": "TIFF 1 590 x 88, turned, 1-bit",
    P + "hopper.pfm": "PPM F 128 x 128, grey, float",
    P + "hopper_1bit.pbm": "PPM 1 128 x 128, 1-bit",
    P + "hopper_be.pfm": "PPM F 128 x 128, grey, float",
    P + "i_trns.png": "PNG I;16 64 x 64, grey, 16-bit, alpha",
    P + "ignore_frame_size.mpo": "MPO RGB 64 x 64, first-frame",
    P + "lab-green.tif": "TIFF LAB 10 x 10, lab",
    P + "lab.tif": "TIFF LAB 10 x 10, lab",
    P + "morph_a.png": "PNG 1 7 x 7, 1-bit",
    P + "no_palette.gif": "GIF L 1 x 1, first-frame, grey",
    P + "orientation_rectangle.jpg": "JPEG RGB 1 x 2, turned",
    P + "pil_sample_cmyk.jpg": "JPEG CMYK 100 x 100, cmyk",
    P + "png_decompression_dos.png": "PNG L 1 x 1, grey",
    P + "rdf.tif": "TIFF PA 518 x 556, palette, alpha",
    P + "tRNS_null_1x1.png": "PNG P 1 x 1, palette, alpha",
    P + "tiff_strip_cmyk_16l_jpeg.tif": "TIFF CMYK 100 x 100, 16-bit, cmyk",
    P + "tiff_strip_cmyk_jpeg.tif": "TIFF CMYK 100 x 100, cmyk",
    P + "tiff_tiled_cmyk_jpeg.tif": "TIFF CMYK 100 x 100, cmyk",
    P + "uint16_1_4660.tif": "TIFF I;16 10 x 10, grey, 16-bit",
    S + "bgbn4a08.png": "PNG LA 32 x 32, grey, alpha",
    S + "full-transparent.png": "PNG P 300 x 300, palette, alpha",
    S + "rotating-squares.webp": "WEBP RGBA 80 x 80, first-frame, alpha",
}

REFUSED = {
    "exifsamples__heic__samplefilehub.heif": 'a HEIC picture, which needs an optional package: pip install "fovea-vision[heic]"',
    "imageio__chelsea.jxl": f"a JPEG XL picture, {UNREAD}",
    "imageio__chelsea.npy": "not a picture: a NumPy array",
    "imageio__chelsea.zip": "not a picture: a ZIP archive",
    "imageio__dicom_file01.dcm": "not a picture: a DICOM file (medical); export its pictures as PNG",
    "imageio__lenslet_whiteimage.TXT": "not a picture: a text file",
    "imageio__multipage_rgb.tif": "a kind of TIFF that fovea does not read (unknown pixel mode); save it as JPEG or PNG",
    "imageio__test_000_.SPE": "not a picture: it begins with the bytes 00 00 00 00 00 00 00 00, which is no format that fovea knows",
    "intel__forest__5102.jpg": "an empty file (0 bytes)",
    "kangaroo__images__00090.jpg": CUT.format("86,603"),
    "made__900_megapixel_grey.png": LARGE.format("30,000 x 30,000", LIMIT),
    "made__cut_in_half.jpg": CUT.format("10,987"),
    "made__empty.jpg": "an empty file (0 bytes)",
    "made__html_error_page.jpg": "not a picture: an HTML page",
    "made__zeros_in_the_middle.jpg": "damaged: 2,000 bytes of zeros stand where pixels should be (a failed copy or disk)",
    P + "apng__syntax_num_frames_zero.png": "damaged: a PNG without pixels",
    P + "black_and_white.ico": f"a Windows icon, {UNREAD}",
    P
    + "bmp__b__badpalettesize.bmp": "a kind of BMP that fovea does not read (Unsupported BMP Palette size (305402420)); save it as JPEG or PNG",
    P + "bmp__b__badwidth.bmp": LARGE.format("4,294,967,169 x 64", LIMIT),
    P + "bmp__b__reallybig.bmp": LARGE.format("3,000,000 x 2,000,000", LIMIT),
    P + "bmp__b__shortfile.bmp": CUT.format("273"),
    P
    + "bmp__q__rgb24png.bmp": "a kind of BMP that fovea does not read (Unsupported BMP pixel depth (0)); save it as JPEG or PNG",
    P + "broken.png": CUT.format("80"),
    P + "combined_larger_than_size.psd": f"a Photoshop file, {UNREAD}",
    P + "comment.jp2": f"a JPEG 2000 picture, {UNREAD}",
    P
    + "crash-0c7e0e8e11ce787078f00b5b0ca409a167f070e0.tif": "cut short: at least 26,539 bytes of the TIFF's pixels are missing",
    P + "crash-2020-10-test.tif": CUT.format("4,883"),
    P + "crash-465703f71a0f0094873a3e0e82c9f798161171b8.sgi": f"an SGI picture, {UNREAD}",
    P + "crash-d2c93af851d3ab9a19e34503626368b2ecde9c03.j2k": f"a JPEG 2000 picture, {UNREAD}",
    P + "decompression_bomb.gif": LARGE.format("65,535 x 66,601", LIMIT),
    P + "decompression_bomb.ico": f"a Windows icon, {UNREAD}",
    P + "drawing.wmf": f"a Windows metafile, {UNREAD}",
    P + "eps__1.eps": f"an EPS drawing, {UNREAD}",
    P + "expected_to_read.jp2": f"a JPEG 2000 picture, {UNREAD}",
    P
    + "fli_overrun2.bin": "not a picture: it begins with the bytes 0e 42 00 00 12 af 02 00, which is no format that fovea knows",
    P + "hdf5.h5": "not a picture: an HDF5 file",
    P + "issue_6194.j2k": f"a JPEG 2000 picture, {UNREAD}",
    P + "mask_1.cur": f"a Windows cursor, {UNREAD}",
    P + "op_index.qoi": f"a QOI picture, {UNREAD}",
    P + "seek_too_large.tif": CUT.format("16"),
    P
    + "tga__common__1x1_l_bl_raw.tga": "not a picture: it begins with the bytes 00 00 03 00 00 00 00 00, which is no format that fovea knows",
    P + "timeout-041dd17dfde800360a47a172269df127af138c6b.dds": f"a DDS texture, {UNREAD}",
    P + "timeout-060745d3f534ad6e4128c51d336ea5489182c69d.blp": f"a BLP texture, {UNREAD}",
    P + "timeout-1ee28a249896e05b83840ae8140622de8e648ba9.psd": f"a Photoshop file, {UNREAD}",
    P + "timeout-6646305047838720": CUT.format("69,487"),
    P + "truncated_image.png": CUT.format("81,920"),
    P + "truncated_jpeg.jpg": CUT.format("6,698"),
    P + "unimplemented_dxgi_format.dds": f"a DDS texture, {UNREAD}",
    S + "65536-uint32-limit.png": LARGE.format("65,536 x 65,536", LIMIT),
    S + "corrupt-header.jpg": CUT.format("1,024"),
    S + "giant-image.jpg": LARGE.format("20,000 x 14,000", JPEG_LIMIT),
    S + "truncated.jpg": CUT.format("10,000"),
    S + "truncated.png": CUT.format("10,000"),
}

# Reads every file in one go, so that the highest memory of the process is the highest of all files.
CHILD = """
import json, resource, signal, sys
from pathlib import Path
from fovea.errors import PictureError
from fovea.pictures import decode, decode_to

sys.modules["pillow_heif"] = None  # as without the extra

def answer(work):
    signal.setitimer(signal.ITIMER_PROF, 2)  # seconds of processor time: the process dies where it is exceeded
    try:
        facts = work().facts
        return ", ".join((f"{facts.format} {facts.mode} {facts.width} x {facts.height}", *facts.conversions))
    except PictureError as error:
        return "refused: " + str(error)

resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
answers = {}
for file in sorted(Path(sys.argv[1]).iterdir()):
    content = file.read_bytes()
    print(file.name, file=sys.stderr)
    answers[file.name] = [
        answer(lambda: decode(content)),
        answer(lambda: decode_to(content, height_px=224, width_px=224)),
        answer(lambda: decode(content, cover_px=(24, 24))),
    ]
signal.setitimer(signal.ITIMER_PROF, 0)
status = Path("/proc/self/status").read_text()  # getrusage would count what the parent held when it forked
peak_bytes = 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
print(json.dumps({"answers": answers, "peak_bytes": peak_bytes}))
"""


@pytest.fixture(scope="module")
def outcome(shared: Path) -> dict[str, object]:
    command = [sys.executable, "-W", "error", "-c", CHILD, str(shared / "data" / "odd")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    result: dict[str, object] = json.loads(done.stdout)
    return result


def test_every_odd_file_has_its_rule(shared: Path) -> None:
    names = {file.name for file in (shared / "data" / "odd").iterdir()}
    assert names == READ.keys() | REFUSED.keys()
    assert len(names) == 97


@pytest.mark.parametrize("name", READ)
def test_odd_file_is_read_by_a_stated_rule(outcome: dict[str, dict[str, list[str]]], name: str) -> None:
    assert set(outcome["answers"][name]) == {READ[name]}


@pytest.mark.parametrize("name", REFUSED)
def test_odd_file_is_refused_with_its_reason(outcome: dict[str, dict[str, list[str]]], name: str) -> None:
    assert set(outcome["answers"][name]) == {f"refused: {REFUSED[name]}"}


def test_odd_files_take_less_than_a_gibibyte(outcome: dict[str, int]) -> None:
    assert outcome["peak_bytes"] < 2**30
