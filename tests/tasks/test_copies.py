"""What `find_copies` promises: copies are told by their pixels, features only propose; nothing is looked at twice."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fovea.features import Look, open_store
from fovea.tasks import copies as task
from fovea.tasks.copies import Copies, find_copies

Pixels = NDArray[np.uint8]


@dataclass
class Pile:
    """Contents with hand-made features: each scene points its own way, what shows it almost the same way."""

    contents: list[bytes]
    directions: list[NDArray[np.float32]]

    def add(self, content: bytes, *, like: int) -> int:
        """Add a content whose features are nearly those of another; return its number."""
        rng = np.random.default_rng(len(self.contents))
        self.contents.append(content)
        self.directions.append(self.directions[like] + rng.normal(0, 1e-3, 64).astype(np.float32))
        return len(self.contents) - 1

    def find(self, *, is_stored: bool = False, **named: object) -> Copies:
        sha256s = [hashlib.sha256(content).hexdigest() for content in self.contents]
        features = np.stack(self.directions)
        if not is_stored:
            return find_copies(features, sha256s=sha256s, read=self.contents.__getitem__, store=None)
        with open_store() as store:
            return find_copies(features, sha256s=sha256s, read=self.contents.__getitem__, store=store)


def encoded(pixels: Pixels, *, kind: str = "PNG", **options: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


@pytest.fixture
def scenes(draw_pixels: Callable[..., Pixels]) -> list[Pixels]:
    return [draw_pixels(seed=number, size_px=(96, 64)) for number in range(12)]


@pytest.fixture
def pile(scenes: list[Pixels]) -> Pile:
    """Return twelve different scenes as PNG."""
    rng = np.random.default_rng(0)
    return Pile([encoded(scene) for scene in scenes], list(rng.normal(size=(12, 64)).astype(np.float32)))


def test_different_scenes_are_no_copies(pile: Pile) -> None:
    found = pile.find()
    assert (found.same, found.near.shape, found.near.dtype) == ((), (0, 2), np.int64)


def test_equal_pixels_in_another_format_are_the_same(pile: Pile, scenes: list[Pixels]) -> None:
    other = pile.add(encoded(scenes[3], kind="BMP"), like=3)
    found = pile.find()
    assert (found.same, found.near.tolist()) == (((3, other),), [])


@pytest.mark.parametrize("number", range(6))
def test_a_recompressed_picture_is_near_and_not_the_same(
    pile: Pile, scenes: list[Pixels], number: int
) -> None:
    other = pile.add(encoded(scenes[number], kind="JPEG", quality=40), like=number)
    found = pile.find()
    assert (found.same, found.near.tolist()) == ((), [[number, other]])


@pytest.mark.parametrize("number", range(6))
def test_a_picture_at_half_size_is_near_and_not_the_same(
    pile: Pile, scenes: list[Pixels], number: int
) -> None:
    half = np.asarray(Image.fromarray(scenes[number]).resize((48, 32), Image.Resampling.LANCZOS))
    other = pile.add(encoded(half), like=number)
    found = pile.find()
    assert (found.same, found.near.tolist()) == ((), [[number, other]])


@pytest.mark.parametrize("number", range(6))
def test_a_picture_cut_to_95_percent_is_near_and_not_the_same(
    pile: Pile, scenes: list[Pixels], number: int
) -> None:
    other = pile.add(encoded(scenes[number][2:63, 3:94]), like=number)
    found = pile.find()
    assert (found.same, found.near.tolist()) == ((), [[number, other]])


def test_looks_of_an_older_size_are_made_anew(pile: Pile, scenes: list[Pixels]) -> None:
    other = pile.add(encoded(scenes[3], kind="BMP"), like=3)
    sha256s = [hashlib.sha256(content).hexdigest() for content in pile.contents]
    with open_store() as store:
        store.write_looks({sha256: Look("old", b"\0" * 768) for sha256 in sha256s})
    assert pile.find(is_stored=True).same == ((3, other),)


def test_one_pixel_changed_is_near_and_not_the_same(pile: Pile, scenes: list[Pixels]) -> None:
    changed = scenes[0].copy()
    changed[0, 0] ^= 1
    other = pile.add(encoded(changed), like=0)
    found = pile.find()
    assert (found.same, found.near.tolist()) == ((), [[0, other]])


def test_different_pictures_with_the_same_features_are_no_copies(pile: Pile, scenes: list[Pixels]) -> None:
    pile.add(encoded(255 - scenes[0]), like=0)
    found = pile.find()
    assert (found.same, found.near.tolist()) == ((), [])


def test_equal_pixels_in_another_shape_are_not_the_same(pile: Pile) -> None:
    grey = np.full((64, 96, 3), 128, np.uint8)
    pile.contents[0] = encoded(grey)
    pile.add(encoded(grey.reshape(96, 64, 3)), like=0)
    assert pile.find().same == ()


def test_a_picture_that_cannot_be_read_is_nobodys_copy(pile: Pile) -> None:
    pile.add(b"cut", like=0)
    found = pile.find()
    assert (found.same, found.near.tolist()) == ((), [])


def test_a_picture_without_features_is_nobodys_copy(pile: Pile, scenes: list[Pixels]) -> None:
    other = pile.add(encoded(scenes[0], kind="BMP"), like=0)
    pile.directions[other] = np.zeros(64, np.float32)
    assert pile.find().same == ()


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_pictures_have_no_copies(n: int) -> None:
    found = find_copies(np.ones((n, 4), np.float32), sha256s=["a"] * n, read=lambda k: b"", store=None)
    assert (found.same, found.near.tolist()) == ((), [])


def test_what_was_looked_at_is_not_decoded_again(
    pile: Pile, scenes: list[Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    pile.add(encoded(scenes[3], kind="BMP"), like=3)
    first = pile.find(is_stored=True)

    def decode_no_more(content: bytes) -> None:
        pytest.fail("a picture was decoded again")

    monkeypatch.setattr(task, "decode", decode_no_more)
    assert pile.find(is_stored=True).same == first.same == ((3, 12),)


def test_a_file_that_changed_is_not_remembered_under_its_old_content(
    pile: Pile, scenes: list[Pixels]
) -> None:
    sha256s = [hashlib.sha256(content).hexdigest() for content in pile.contents]
    pile.add(encoded(scenes[3], kind="BMP"), like=3)
    sha256s.append("f" * 64)
    with open_store() as store:
        find_copies(np.stack(pile.directions), sha256s=sha256s, read=pile.contents.__getitem__, store=store)
        assert store.looks(["f" * 64]) == {}
