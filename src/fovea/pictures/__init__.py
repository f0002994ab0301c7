from fovea.pictures.altering import ALTERATIONS, alter
from fovea.pictures.decode import decode, decode_to, thumbnail_jpeg
from fovea.pictures.hashes import content_sha256, pixel_hash
from fovea.pictures.picture import Facts, Picture
from fovea.pictures.resize import resize
from fovea.pictures.scan import Found, Scan, scan_folder
from fovea.pictures.source import load_source

__all__ = [
    "ALTERATIONS",
    "Facts",
    "Found",
    "Picture",
    "Scan",
    "alter",
    "content_sha256",
    "decode",
    "decode_to",
    "load_source",
    "pixel_hash",
    "resize",
    "scan_folder",
    "thumbnail_jpeg",
]
