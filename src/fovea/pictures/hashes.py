"""What a picture is known by: the hash of its bytes, and the hash of its pixels."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def content_sha256(content: bytes) -> str:
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def pixel_hash(pixels: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of a picture's shape and pixels, 64 hexadecimal digits.

    `pixels` is uint8 (h, w, 3), full size.
    Two files with the same hash show the same picture, whatever their format, metadata or name.
    """
    digest = hashlib.sha256(f"{'x'.join(map(str, pixels.shape))} {pixels.dtype} ".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
