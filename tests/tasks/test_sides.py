"""Sides without a network: what is damaged is found by decoding, once for each content; groups and copies stay together."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fovea.errors import InputError
from fovea.features import open_store
from fovea.manifest import Manifest, read_source
from fovea.tasks.gather import add_hashes
from fovea.tasks.sides import rows_by_side, split_pictures, with_problems, without_damaged

Draw = Callable[..., Path]
Told = list[tuple[str, int, int]]


@pytest.fixture
def manifest(tmp_path: Path, draw_picture: Draw) -> Manifest:
    """Return 2 x 60 drawn pictures, one of them cut short."""
    for number in range(120):
        draw_picture(tmp_path / "set" / ("cat", "dog")[number % 2] / f"{number:03d}.png", seed=number)
    damaged = tmp_path / "set" / "cat" / "000.png"
    damaged.write_bytes(damaged.read_bytes()[:100])
    with open_store() as store:
        return add_hashes(read_source(tmp_path / "set"), store)


def look(manifest: Manifest, told: Told) -> Manifest:
    with open_store() as store:
        return without_damaged(manifest, store, progress=lambda *one: told.append(one))


def test_what_is_cut_short_gets_its_reason(manifest: Manifest) -> None:
    problems = {row.path: row.problem for row in look(manifest, []).rows if row.problem}
    assert problems == {"cat/000.png": "cut short: the file ends after 100 bytes, before its picture does"}


def test_what_was_decoded_once_is_remembered(manifest: Manifest) -> None:
    first: Told = []
    second: Told = []
    assert look(manifest, first).rows == look(manifest, second).rows
    assert (first[-1], second) == (("check", 120, 120), [])


def test_a_fifth_of_each_class_is_held_out_the_same_for_the_same_seed(manifest: Manifest) -> None:
    plans = [split_pictures(manifest, seed=3) for _ in range(2)]
    names, sides = rows_by_side(plans[0].manifest)
    assert plans[0] == plans[1]
    assert (names, {phase: len(rows) for phase, rows in sides.items()}) == (
        ("cat", "dog"),
        {"train": 96, "val": 24},
    )


def test_too_little_left_is_refused(manifest: Manifest) -> None:
    dogs = {k: "gone" for k, row in enumerate(manifest.rows) if row.label == "dog"}
    with pytest.raises(InputError):
        with_problems(manifest, dogs)
