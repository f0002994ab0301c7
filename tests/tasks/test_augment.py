"""What `augment` promises: the page shows what training would do, and nothing is overwritten."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fovea.errors import InputError, MissingExtraError, MissingInputError, OutputError
from fovea.manifest import write_digits
from fovea.tasks.augment import augment

pytest.importorskip("torch")

Draw = Callable[..., Path]


@pytest.fixture
def photo(tmp_path: Path, draw_picture: Draw) -> Path:
    return draw_picture(tmp_path / "photo.png", seed=3)


def test_a_photo_gets_a_page_with_copies_policies_and_operations(photo: Path, tmp_path: Path) -> None:
    made = augment(photo, out=tmp_path / "grid.html", size_px=16, n=4)
    assert (made.policy, made.n_pictures, made.may_mirror, made.has_colour) == ("randaugment", 1, True, True)
    assert len(made.page.samples) == 4
    assert [strip.name for strip in made.page.policies][:3] == ["none", "light", "standard"]
    assert (tmp_path / "grid.html").read_text().count("<img") == 1 + 4 + 6 * (7 + 14)


def test_the_same_seed_gives_the_same_page(photo: Path, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        augment(photo, out=tmp_path / name, size_px=16, seed=5)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_digits_are_shown_as_glyphs_and_not_mirrored(tmp_path: Path) -> None:
    write_digits(tmp_path / "digits")
    made = augment(tmp_path / "digits", out=tmp_path / "grid.png", size_px=8)
    assert (made.policy, made.may_mirror, made.has_colour, made.n_pictures) == ("glyphs", False, False, 1797)
    assert "flip" not in made.strengths
    assert made.notes == (
        "Nothing is mirrored: mirrored copies of these pictures do not look like their class.",
    )
    with Image.open(tmp_path / "grid.png") as sheet:
        assert sheet.format == "PNG"


def test_named_operations_are_used_as_they_are(photo: Path, tmp_path: Path) -> None:
    made = augment(photo, out=tmp_path / "grid.html", augment="rotate,blur", size_px=16)
    assert (made.policy, made.strengths) == ("rotate,blur", {"rotate": 1.0, "blur": 1.0})


def test_what_cannot_be_read_is_left_out(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    photo.rename(tmp_path / "set" / "a.png")
    (tmp_path / "set" / "b.png").write_bytes(b"no picture")
    made = augment(tmp_path / "set", out=tmp_path / "grid.html", size_px=16)
    assert len(made.page.originals) == 1


def test_a_damaged_photo_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        augment(tmp_path / "a.png", out=tmp_path / "grid.html")
    assert str(caught.value) == f"{str(tmp_path / 'a.png')!r} cannot be shown: an empty file (0 bytes)."


def test_a_photo_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"^There is no folder or file "):
        augment(tmp_path / "no.png", out=tmp_path / "grid.html")


def test_another_kind_of_file_is_refused(photo: Path) -> None:
    with pytest.raises(InputError) as caught:
        augment(photo, out="grid.pdf")
    assert str(caught.value) == (
        "--out 'grid.pdf' says neither page nor picture; end its name in .html or .png."
    )


def test_a_size_too_small_is_refused(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        augment(photo, out=tmp_path / "grid.html", size_px=4)
    assert str(caught.value) == "--size 4 with -n 12: give 8 pixels and 1 copy at least."


def test_nothing_is_overwritten(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "grid.html").write_text("mine")
    with pytest.raises(OutputError) as caught:
        augment(photo, out=tmp_path / "grid.html")
    place = str(tmp_path / "grid.html")
    assert str(caught.value) == f"There is something at {place!r} already. Choose another name for --out."


def test_a_place_that_cannot_be_written_is_said(photo: Path, tmp_path: Path) -> None:
    place = photo / "grid.html"
    with pytest.raises(OutputError) as caught:
        augment(photo, out=place, size_px=16)
    assert str(caught.value) == (
        f"{str(place)!r} cannot be written: File exists. Make room or get permission, or choose another name for --out; "
        "features that were computed are stored, so the same command takes seconds."
    )


def test_without_torch_the_extra_is_named(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError) as caught:
        augment(photo, out=tmp_path / "grid.html")
    assert str(caught.value) == (
        "Pictures are augmented by torch and torchvision, as in training. Install them: "
        'pip install "fovea-vision[torch]".'
    )


@pytest.mark.parametrize(
    ("side_px", "policy", "notes"),
    [
        (
            32,
            "randaugment",
            (
                "Shown at 32 px, as a network from scratch takes pictures this small. Fine-tuning enlarges them to its network's "
                "input: --size 224 shows that.",
            ),
        ),
        (100, "standard", ()),
    ],
)
def test_small_pictures_are_shown_as_a_network_from_scratch_takes_them(
    tmp_path: Path, draw_picture: Draw, side_px: int, policy: str, notes: tuple[str, ...]
) -> None:
    for number, colour in enumerate([(200, 30, 40), (30, 40, 200)] * 2):
        draw_picture(
            tmp_path / "set" / "ab"[number % 2] / f"{number}.png", colour=colour, size_px=(side_px, side_px)
        )
    made = augment(tmp_path / "set", out=tmp_path / "grid.html", n=1)
    assert (made.policy, made.notes) == (policy, notes)


def test_grey_pictures_without_classes_are_not_mirrored(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    rng = np.random.default_rng(0)
    for number in range(110):
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(tmp_path / "set" / f"{number}.png")
    made = augment(tmp_path / "set", out=tmp_path / "grid.html", size_px=8, n=1)
    assert (made.policy, made.may_mirror) == ("glyphs", False)
    assert made.notes == ("Nothing is mirrored: grey pictures may show digits or text.",)
