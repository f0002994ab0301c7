"""CIFAR's python batches: pictures and both kinds of labels; what a batch does not hold is refused."""

import contextlib
import pickle
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fovea.errors import InputError
from fovea.manifest import Manifest, read_source

Write = Callable[..., Path]


def refusal(source: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_source(source, **options)
    return str(caught.value)


def pictures(n: int) -> Any:
    """Return n rows of 3,072 bytes, as batches hold them: red plane, green plane, blue plane."""
    return np.random.default_rng(n).integers(0, 256, (n, 3072), np.uint8)


def told(manifest: Manifest) -> list[tuple[str, str | None, str]]:
    return [(row.path, row.label, row.split) for row in manifest.rows]


@pytest.fixture
def write_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that pickles a dictionary into a file of the folder `set`, keys as bytes as CIFAR has them."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, *, protocol: int = 2, **values: Any) -> Path:
        file = Path("set") / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(
            pickle.dumps({key.encode(): value for key, value in values.items()}, protocol=protocol)
        )
        return file

    return write


@pytest.fixture
def ten(write_batch: Write) -> Path:
    """Return a folder of two batches in CIFAR-10's form."""
    write_batch("batches.meta", label_names=[b"cat", b"ship"], num_vis=3072)
    write_batch("data_batch_1", data=pictures(3), labels=[1, 0, 1], filenames=[b"a.png", b"b.png", b"c.png"])
    return write_batch("test_batch", data=pictures(2), labels=[0, 1]).parent


@pytest.fixture
def hundred(write_batch: Write) -> Path:
    """Return a folder in CIFAR-100's form."""
    write_batch(
        "meta", fine_label_names=[b"apple", b"rose", b"pear"], coarse_label_names=[b"fruit", b"flower"]
    )
    for name in ("train", "test"):
        write_batch(name, data=pictures(3), fine_labels=[0, 1, 2], coarse_labels=[0, 1, 0])
    return Path("set")


def test_every_picture_is_a_row_with_its_class_and_split(ten: Path) -> None:
    manifest = read_source(ten)
    assert told(manifest) == [
        ("data_batch_1#0", "ship", "train"),
        ("data_batch_1#1", "cat", "train"),
        ("data_batch_1#2", "ship", "train"),
        ("test_batch#0", "cat", "test"),
        ("test_batch#1", "ship", "test"),
    ]
    assert manifest.notes == ()


def test_a_picture_is_read_as_a_ppm_of_its_three_planes(ten: Path) -> None:
    manifest = read_source(ten)
    with Image.open(BytesIO(manifest.read(manifest.rows[1]))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PPM", "RGB", (32, 32))
        red, green, blue = pictures(3)[1].reshape(3, 32, 32)
        assert (np.asarray(picture) == np.dstack([red, green, blue])).all()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_batches_written_again_by_any_python_are_read(write_batch: Write, protocol: int) -> None:
    file = write_batch("data_batch_1", protocol=protocol, data=pictures(2), labels=[0, 1])
    manifest = read_source(file)
    assert manifest.read(manifest.rows[1])[13:16] == pictures(2)[1].reshape(3, -1)[:, 0].tobytes()


def test_cifar_100_has_fine_classes_and_says_how_to_get_the_coarse_ones(hundred: Path) -> None:
    manifest = read_source(hundred)
    assert manifest.class_counts == {"apple": 2, "pear": 2, "rose": 2}
    assert manifest.notes == ("The classes are its fine_labels; for others: --label-by coarse_labels.",)


def test_cifar_100_has_coarse_classes_where_they_are_asked_for(hundred: Path) -> None:
    manifest = read_source(hundred, label_by="coarse_labels")
    assert manifest.class_counts == {"flower": 2, "fruit": 4}
    assert manifest.notes == ()


def test_an_unknown_kind_of_labels_is_told_with_the_nearest(hundred: Path) -> None:
    assert refusal(hundred, label_by="coarse") == (
        f"--label-by names 'coarse', which {str((hundred / 'test').absolute())!r} does not have (did you mean "
        "'coarse_labels'?). Its kinds of labels: 'fine_labels', 'coarse_labels'."
    )


def test_without_a_meta_file_classes_are_numbers(write_batch: Write) -> None:
    manifest = read_source(write_batch("data_batch_1", data=pictures(2), labels=[0, 7]).parent)
    assert manifest.class_names == ("0", "7")
    assert manifest.notes == (
        "The classes are called by their numbers: there is no meta file that names them.",
    )


def test_the_original_batches_are_read_with_their_published_classes(shared: Path, tmp_path: Path) -> None:
    import importlib.util

    tool = importlib.util.spec_from_file_location("restore", shared / "tools/restore_cifar10.py")
    assert tool is not None
    assert tool.loader is not None
    restore = importlib.util.module_from_spec(tool)
    tool.loader.exec_module(restore)
    restore.MD5 = {name: restore.MD5[name] for name in ("test_batch", "batches.meta")}
    restore.restore(tmp_path)
    manifest = read_source(tmp_path, to_learn=False)
    assert manifest.class_counts == dict.fromkeys(
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"), 1000
    )
    row = manifest.rows[9_999]
    assert (row.path, row.label) == ("cifar-10-batches-py/test_batch#9999", "horse")
    mosaic = Image.open(shared / "data/cifar10/test_batch_9.webp").convert("RGB")
    with Image.open(BytesIO(manifest.read(row))) as picture:
        assert (np.asarray(picture) == np.asarray(mosaic)[-32:, -32:]).all()


class _Runs:
    """An object whose pickle asks for a function to be called."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.call


def test_a_pickle_that_wants_to_run_code_is_refused_and_runs_nothing(
    write_batch: Write, tmp_path: Path
) -> None:
    import os

    file = write_batch("data_batch_1", data=_Runs(os.mkdir, str(tmp_path / "harm")), labels=[])
    assert refusal(file) == (
        f"{str(file.absolute())!r} is a pickle that holds the name 'posix.mkdir'. A pickle can run code when it is opened; "
        "only CIFAR's python batches are read, which need none, so nothing of it was run or taken. Give a folder "
        "of pictures, a table of them (CSV, TSV, Parquet), or CIFAR's batches as they come from "
        "https://www.cs.toronto.edu/~kriz/cifar.html."
    )
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "function", [eval, exec, __import__, getattr, open], ids=lambda one: str(one.__name__)
)
def test_no_protocol_gets_a_function_through(write_batch: Write, function: Any, protocol: int) -> None:
    file = write_batch("data_batch_1", protocol=protocol, data=_Runs(function, "1"), labels=[])
    assert "is a pickle that holds the name" in refusal(file)


@pytest.mark.parametrize(
    "content",
    [
        b"cos\nsystem\n(S'echo harm'\ntR.",
        b"\x80\x02cnumpy\nload\nU\x01xR.",
        b"\x80\x02cnumpy.core.multiarray\nfromfile\nR.",
        b"\x80\x04\x8c\x05numpy\x8c\x08f2py.sys\x93.",
        b"\x80\x02(cbuiltins\neval\nS'1'\no.",
        b"\x80\x02(S'1'\nibuiltins\neval\n.",
    ],
    ids=["system", "numpy.load", "numpy's others", "a dotted name", "OBJ", "INST"],
)
def test_names_are_refused_however_the_pickle_asks_for_them(write_batch: Write, content: bytes) -> None:
    file = write_batch("data_batch_1")
    file.write_bytes(content)
    assert "is a pickle that holds the name" in refusal(file)


def test_an_array_of_objects_is_refused(write_batch: Write) -> None:
    file = write_batch("data_batch_1", data=np.array([[object]], object), labels=[0])
    assert "is a pickle that holds an array of 'O8', where pixels are bytes (u1). " in refusal(file)


def test_an_array_with_fewer_bytes_than_it_says_is_refused(write_batch: Write) -> None:
    file = write_batch("data_batch_1", data=pictures(2), labels=[0, 1])
    file.write_bytes(file.read_bytes().replace(b"K\x02M\x00\x0c", b"K\x03M\x00\x0c"))
    assert "is a pickle that holds an array of 9,216 bytes that holds 6,144. " in refusal(file)


@pytest.mark.parametrize("n_bytes", [3, 500, 3000, 6250])
def test_a_batch_cut_short_is_refused(write_batch: Write, n_bytes: int) -> None:
    file = write_batch("data_batch_1", data=pictures(2), labels=[0, 1])
    file.write_bytes(file.read_bytes()[:n_bytes])
    assert refusal(file) == (
        f"{str(file.absolute())!r} is cut short: the pickle ends too early. Download it again."
    )


@pytest.mark.parametrize(
    "opcode", [b"\x8e", b"\x96", b"\x8d", b"\x95"], ids=["bytes", "bytearray", "text", "frame"]
)
def test_a_length_that_lies_takes_no_memory(write_batch: Write, opcode: bytes) -> None:
    file = write_batch("data_batch_1")
    file.write_bytes(b"\x80\x05" + opcode + (2**36).to_bytes(8, "little") + b"x.")
    tracemalloc.start()
    assert "is cut short" in refusal(file)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_whatever_is_changed_in_a_batch_it_is_read_or_refused_in_words(
    write_batch: Write, protocol: int
) -> None:
    file = write_batch("data_batch_1", protocol=protocol, data=pictures(1), labels=[0], filenames=[b"a.png"])
    whole, rng = file.read_bytes(), np.random.default_rng(protocol)
    for _ in range(300):
        content = bytearray(whole)
        for at in rng.integers(0, 250, 3).tolist():
            content[at % len(content)] = rng.integers(256)
        file.write_bytes(content)
        with contextlib.suppress(InputError):
            read_source(file)


def test_what_is_no_pickle_is_refused(write_batch: Write) -> None:
    file = write_batch("data_batch_1")
    file.write_bytes(b"<html>not found</html>")
    assert refusal(file) == (
        f"{str(file.absolute())!r} is damaged, or no pickle at all: it cannot be read as one of CIFAR's python batches. "
        "Download it again."
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            {"labels": [1]},
            "is no batch of CIFAR's: its dictionary has no array 'data', only 'labels'. Give a folder of pictures, a table of "
            "them (CSV, TSV, Parquet), or CIFAR's batches as they come from https://www.cs.toronto.edu/~kriz/cifar.html.",
        ),
        (
            {"data": np.zeros((2, 784), np.uint8), "labels": [0, 1]},
            "is no batch of CIFAR's: its array 'data' is 2 x 784, where rows of 3,072 bytes (32 x 32 pixels in three "
            "colours) are needed.",
        ),
        (
            {"data": pictures(2)},
            "is a batch without labels: its dictionary has 'data', and none of 'labels', 'fine_labels', 'coarse_labels'.",
        ),
        ({"data": pictures(2), "labels": [0]}, "holds 2 pictures and 1 label. Download it again."),
    ],
    ids=["no data", "other pictures", "no labels", "fewer labels"],
)
def test_a_batch_of_something_else_is_refused(write_batch: Write, values: dict[str, Any], told: str) -> None:
    file = write_batch("data_batch_1", **values)
    assert refusal(file) == f"{str(file.absolute())!r} {told}"


def test_labels_that_are_no_numbers_are_refused(write_batch: Write) -> None:
    file = write_batch("data_batch_1", data=pictures(2), labels=[0, "x"])
    assert refusal(file) == (
        f"{str(file.absolute())!r}: its 'labels' are no list of whole numbers from 0. Download it again."
    )


def test_labels_beyond_the_named_classes_are_refused(ten: Path, write_batch: Write) -> None:
    file = write_batch("data_batch_1", data=pictures(1), labels=[2])
    assert refusal(ten) == (
        f"{str(file.absolute())!r} has the label 2, and its meta file names 2 classes (from 0): they do not belong together. "
        "Download both again."
    )


def test_a_list_is_no_batch(write_batch: Write) -> None:
    file = write_batch("data_batch_1")
    file.write_bytes(pickle.dumps([1, 2]))
    assert refusal(file) == (
        f"{str(file.absolute())!r} holds a list, where CIFAR's python batches hold a dictionary. Give a folder of pictures, a "
        "table of them (CSV, TSV, Parquet), or CIFAR's batches as they come from https://www.cs.toronto.edu/~kriz/cifar.html."
    )


@pytest.mark.parametrize("protocol", [0, 4])
def test_a_lone_pickle_by_another_name_is_told_what_is_read(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "frame.pkl"
    file.write_bytes(pickle.dumps([1, 2], protocol=protocol))
    with pytest.raises(
        InputError, match=r"holds a list, where .* Give a folder of pictures, a table of them"
    ):
        read_source(file)


def test_a_link_to_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").symlink_to(tmp_path / "gone")
    assert refusal(tmp_path) == f"'{tmp_path}/data_batch_1' cannot be read: No such file or directory."


def test_a_batch_larger_than_the_memory_is_said(write_batch: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    file = write_batch("data_batch_1", data=pictures(1), labels=[0])
    monkeypatch.setattr(pickle._Unpickler, "load", full)
    assert refusal(file) == f"{str(file.absolute())!r} is larger than the memory that is left."
