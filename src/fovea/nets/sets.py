"""Well-known data sets through torchvision's own download code: its addresses, MD5 sums and unpacking. Needs torch."""

import contextlib
import errno
import importlib
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fovea.errors import InputError, MissingExtraError
from fovea.nets.zoo import import_torchvision
from fovea.progress import Progress

_STUCK_SECONDS = 60.0
_STEP_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Download:
    """A file to fetch: the addresses to try in turn, its name, its MD5 sum ("" where none is published)."""

    urls: tuple[str, ...]
    file: str
    md5: str
    is_archive: bool = False


@dataclass(frozen=True, slots=True)
class KnownSet:
    """A data set that torchvision knows: its files, and its classes in the order of their numbers where files lack them."""

    name: str
    downloads: tuple[Download, ...]
    class_names: tuple[str, ...] = ()


def _mnist(datasets: Any) -> KnownSet:
    return KnownSet("mnist", _idx(datasets.MNIST))


def _fashion(datasets: Any) -> KnownSet:
    return KnownSet("fashion-mnist", _idx(datasets.FashionMNIST), tuple(datasets.FashionMNIST.classes))


def _idx(kind: Any) -> tuple[Download, ...]:
    return tuple(
        Download(tuple(f"{mirror}{file}" for mirror in kind.mirrors), file, md5)
        for file, md5 in kind.resources
    )


def _cifar10(datasets: Any) -> KnownSet:
    return KnownSet("cifar10", _batches(datasets.CIFAR10))


def _cifar100(datasets: Any) -> KnownSet:
    return KnownSet("cifar100", _batches(datasets.CIFAR100))


def _batches(kind: Any) -> tuple[Download, ...]:
    return (Download((kind.url,), kind.filename, kind.tgz_md5, is_archive=True),)


def _flowers(datasets: Any) -> KnownSet:
    kind = datasets.Flowers102
    downloads = tuple(
        Download((kind._download_url_prefix + file,), file, md5, is_archive=file.endswith(".tgz"))
        for file, md5 in kind._file_dict.values()
    )
    return KnownSet("flowers102", downloads, tuple(getattr(kind, "classes", ())))


def _ants_bees(_: Any) -> KnownSet:
    file = "hymenoptera_data.zip"  # the transfer-learning tutorial's; its sum is not published
    return KnownSet(
        "ants-bees",
        (Download((f"https://download.pytorch.org/tutorial/{file}",), file, "", is_archive=True),),
    )


_SETS: Mapping[str, Callable[[Any], KnownSet]] = {
    "mnist": _mnist,
    "fashion-mnist": _fashion,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "flowers102": _flowers,
    "ants-bees": _ants_bees,
}
KNOWN_SETS = tuple(_SETS)
"""The names of the data sets that can be fetched."""


def describe_set(name: str) -> KnownSet:
    """Return where torchvision finds a data set of KNOWN_SETS.

    Raises MissingExtraError without torch and torchvision.
    """
    try:
        import_torchvision()
        datasets = importlib.import_module("torchvision.datasets")
    except ImportError as error:
        raise MissingExtraError(
            f"The data set {name!r} is downloaded by torchvision's own code, which is not installed: "
            'pip install "fovea-vision[torch]"'
        ) from error
    return _SETS[name](datasets)


def fetch_set(known: KnownSet, folder: Path, *, progress: Progress) -> None:
    """Download the files of a data set into `folder` and unpack archives there.

    Raises InputError where a file cannot be had whole from any of its addresses.
    """
    tools = importlib.import_module("torchvision.datasets.utils")
    folder.mkdir(parents=True, exist_ok=True)
    for one in known.downloads:
        _fetch(tools, one, folder, known=known, progress=progress)


def _fetch(tools: Any, one: Download, folder: Path, *, known: KnownSet, progress: Progress) -> None:
    said = []
    for url in one.urls:
        try:
            with _told(tools, one.file, progress=progress), _not_for_ever():
                tools.download_url(url, str(folder), filename=one.file, md5=one.md5 or None)
            if one.is_archive:
                tools.extract_archive(str(folder / one.file), str(folder), remove_finished=True)
        except KeyboardInterrupt:
            raise
        except (
            Exception
        ) as error:  # urllib, sockets, archives and torchvision itself, each with errors of its own
            (folder / one.file).unlink(missing_ok=True)
            _pass_on_of_disk(error)
            said.append(f"{url} ({_reason(error)})")
            continue
        return
    files = ", ".join(download.file for download in known.downloads)
    raise InputError(
        f"The data set {known.name!r} cannot be downloaded: {'; '.join(said)}. Nothing was kept. Try again later, or bring "
        f"the files in another way ({files}), unpack archives, and give their folder to `fovea train`."
    )


def _pass_on_of_disk(error: Exception) -> None:
    """Raise again what concerns this computer's disk, and no address."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        raise error


def _reason(error: Exception) -> str:
    said = str(error).removeprefix("<urlopen error ").removesuffix(">")
    text = " ".join(said.split()) or type(error).__name__
    return "what came is cut or changed: its MD5 sum differs" if "corrupted" in text else text


@contextlib.contextmanager
def _not_for_ever() -> Iterator[None]:
    """Give up on an address that sends nothing for a minute."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STUCK_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _told(tools: Any, file: str, *, progress: Progress) -> Iterator[None]:
    """Have our progress told instead of the bar that torchvision draws."""

    class Bar:
        def __init__(self, total: int | None = None, **_: object) -> None:
            self.total, self.n = total or 0, 0

        def __enter__(self) -> "Bar":
            progress(f"download {file}", 0, max(self.total, 1))
            return self

        def __exit__(self, *_: object) -> None:
            progress(f"download {file}", max(self.total, 1), max(self.total, 1))

        def update(self, n: int) -> None:
            if self.n // _STEP_BYTES != (self.n + n) // _STEP_BYTES:
                progress(f"download {file}", min(self.n + n, self.total - 1), self.total)
            self.n += n

    before = getattr(tools, "tqdm", None)
    tools.tqdm = Bar
    try:
        yield
    finally:
        tools.tqdm = before
