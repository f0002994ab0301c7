"""What `fovea augment` says: the policy and its operations, why, and where it is shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

Fovea = Callable[..., Any]


def test_words_name_the_policy_its_operations_and_the_page(
    fovea: Fovea, photos: Path, tmp_path: Path
) -> None:
    said = fovea("augment", photos, "--out", tmp_path / "grid.html", "--size", 16)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "randaugment: flip, shift, randaugment.",
        f"Page: {tmp_path / 'grid.html'}",
    ]


def test_operations_are_named_once(fovea: Fovea, photos: Path, tmp_path: Path) -> None:
    said = fovea(
        "augment", photos / "red" / "0.png", "--out", tmp_path / "a.png", "--size", 8, "--augment", "blur"
    )
    assert said.out.splitlines() == ["blur.", f"Page: {tmp_path / 'a.png'}"]


def test_json_holds_the_strengths(fovea: Fovea, photos: Path, tmp_path: Path) -> None:
    said = fovea("augment", photos, "--out", tmp_path / "a.html", "--size", 8, "--augment", "none", "--json")
    found = json.loads(said.out)
    assert (found["policy"], found["strengths"], found["n_pictures"]) == ("none", {}, 16)
