"""What an ONNX file says about itself; files that are cut, empty, no ONNX, or reach for others."""

from pathlib import Path

import onnx_graphs as graphs
import pytest

from fovea.errors import BackboneError, MissingInputError
from fovea.features.known import KNOWN
from fovea.features.outline import facts_of, read_outline


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return graphs.write_small(tmp_path / "small.onnx", metadata={"who": "me", "backbone": "{}"})


def test_metadata_are_read(small: Path) -> None:
    outline = read_outline(small)
    assert (dict(outline.metadata), outline.beside) == ({"who": "me", "backbone": "{}"}, ())


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.999])
def test_a_file_cut_short_is_refused(small: Path, share: float) -> None:
    content = small.read_bytes()
    small.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        BackboneError, match=r"^'.*small.onnx' is cut short: it has [\d,]+ bytes, and its content needs "
    ):
        read_outline(small)


def test_a_cut_file_is_told_in_bytes(small: Path) -> None:
    content = small.read_bytes()
    small.write_bytes(content[:1000])
    with pytest.raises(BackboneError) as raised:
        read_outline(small)
    told = str(raised.value)
    needs = int(told.partition("its content needs ")[2].partition(" at")[0].replace(",", ""))
    assert 1000 < needs <= len(content)
    assert told == (
        f"{str(small)!r} is cut short: it has 1,000 bytes, and its content needs {needs:,} at least. "
        "Download or copy it again."
    )


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(BackboneError) as raised:
        read_outline(tmp_path / "a.onnx")
    assert str(raised.value) == f"{str(tmp_path / 'a.onnx')!r} is empty. Download or copy it again."


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as raised:
        read_outline(tmp_path / "a.onnx")
    assert str(raised.value) == (
        f"The weights file {str(tmp_path / 'a.onnx')!r} cannot be read: No such file or directory. "
        "Check the path after --weights."
    )


@pytest.mark.parametrize(
    "content",
    [
        b"<!doctype html><html>not found</html>",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"version https://git-lfs",
        bytes(50),
    ],
    ids=["a web page", "a picture", "a pointer of Git LFS", "zeros"],
)
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(BackboneError) as raised:
        read_outline(tmp_path / "a.onnx")
    assert str(raised.value) == (
        f"{str(tmp_path / 'a.onnx')!r} is not an ONNX file. Give one that a training library exported, or name a network: "
        "`fovea backbones` lists them."
    )


def test_a_file_beside_it_is_named(tmp_path: Path) -> None:
    file = graphs.write_small(tmp_path / "a.onnx", beside="a.data")
    assert read_outline(file).beside == ("a.data",)


def test_a_missing_file_beside_it_is_refused(tmp_path: Path) -> None:
    file = graphs.write_small(tmp_path / "a.onnx", beside="a.data")
    (tmp_path / "a.data").unlink()
    with pytest.raises(BackboneError) as raised:
        read_outline(file).sha256()
    assert str(raised.value) == (
        f"The weights of {str(file)!r} are in a file of their own, 'a.data', which cannot be read beside it: No such file or "
        "directory. Copy both, or export again with the weights inside."
    )


@pytest.mark.parametrize("place", ["../a.data", "/etc/a.data"])
def test_weights_outside_of_its_folder_are_refused(tmp_path: Path, place: str) -> None:
    file = graphs.write_small(tmp_path / "a.onnx", beside="b" * len(place))
    file.write_bytes(file.read_bytes().replace(b"b" * len(place), place.encode()))
    with pytest.raises(BackboneError) as raised:
        read_outline(file)
    assert str(raised.value) == (
        f"{str(file)!r} takes its weights from {place!r}, outside of its own folder; that is refused. Export it again with "
        "the weights inside."
    )


@pytest.mark.parametrize(
    "text", ["", "[]", '{"preprocess": {"size": 32}}', '{"preprocess": {"size": 1, "mean": [1], "std": [1]}}']
)
def test_metadata_that_are_nonsense_are_refused(tmp_path: Path, text: str) -> None:
    file = graphs.write_small(tmp_path / "a.onnx", metadata={"backbone": text})
    with pytest.raises(
        BackboneError,
        match=r"^The metadata key 'backbone' of '.*a.onnx' cannot be used .*It must be JSON like",
    ):
        facts_of(read_outline(file), None)


def test_the_catalogue_s_facts_count_before_the_file_s(small: Path) -> None:
    facts = facts_of(read_outline(small), KNOWN["efficientnet_lite4"])
    assert (facts.name, facts.size_px, facts.licence) == ("efficientnet_lite4", 224, "MIT")
    assert [round(255 * value, 9) for value in (*facts.mean, *facts.std)] == [127.0] * 3 + [128.0] * 3
