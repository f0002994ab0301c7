"""`data`: the digits, and well-known sets through torchvision's code, from a server in this process."""

import functools
import gzip
import hashlib
import http.server
import importlib.util
import io
import pickle
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fovea.errors import InputError, MissingExtraError, OutputError
from fovea.manifest import read_source
from fovea.tasks.data import Config, run

REAL = {name: getattr(socket, name) for name in ("socket", "getaddrinfo", "create_connection")}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a folder on this computer as `address.txt` in it says; torchvision may speak to it."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    for name, real in REAL.items():
        monkeypatch.setattr(socket, name, real)
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (folder / "address.txt").write_text(f"http://127.0.0.1:{server.server_address[1]}/")
    yield folder
    server.shutdown()
    server.server_close()


def address(served: Path) -> str:
    return (served / "address.txt").read_text()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def point_to(served: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that changes what a class of torchvision's knows of its files."""
    from fovea.nets import import_torchvision

    import_torchvision()

    def change(kind: str, **values: Any) -> None:
        import torchvision.datasets

        for name, value in values.items():
            monkeypatch.setattr(getattr(torchvision.datasets, kind), name, value)

    return change


def idx_files(n: int) -> dict[str, bytes]:
    """Return the four files of a small MNIST."""
    pixels = np.arange(n * 784, dtype=np.uint32).astype(np.uint8).tobytes()
    files = {}
    for split in ("train", "t10k"):
        images = bytes([0, 0, 8, 3]) + n.to_bytes(4, "big") + (28).to_bytes(4, "big") * 2 + pixels
        labels = bytes([0, 0, 8, 1]) + n.to_bytes(4, "big") + bytes(k % 10 for k in range(n))
        files[f"{split}-images-idx3-ubyte.gz"] = gzip.compress(images, mtime=0)
        files[f"{split}-labels-idx1-ubyte.gz"] = gzip.compress(labels, mtime=0)
    return files


@pytest.fixture
def mnist(served: Path, point_to: Callable[..., None]) -> dict[str, bytes]:
    """Serve a small MNIST, at the second of two mirrors."""
    files = idx_files(20)
    for name, content in files.items():
        (served / name).write_bytes(content)
    resources = [(name, md5(content)) for name, content in files.items()]
    for kind in ("MNIST", "FashionMNIST"):
        point_to(kind, mirrors=[address(served) + "gone/", address(served)], resources=resources)
    return files


def test_mnist_comes_from_the_next_mirror_as_it_is(mnist: dict[str, bytes], tmp_path: Path) -> None:
    told: list[str] = []
    done = run(Config("mnist", tmp_path / "m"), progress=lambda stage, *_: told.append(stage))
    assert done.to_json() == {"name": "mnist", "folder": str(tmp_path / "m"), "n_pictures": 40, "sets": []}
    assert {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()} == mnist
    assert {*told} == {f"download {name}" for name in mnist}


def test_fashion_mnist_gets_its_class_names(mnist: dict[str, bytes], tmp_path: Path) -> None:
    assert run(Config("fashion-mnist", tmp_path / "f")).n_pictures == 40
    names = read_source(tmp_path / "f").class_names
    assert {"T-shirt/top", "Ankle boot"} <= {*names}
    assert len(names) == 10


def test_a_file_that_was_changed_on_its_way_is_refused_and_nothing_kept(
    mnist: dict[str, bytes], served: Path, tmp_path: Path
) -> None:
    (served / "t10k-images-idx3-ubyte.gz").write_bytes(mnist["t10k-images-idx3-ubyte.gz"][:-9])
    with pytest.raises(InputError) as caught:
        run(Config("mnist", tmp_path / "m"))
    here = address(served)
    assert str(caught.value) == (
        f"The data set 'mnist' cannot be downloaded: {here}gone/t10k-images-idx3-ubyte.gz (HTTP Error 404: File not found); "
        f"{here}t10k-images-idx3-ubyte.gz (what came is cut or changed: its MD5 sum differs). Nothing was kept. Try again "
        f"later, or bring the files in another way ({', '.join(mnist)}), unpack archives, and give their folder to "
        "`fovea train`."
    )
    assert [path.name for path in tmp_path.iterdir()] == ["served"]


def test_cifar_is_unpacked_and_read(served: Path, point_to: Callable[..., None], tmp_path: Path) -> None:
    batch = {b"data": np.zeros((4, 3072), np.uint8), b"labels": [0, 1, 0, 1]}
    files = {"data_batch_1": batch, "test_batch": batch, "batches.meta": {b"label_names": [b"cat", b"ship"]}}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, value in files.items():
            content = pickle.dumps(value, protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    (served / "c.tar.gz").write_bytes(packed.getvalue())
    point_to("CIFAR10", url=address(served) + "c.tar.gz", filename="c.tar.gz", tgz_md5=md5(packed.getvalue()))
    assert run(Config("cifar10", tmp_path / "c")).n_pictures == 8
    assert read_source(tmp_path / "c").class_counts == {"cat": 4, "ship": 4}
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["cifar-10-batches-py"]


def test_flowers_get_a_table_of_their_classes_and_splits(
    served: Path, point_to: Callable[..., None], tmp_path: Path
) -> None:
    from scipy.io import savemat

    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for number in range(1, 7):
            member = tarfile.TarInfo(f"jpg/image_{number:05d}.jpg")
            member.size = len(picture.getvalue())
            archive.addfile(member, io.BytesIO(picture.getvalue()))
    (served / "102flowers.tgz").write_bytes(packed.getvalue())
    savemat(served / "imagelabels.mat", {"labels": [1, 1, 2, 2, 1, 2]})
    savemat(served / "setid.mat", {"trnid": [1, 3], "valid": [2, 4], "tstid": [5, 6]})
    names = {"image": "102flowers.tgz", "label": "imagelabels.mat", "setid": "setid.mat"}
    sums = {key: (name, md5((served / name).read_bytes())) for key, name in names.items()}
    point_to("Flowers102", _download_url_prefix=address(served), _file_dict=sums)
    assert run(Config("flowers102", tmp_path / "f")).n_pictures == 6
    rows = {(row.path, row.label, row.split) for row in read_source(tmp_path / "f").rows}
    assert ("jpg/image_00001.jpg", "pink primrose", "train") in rows
    assert ("jpg/image_00006.jpg", "hard-leaved pocket orchid", "test") in rows


def test_ants_and_bees_come_as_split_folders(
    served: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fovea.nets import sets

    with zipfile.ZipFile(served / "hymenoptera_data.zip", "w") as archive:
        for place in ("train/ants/1.jpg", "train/bees/2.jpg", "val/ants/3.jpg", "val/bees/4.jpg"):
            archive.writestr(f"hymenoptera_data/{place}", b"a picture")
    url = address(served) + "hymenoptera_data.zip"
    one = sets.Download((url,), "hymenoptera_data.zip", "", is_archive=True)
    monkeypatch.setitem(sets._SETS, "ants-bees", lambda _: sets.KnownSet("ants-bees", (one,)))  # type: ignore[index]
    assert run(Config("ants-bees", tmp_path / "a")).n_pictures == 4
    assert {row.split for row in read_source(tmp_path / "a").rows} == {"train", "valid"}


def test_torchvision_is_asked_for_its_own_addresses(served: Path) -> None:
    from fovea.nets.sets import KNOWN_SETS, describe_set

    known = [describe_set(name) for name in KNOWN_SETS]
    hosts = {one.name: one.downloads[0].urls[0].split("/")[2] for one in known}
    assert hosts["cifar10"] == hosts["cifar100"] == "www.cs.toronto.edu"
    assert hosts["flowers102"] == "www.robots.ox.ac.uk"
    assert hosts["ants-bees"] == "download.pytorch.org"
    assert all(len(file.md5) == 32 for one in known[:-1] for file in one.downloads)


def test_offline_says_what_would_be_downloaded_and_how_to_do_without(
    mnist: dict[str, bytes], served: Path
) -> None:
    with pytest.raises(InputError) as caught:
        run(Config("mnist", offline=True))
    assert str(caught.value) == (
        f"The data set 'mnist' is downloaded from {address(served)}gone/train-images-idx3-ubyte.gz, and --offline was given. "
        f"Leave it out, or bring the files in another way ({', '.join(mnist)}), unpack archives, and give their folder to "
        "`fovea train`."
    )


def test_without_torchvision_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fovea.nets import sets

    def missing() -> None:
        raise ImportError("No module named 'torchvision'")

    monkeypatch.setattr(sets, "import_torchvision", missing)
    with pytest.raises(MissingExtraError) as caught:
        run(Config("mnist", tmp_path / "m"))
    assert str(caught.value) == (
        "The data set 'mnist' is downloaded by torchvision's own code, which is not installed: "
        'pip install "fovea-vision[torch]"'
    )


def test_without_a_name_all_that_can_be_written_are_listed() -> None:
    from fovea.manifest import DATA_SETS
    from fovea.nets.sets import KNOWN_SETS

    listed = run(Config()).sets
    assert [one.name for one in listed] == [*DATA_SETS, *KNOWN_SETS]
    assert all(one.n_megabytes and one.licence and one.what for one in listed)


def test_an_unknown_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run(Config("minst", tmp_path / "m"))
    assert str(caught.value) == (
        "There is no data set 'minst' (did you mean 'mnist'?). There are: digits, mnist, fashion-mnist, cifar10, cifar100, "
        "flowers102, ants-bees."
    )


def test_nothing_is_written_over(mnist: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="already there and not an empty folder; nothing was written"):
        run(Config("mnist", tmp_path / "m"))
