from dataclasses import dataclass

import pytest

from fovea.pages.privacy import without_secrets


@dataclass(frozen=True)
class Holder:
    text: str
    jpeg: bytes | None = None
    inner: tuple["Holder", ...] = ()
    n: int = 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/anna/my photos/a b.jpg", "…/a b.jpg"),
        ("/photos", "…/photos"),
        ("C:\\Users\\Anna\\a.jpg", "…/a.jpg"),
        ("\\\\server\\share\\a.jpg", "…/a.jpg"),
        ("~/photos/a.jpg", "…/a.jpg"),
        ("file:///home/anna/a.jpg", "…/a.jpg"),
        ("cannot read '/home/anna/my photos/a.jpg': empty", "cannot read '…/a.jpg': empty"),
        ("read from /home/anna/a.jpg, twice", "read from …/a.jpg, twice"),
        ("see (/home/anna/photos)", "see (…/photos)"),
        ("in C:\\Users\\Anna\\a.jpg", "in …/a.jpg"),
    ],
)
def test_an_absolute_path_is_cut_to_its_last_name(text: str, shown: str) -> None:
    assert without_secrets(Holder(text)).text == shown


@pytest.mark.parametrize(
    "text",
    [
        "train/cats/1.jpg",
        "3 of 4",
        "and/or",
        "right / wrong",
        "94 images/s",
        "./here/a.jpg",
        "pip install 'x[heic]'",
        "",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert without_secrets(Holder(text)).text == text


def test_pictures_are_dropped_at_every_depth() -> None:
    inner = Holder("a.jpg", b"picture")
    assert without_secrets(Holder("b.jpg", b"picture", (inner,))) == Holder("b.jpg", None, (Holder("a.jpg"),))
