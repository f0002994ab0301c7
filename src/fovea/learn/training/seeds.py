"""One number of several: every draw of a training is seeded by where it stands (seed, epoch, batch), so none has a state."""

import hashlib


def seed_of(*place: int | str) -> int:
    """Return a seed in [0, 2^63) for a place in a training; equal places give equal seeds."""
    digest = hashlib.blake2b(repr(place).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
