"""What a file is, by its first bytes: one of the formats that are read, or a name for what it is instead."""

from fovea.errors import PictureError

_READ: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
_OTHER_PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"8BPS", "a Photoshop file"),
    (b"\0\0\1\0", "a Windows icon"),
    (b"\0\0\2\0", "a Windows cursor"),
    (b"qoif", "a QOI picture"),
    (b"DDS ", "a DDS texture"),
    (b"BLP1", "a BLP texture"),
    (b"BLP2", "a BLP texture"),
    (b"\x01\xda", "an SGI picture"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"\xc5\xd0\xd3\xc6", "an EPS drawing"),
    (b"%!PS", "a PostScript drawing"),
    (b"icns", "a macOS icon"),
    (b"gimp xcf", "a GIMP file"),
    (b"SIMPLE  =", "a FITS picture"),
    (b"P7", "a PAM picture"),
    (b"PF", "a colour PFM picture"),
    (b"FUJIFILM", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
)
_NOT_PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"\0\0\1\xba", "an MPEG video"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"version https://git-lfs", "a Git LFS pointer; run `git lfs pull`"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_TEXT = bytes(range(32, 127)) + b"\t\n\r\f\b\x1b"


def sniff(content: bytes) -> str:
    """Return the format of a file that can be read: JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM, AVIF or HEIF.

    Raises PictureError, whose text says what the file is instead.
    """
    if not content:
        raise PictureError("an empty file (0 bytes)")
    for magic, name in _READ:
        if content.startswith(magic):
            return name
    if content[:4] == b"RIFF":
        return _sniff_riff(content)
    if content[4:8] == b"ftyp":
        return _sniff_boxes(content)
    if content[:1] == b"P" and content[1:2] in b"123456f" and content[2:3] in b" \t\n\r\v\f#":
        return "PPM"
    for magic, name in _OTHER_PICTURES:
        if content.startswith(magic):
            raise PictureError(f"{name}, which fovea does not read; save it as JPEG or PNG")
    raise PictureError(f"not a picture: {_name_other(content)}")


def _sniff_riff(content: bytes) -> str:
    if content[8:12] == b"WEBP":
        return "WEBP"
    names = {b"WAVE": "a WAV recording", b"AVI ": "an AVI video"}
    raise PictureError(f"not a picture: {names.get(content[8:12], 'a RIFF file')}")


def _sniff_boxes(content: bytes) -> str:
    """Tell AVIF, HEIF and films apart by the brands of an ISO media file."""
    length = min(int.from_bytes(content[:4], "big"), 256)
    brands = {content[at : at + 4] for at in (8, *range(16, length, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if not brands.isdisjoint(_HEIF_BRANDS):
        return "HEIF"
    if content[8:12] in (b"crx ", b"jxl "):
        name = "a camera's raw file" if content[8:12] == b"crx " else "a JPEG XL picture"
        raise PictureError(f"{name}, which fovea does not read; save it as JPEG or PNG")
    raise PictureError("not a picture: an MP4 or QuickTime video")


def _name_other(content: bytes) -> str:
    for magic, name in _NOT_PICTURES:
        if content.startswith(magic):
            return name
    if content[128:132] == b"DICM":
        return "a DICOM file (medical); export its pictures as PNG"
    start = content[:1024]
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "an SVG drawing"
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "an HTML page"
    if head.startswith(b"<?xml"):
        return "an XML file"
    if not content.strip(b"\0"):
        return "nothing but zeros"
    if not start.translate(None, _TEXT):
        return "a text file"
    return f"it begins with the bytes {content[:8].hex(' ')}, which is no format that fovea knows"
