"""CIFAR's python batches, which are pickles, read without running anything that they name.

A pickle is a program that may call any function. This reader knows what batches are made of (dictionaries, lists, texts,
numbers and arrays of bytes), puts its own plain objects in the place of numpy's, and refuses every other name.
"""

import codecs
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError

ACCEPTED = (
    "Give a folder of pictures, a table of them (CSV, TSV, Parquet), or CIFAR's batches as they come from "
    "https://www.cs.toronto.edu/~kriz/cifar.html."
)
"""What to give instead of a pickle."""


class _Kind:
    """Stands for numpy's dtype: only bytes without a sign are known."""

    def __init__(self, code: object = b"", *_: object) -> None:
        if code not in (b"u1", "u1"):
            raise _RefusedError(f"an array of {_shown(code)}, where pixels are bytes (u1)")

    def __setstate__(self, state: object) -> None:
        """Take byte order and the like, which mean nothing for bytes."""


class _Array:
    """Stands for numpy's array while it is read: shape and bytes."""

    shape: tuple[int, ...] = ()
    content: bytes = b""

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise _RefusedError("an array in a form that batches do not have")
        _, shape, kind, by_columns, content = state
        content = content.encode("latin-1") if isinstance(content, str) else content
        fits = isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape)
        if not fits or not isinstance(kind, _Kind) or by_columns or not isinstance(content, bytes):
            raise _RefusedError("an array in a form that batches do not have")
        self.shape, self.content = shape, content

    def values(self) -> NDArray[np.uint8]:
        """Return the array, uint8, read-only, over the bytes as they were read."""
        n_bytes = int(np.prod(self.shape, dtype=object))
        if n_bytes != len(self.content):
            raise _RefusedError(f"an array of {n_bytes:,} bytes that holds {len(self.content):,}")
        return np.frombuffer(self.content, np.uint8).reshape(self.shape)


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(content: object, kind: object, shape: object, order: object, *_: object) -> _Array:
    """Do what newer numpys write with protocol 5."""
    array = _Array()
    array.__setstate__((1, shape, kind, order != "C", content))
    return array


def _encode(text: object, encoding: object = "latin1", *_: object) -> bytes:
    """Do what newer Pythons write for bytes in old pickles, for the one encoding that they use."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1", "latin-1"):
        raise _RefusedError("a text in a form that batches do not have")
    return codecs.latin_1_encode(text)[0]


_STANDINS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
}


class _RefusedError(pickle.UnpicklingError):
    """The pickle holds what no batch holds."""


class _Bounded:
    """A file that ends at once where more is asked for than it has, before memory for that is taken."""

    def __init__(self, source: BinaryIO, *, n_bytes: int) -> None:
        self._source, self.n_bytes = source, n_bytes
        self.readline = source.readline

    def read(self, n: int) -> bytes:
        if n > self.n_bytes - self._source.tell():
            raise EOFError
        return self._source.read(n)


class _Reader(pickle._Unpickler):
    """The reader written in Python: its memory grows with the file, whatever numbers stand in it."""

    def __init__(self, source: _Bounded) -> None:
        super().__init__(source, encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in; everything else is refused before it is imported."""
        if (module, name) not in _STANDINS:
            raise _RefusedError(f"the name {_shown(f'{module}.{name}')}")
        return _STANDINS[module, name]


def _load_bytearray(reader: Any) -> None:
    """Read a bytearray as bytes: the original takes memory first and reads then."""
    n_bytes = int.from_bytes(reader.read(8), "little")
    reader.append(reader.read(n_bytes))


_Reader.dispatch = {**pickle._Unpickler.dispatch, pickle.BYTEARRAY8[0]: _load_bytearray}


def read_batch(file: Path) -> dict[str, Any]:
    """Return a batch's dictionary: texts as str, arrays as uint8, lists as they are.

    Raises:
        InputError: it cannot be read, is cut short or no pickle, or holds anything but what batches hold.
    """
    try:
        with file.open("rb") as source:
            found = _plain(_Reader(_Bounded(source, n_bytes=file.stat().st_size)).load())
    except _RefusedError as error:
        raise InputError(
            f"{str(file)!r} is a pickle that holds {error}. A pickle can run code when it is opened; only CIFAR's python "
            f"batches are read, which need none, so nothing of it was run or taken. {ACCEPTED}"
        ) from None
    except OSError as error:
        raise InputError(f"{str(file)!r} cannot be read: {error.strerror or error}.") from error
    except EOFError as error:
        raise InputError(
            f"{str(file)!r} is cut short: the pickle ends too early. Download it again."
        ) from error
    except MemoryError:
        raise InputError(f"{str(file)!r} is larger than the memory that is left.") from None
    except Exception as error:  # a damaged pickle makes its reader raise nearly every kind
        if "truncated" in str(error):
            raise InputError(
                f"{str(file)!r} is cut short: the pickle ends too early. Download it again."
            ) from error
        raise InputError(
            f"{str(file)!r} is damaged, or no pickle at all: it cannot be read as one of CIFAR's python batches. "
            "Download it again."
        ) from error
    if not isinstance(found, dict):
        raise InputError(
            f"{str(file)!r} holds a {type(found).__name__}, where CIFAR's python batches hold a dictionary. {ACCEPTED}"
        )
    return found


def _plain(value: object) -> Any:
    """Turn bytes into texts and stand-ins into arrays, in a dictionary and in the lists in it."""
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) if isinstance(one, bytes) else one for one in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value.values() if isinstance(value, _Array) else value


def _shown(value: object) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return repr(text[:80])
