"""What is said of a test split: pictures there that (nearly) stand in the other splits are named and left out once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fovea.tasks.train.train import Run, train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, draw_class: Callable[..., Path]) -> Run:
    """Train where the test split holds 12 new pictures and four copies: by bytes, by pixels, recompressed, of valid's."""
    photos = tmp_path_factory.mktemp("given")
    for side, numbers in (("train", range(30)), ("valid", range(30, 36)), ("test", range(36, 40))):
        for kind in ("stripes", "dots", "plain"):
            for number in numbers:
                draw_class(photos / side / kind, kind, number)
    test = photos / "test" / "dots"
    shutil.copy(photos / "train" / "dots" / "dots_001.png", test / "bytes.png")
    for name, source, options in (
        ("pixels.bmp", "train/dots/dots_002.png", {}),
        ("near.jpg", "train/dots/dots_003.png", {"quality": 95}),
        ("of_valid.jpg", "valid/dots/dots_031.png", {"quality": 95}),
    ):
        with Image.open(photos / source) as picture:
            picture.save(test / name, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(tmp_path_factory.mktemp("cache")))
        return train(photos, out=tmp_path_factory.mktemp("runs") / "run")


def test_copies_of_every_kind_are_counted_and_named(run: Run) -> None:
    test = run.metrics["test"]
    names = ["bytes.png", "near.jpg", "of_valid.jpg", "pixels.bmp"]
    assert test["leaked"] == [f"test/dots/{name}" for name in names]
    assert (test["n"], test["n_leaked"], test["without_leaks"]["n"]) == (16, 4, 12)


def test_the_page_shows_each_copy_beside_what_it_is_a_copy_of(run: Run) -> None:
    shown = {(pair.first.path, pair.second.path, pair.kind) for pair in run.page.duplicates}
    assert shown == {
        ("test/dots/bytes.png", "train/dots/dots_001.png", "same bytes"),
        ("test/dots/pixels.bmp", "train/dots/dots_002.png", "same pixels"),
        ("test/dots/near.jpg", "train/dots/dots_003.png", "near"),
        ("test/dots/of_valid.jpg", "valid/dots/dots_031.png", "near"),
    }
    assert run.page.n_duplicates == 4


def test_the_page_does_not_say_that_copies_were_kept_apart(run: Run) -> None:
    text = run.report.read_text()
    assert "4 of them stand in the other splits too, or nearly so; without them" in text
    assert "Copies were kept on one side" not in text
