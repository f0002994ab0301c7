"""What a user may hand over as a picture -> a name and the bytes of a file: one decoder sees everything."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError, MissingInputError, PictureError
from fovea.pictures.exif import ORIENTATION, orientation

if TYPE_CHECKING:
    from PIL import Image

_WITHOUT_FORMAT = {"La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "HSV": "RGB", "YCbCr": "RGB"}
_ONLY_TIFF = ("F", "LAB", "CMYK", "PA")

Source = Union[str, Path, bytes, "Image.Image", NDArray[np.uint8]]


def load_source(source: Source) -> tuple[str, bytes]:
    """Return a name for the picture and the bytes of a file that holds it.

    `source` is a path, the bytes of a file, a Pillow picture, or a uint8 array (h, w), (h, w, 1), (h, w, 3)
    RGB or (h, w, 4) RGBA in 0..255. Arrays and Pillow pictures are encoded without loss; a Pillow picture
    with an EXIF orientation keeps it.

    Raises MissingInputError for a path where nothing is, InputError for what else cannot be a picture, and
    PictureError for a Pillow picture whose pixels cannot be decoded.
    """
    if isinstance(source, (str, Path)):
        return str(source), _read(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "bytes", bytes(source)
    if isinstance(source, np.ndarray):
        return "array", _encode_array(source)
    from PIL import Image

    if isinstance(source, Image.Image):
        return str(getattr(source, "filename", "") or "picture"), _encode_image(source)
    raise InputError(
        f"A picture was given as {type(source).__name__}; give a path, the bytes of a file, a Pillow picture "
        "or a uint8 array (height, width, 3)."
    )


def _read(path: str | Path) -> bytes:
    if str(path).startswith(("http:/", "https:/", "ftp:/", "s3:/")):
        raise InputError(f"{str(path)!r} is an address on a network; download it first and give the file.")
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise MissingInputError(f"There is no file {str(path)!r}. Check its spelling.") from None
    except IsADirectoryError:
        raise InputError(f"{str(path)!r} is a folder where a picture is needed; give its files.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"The file {str(path)!r} cannot be read: {error}.") from None


def _encode_array(pixels: NDArray[np.generic]) -> bytes:
    from PIL import Image

    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))
    if pixels.dtype != np.uint8 or not fits or 0 in pixels.shape:
        raise InputError(
            f"An array of {pixels.dtype} {pixels.shape} was given as a picture; give uint8 in 0..255 of "
            "shape (height, width), (height, width, 1), (height, width, 3) RGB or (height, width, 4) RGBA."
        )
    flat = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    return _encode_image(Image.fromarray(np.ascontiguousarray(flat)))


def _encode_image(image: "Image.Image") -> bytes:
    """Return the picture as a lossless file that keeps its EXIF orientation, so that the decoder turns it."""
    from PIL import Image

    try:
        image.load()
    except Exception as error:  # whatever a lazy picture's decoder raises
        raise PictureError(f"damaged: {error}") from error
    block = Image.Exif()
    turn = orientation(image.info.get("exif", b"")) or 1
    if turn != 1:
        block[ORIENTATION] = turn
    if image.mode in _WITHOUT_FORMAT:
        image = image.convert(_WITHOUT_FORMAT[image.mode])
    elif image.mode == "I":
        image = _as_16bit(image)
    target = BytesIO()
    if image.mode in _ONLY_TIFF:
        image.save(target, "TIFF", exif=block)
    else:
        image.save(target, "PNG", compress_level=1, exif=block)
    return target.getvalue()


def _as_16bit(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    numbers = np.asarray(image)
    if numbers.min() < 0 or numbers.max() > 0xFFFF:
        raise InputError(
            f"A Pillow picture of mode 'I' with numbers from {numbers.min()} to {numbers.max()} was given, "
            "whose scale is unknown; scale it to 0..255 (mode 'L') or 0..65535 (mode 'I;16')."
        )
    return Image.fromarray(numbers.astype(np.uint16))
