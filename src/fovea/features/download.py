"""Fetching a well-known file: the only place where fovea itself opens a connection, and only when asked to.

Addresses are tried in turn; what was cut off goes on where it stopped; under a temporary name until length and hash are
right. What a server says is believed in nothing.
"""

import contextlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from fovea.errors import BackboneError, MissingInputError, OutputError
from fovea.features.card import file_sha256
from fovea.features.known import KnownFile, download_folder
from fovea.progress import Progress, silent

_PIECE = 1 << 18
_TRIES = 5  # in a row that bring less than a little, at one address
_LITTLE = 1 << 20
_PAUSE_SECONDS = 1.0


class _AddressError(Exception):
    """An address is no use: its text says why."""


class _StoppedError(Exception):
    """The connection ended early; what came is kept, and the same address may go on."""


def fetch(
    known: KnownFile,
    *,
    addresses: Sequence[str] = (),
    timeout_seconds: float = 30.0,
    progress: Progress = silent,
) -> Path:
    """Return where the file of `known` lies after downloading it: whole and checked, or not there.

    `addresses` are used instead of its own. A server that sends nothing for `timeout_seconds` is left.
    Raises BackboneError where no address gives the right file; OutputError where it cannot be written.
    """
    file = download_folder() / known.file
    reasons = []
    with _writing(file, known), _own_part(file) as part:
        for address in addresses or known.addresses:
            try:
                _from_address(address, part, known, timeout_seconds=timeout_seconds, progress=progress)
                part.flush()
                os.fsync(part.fileno())
                _part_of(file).replace(file)
                return file
            except _AddressError as error:
                reasons.append(f"{urlsplit(address).hostname or address}: {error}")
        n_kept = _length(part)
    if not n_kept:
        _part_of(file).unlink(missing_ok=True)
    kept = (
        f" The {n_kept / 1e6:.1f} MB that came are kept, and the next try goes on from there."
        if n_kept
        else ""
    )
    raise BackboneError(
        f"{known.name!r} could not be downloaded ({'; '.join(reasons)}).{kept} Try again later; or bring {known.file} "
        f"({known.n_bytes:,} bytes) by hand and give: fovea backbones get {known.name} --from FILE."
    )


def bring(known: KnownFile, source: Path) -> Path:
    """Return where the file of `known` lies after copying it from `source`. Raises MissingInputError, BackboneError."""
    file = download_folder() / known.file
    try:
        n_bytes = source.stat().st_size
        sha256 = file_sha256(source)
    except OSError as error:
        raise MissingInputError(
            f"{str(source)!r} cannot be read: {error.strerror}. Check the path after --from."
        ) from error
    if (n_bytes, sha256) != (known.n_bytes, known.sha256):
        raise BackboneError(
            f"{str(source)!r} is not {known.file}: it has {n_bytes:,} bytes and a SHA-256 that begins with {sha256[:12]}, and "
            f"{known.n_bytes:,} and {known.sha256[:12]} are right. Copy it again; or use it as it is: --weights {source}."
        )
    if not (file.exists() and file.samefile(source)):
        with _writing(file, known), _own_part(file) as part:
            part.truncate(0)
            with source.open("rb") as stream:
                shutil.copyfileobj(stream, part, _PIECE)
            part.flush()
            os.fsync(part.fileno())
            _part_of(file).replace(file)
    return file


def _part_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.part")


@contextlib.contextmanager
def _writing(file: Path, known: KnownFile) -> Iterator[None]:
    """Turn what the disk refuses into one paragraph."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OutputError(
            f"{known.file} ({known.n_bytes / 1e6:.1f} MB) cannot be written into {str(file.parent)!r}: "
            f"{error.strerror or error}. Make room there, or name another folder with FOVEA_CACHE."
        ) from error


@contextlib.contextmanager
def _own_part(file: Path) -> Iterator[BinaryIO]:
    """Open the file under its temporary name, for this process alone."""
    with _part_of(file).open("ab+") as part:
        try:
            import fcntl

            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # a system without such locks: the hash decides in any case
            pass
        except BlockingIOError as error:
            raise BackboneError(
                f"Another fovea is downloading {file.name} at this moment. Wait for it, and give the same command."
            ) from error
        yield part


def _from_address(
    address: str, part: BinaryIO, known: KnownFile, *, timeout_seconds: float, progress: Progress
) -> None:
    """Fill `part` from one address, going on after interruptions. Raises _AddressError."""
    is_its_own = _length(part) == 0  # nothing in it came from elsewhere or earlier
    n_idle = 0
    while True:
        before = _length(part)
        if before >= known.n_bytes:
            if before == known.n_bytes and file_sha256(Path(part.name)) == known.sha256:
                return
            part.truncate(0)
            if is_its_own:
                raise _AddressError("what it sent has another SHA-256")
            is_its_own, before = True, 0
        try:
            is_its_own |= _receive(address, part, known, timeout_seconds=timeout_seconds, progress=progress)
        except _StoppedError as error:
            n_idle = n_idle + 1 if _length(part) - before < _LITTLE else 0
            if n_idle >= _TRIES:
                raise _AddressError(str(error)) from error
            time.sleep(_PAUSE_SECONDS * n_idle)


def _receive(
    address: str, part: BinaryIO, known: KnownFile, *, timeout_seconds: float, progress: Progress
) -> bool:
    """Append to `part` what the address sends; return whether it began from the start.

    Raises _StoppedError where it may go on, _AddressError where it may not.
    """
    n_here = _length(part)
    with _answer(address, n_here, timeout_seconds=timeout_seconds) as answer:
        if answer.status == 206:
            start, total = _range_of(answer.headers.get("Content-Range", ""))
            if start != n_here:
                raise _AddressError(f"it sent another part than that from byte {n_here:,}")
        else:
            total = answer.headers.get("Content-Length", "")
            part.truncate(0)
            n_here = 0
        if total.isdecimal() and int(total) != known.n_bytes:
            raise _AddressError(f"its file has {int(total):,} bytes, and {known.n_bytes:,} are right")
        is_from_start = n_here == 0
        while piece := _read(answer, timeout_seconds=timeout_seconds):
            n_here += len(piece)
            if n_here > known.n_bytes:
                part.truncate(0)
                raise _AddressError(f"it sends more than the {known.n_bytes:,} bytes that are right")
            part.write(piece)
            progress(f"MB of {known.name}", n_here // 1_000_000, -(-known.n_bytes // 1_000_000))
    part.flush()
    if n_here < known.n_bytes:
        raise _StoppedError(f"it stopped after {n_here:,} of {known.n_bytes:,} bytes")
    return is_from_start


def _answer(address: str, n_here: int, *, timeout_seconds: float) -> http.client.HTTPResponse:
    """Ask an address for the file, from byte `n_here` on."""
    headers = {"User-Agent": "fovea", "Accept-Encoding": "identity"}
    if n_here:
        headers["Range"] = f"bytes={n_here}-"
    try:
        request = urllib.request.Request(address, headers=headers)
        answer: http.client.HTTPResponse = _opener().open(request, timeout=timeout_seconds)
    except urllib.error.HTTPError as error:
        error.close()
        kind = _StoppedError if error.code >= 500 or error.code == 429 else _AddressError
        raise kind(f"it answers {error.code} {error.reason}".rstrip()) from error
    except (ConnectionResetError, http.client.HTTPException) as error:  # it hung up without an answer
        raise _StoppedError("it ended the connection without an answer") from error
    except urllib.error.URLError as error:
        raise _AddressError(f"no connection ({_said(error.reason)})") from error
    except (OSError, ValueError) as error:
        raise _AddressError(f"no connection ({_said(error)})") from error
    return answer


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens http and https, follows redirects and heeds proxies; no files, no FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _read(answer: http.client.HTTPResponse, *, timeout_seconds: float) -> bytes:
    try:
        return answer.read1(_PIECE)
    except TimeoutError as error:
        raise _StoppedError(f"it sent nothing for {timeout_seconds:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise _StoppedError(f"the connection broke ({_said(error)})") from error


def _range_of(header: str) -> tuple[int, str]:
    """Return the first byte and the whole length (a number or "*") of a Content-Range; -1 where it is none."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header.strip())
    return (int(found[1]), found[2]) if found else (-1, "")


def _length(part: BinaryIO) -> int:
    return part.seek(0, os.SEEK_END)


def _said(error: object) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
