"""What `check` promises: everything that is broken or twice is named, each content is decoded once, nothing is changed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fovea.errors import InputError, MissingInputError, OutputError
from fovea.features import open_store
from fovea.manifest.classes import EXAMPLE_LAYOUT
from fovea.pictures import Picture
from fovea.tasks import check as task
from fovea.tasks.check import check
from fovea.tasks.gather import add_hashes

Draw = Callable[..., Path]


@pytest.fixture
def few(tmp_path: Path, draw_picture: Draw) -> Path:
    """Return a folder of 2 x 3 drawn pictures in class folders."""
    for number in range(6):
        draw_picture(tmp_path / "few" / ("cat", "dog")[number % 2] / f"{number}.png", seed=number)
    return tmp_path / "few"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that grows by every content that check decodes."""
    contents: list[bytes] = []
    real = task.decode

    def spy(content: bytes) -> Picture:
        contents.append(content)
        return real(content)

    monkeypatch.setattr(task, "decode", spy)
    return contents


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return content and time of every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_classes_are_counted(few: Path) -> None:
    found = check(few).to_json()
    assert (found["n_pictures"], found["n_quarantined"], found["classes"]) == (6, 0, {"cat": 3, "dog": 3})
    assert (found["quarantined"], found["duplicates"], found["formats"]) == ([], [], {"PNG": 6})


def test_given_splits_are_counted(few: Path, tmp_path: Path) -> None:
    for split in ("train", "valid"):
        shutil.copytree(few, tmp_path / "given" / split)
    assert check(tmp_path / "given").splits == {"train": 6, "valid": 6}


def test_what_cannot_be_read_is_named_with_its_reason(few: Path) -> None:
    (few / "cat" / "empty.jpg").write_bytes(b"")
    (few / "dog" / "page.png").write_bytes(b"<!doctype html><title>404</title>")
    found = check(few).to_json()
    reasons = {one["path"]: one["reason"] for one in found["quarantined"]}
    assert (found["n_pictures"], found["n_quarantined"]) == (6, 2)
    assert reasons["cat/empty.jpg"] == "an empty file (0 bytes)"
    assert "HTML" in reasons["dog/page.png"]


def test_a_file_that_cannot_be_opened_is_quarantined_but_not_remembered_as_broken(
    few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = few / "cat" / "0.png"
    content = gone.read_bytes()

    def hash_then_take_away(*given: object, **named: object) -> object:
        manifest = add_hashes(*given, **named)  # type: ignore[arg-type]
        gone.unlink()
        return manifest

    with monkeypatch.context() as patched:
        patched.setattr(task, "add_hashes", hash_then_take_away)
        assert check(few).quarantined == (("cat/0.png", "cannot be read: No such file or directory"),)
    gone.write_bytes(content)
    assert check(few).quarantined == ()


def test_a_file_that_changes_meanwhile_is_not_remembered_under_its_old_content(
    few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing = few / "cat" / "0.png"
    content = changing.read_bytes()

    def hash_then_change(*given: object, **named: object) -> object:
        manifest = add_hashes(*given, **named)  # type: ignore[arg-type]
        changing.write_bytes(b"cut")
        return manifest

    with monkeypatch.context() as patched:
        patched.setattr(task, "add_hashes", hash_then_change)
        assert check(few).quarantined == (("cat/0.png", "changed while it was being read"),)
    changing.write_bytes(content)
    assert check(few).quarantined == ()


def test_pictures_of_the_same_bytes_or_pixels_are_one_group(few: Path) -> None:
    shutil.copy(few / "cat" / "0.png", few / "dog" / "bytes.png")
    with Image.open(few / "cat" / "0.png") as picture:
        picture.save(few / "dog" / "pixels.bmp")
    assert check(few).duplicates == (("cat/0.png", "dog/bytes.png", "dog/pixels.bmp"),)


def test_equal_pictures_that_contradict_or_leak_come_first_and_are_said(few: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    for split in ("train", "valid"):
        for name, numbers in (("cat", "024"), ("dog", "135")):
            (given / split / name).mkdir(parents=True)
            for number in numbers[:2] if split == "train" else numbers[2]:
                shutil.copy(few / name / f"{number}.png", given / split / name)
    for old, new in (("cat/0", "cat/again"), ("cat/2", "dog/wrong")):
        shutil.copy(given / "train" / f"{old}.png", given / "train" / f"{new}.png")
    shutil.copy(given / "train" / "dog" / "1.png", given / "valid" / "dog" / "leak.png")
    found = check(given)
    assert found.duplicates == (
        ("train/cat/2.png", "train/dog/wrong.png"),
        ("train/dog/1.png", "valid/dog/leak.png"),
        ("train/cat/0.png", "train/cat/again.png"),
    )
    assert found.notes == (
        "1 set of pictures that are the same with different labels: one is wrong.",
        "1 set of pictures that are the same in more than one split: a leak.",
    )


def test_nearly_the_same_is_not_listed_as_the_same(few: Path) -> None:
    with Image.open(few / "cat" / "0.png") as picture:
        picture.save(few / "cat" / "recompressed.jpg", quality=95)
        picture.resize((47, 32)).save(few / "cat" / "narrower.png")
    assert check(few).duplicates == ()


def test_broken_files_of_the_same_bytes_are_no_duplicates(few: Path) -> None:
    for name in ("one.jpg", "two.jpg"):
        (few / "cat" / name).write_bytes(b"")
    assert check(few).duplicates == ()


def test_each_content_is_decoded_once(few: Path, decoded: list[bytes]) -> None:
    shutil.copy(few / "cat" / "0.png", few / "dog" / "again.png")
    check(few)
    assert len(decoded) == len(set(decoded)) == 6


def test_a_second_check_decodes_nothing_and_finds_the_same(few: Path, decoded: list[bytes]) -> None:
    (few / "cat" / "cut.png").write_bytes((few / "cat" / "0.png").read_bytes()[:200])
    shutil.copy(few / "cat" / "0.png", few / "dog" / "again.png")
    first = check(few).to_json()
    decoded.clear()
    assert check(few).to_json() == first
    assert decoded == []


def test_an_interrupted_check_says_how_far_it_came_and_goes_on_from_there(
    few: Path, decoded: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "GROUP", 2)

    def stop(stage: str, n_done: int, n_total: int) -> None:
        if (stage, n_done) == ("check", 5):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        check(few, progress=stop)
    assert str(caught.value) == (
        "stopped: 4 of 6 pictures were looked at and are remembered. The same command continues from there."
    )
    decoded.clear()
    check(few)
    assert len(decoded) == 2


def test_the_folder_is_not_changed(few: Path, tmp_path: Path) -> None:
    (few / "cat" / "empty.jpg").write_bytes(b"")
    before = everything(few)
    check(few, html=tmp_path / "page.html")
    assert everything(few) == before


def test_a_flat_folder_without_classes_can_be_checked(few: Path) -> None:
    found = check(few / "cat")
    assert (found.n_pictures, dict(found.classes)) == (3, {})
    assert found.notes[0].startswith("It cannot be trained on as it is. ")


def test_a_single_class_can_be_checked_but_not_trained_on(few: Path) -> None:
    shutil.rmtree(few / "dog")
    found = check(few)
    assert dict(found.classes) == {"cat": 3}
    assert found.notes == (
        "It cannot be trained on as it is. There is one class only: 'cat' with 3 pictures. A classifier needs at least "
        f"two classes with two pictures each. {EXAMPLE_LAYOUT}",
    )


def test_a_class_with_a_single_picture_is_said_to_hinder_training(few: Path) -> None:
    for number in (3, 5):
        (few / "dog" / f"{number}.png").unlink()
    assert check(few).notes == (
        "It cannot be trained on as it is. Class 'dog' has a single picture to learn from (the same file twice counts "
        "once). The others: 'cat' with 3. A class needs at least two pictures, and ten or more to be judged well: add "
        "pictures, leave the class out with --drop 'dog', or join it to another with --merge. "
        + EXAMPLE_LAYOUT,
    )


def test_classes_of_which_nothing_can_be_read_are_listed_with_none(few: Path) -> None:
    for path in few.rglob("*.png"):
        path.write_bytes(b"")
    found = check(few)
    assert dict(found.classes) == {"cat": 0, "dog": 0}
    assert found.notes == (
        "It cannot be trained on as it is. 0 of 6 files could be read as a picture: 6 x an empty file (0 bytes). JPEG, "
        f"PNG, WebP, GIF, BMP, TIFF, PPM and AVIF pictures can be read. {EXAMPLE_LAYOUT}",
    )


def test_a_class_that_training_would_leave_out_is_named(few: Path) -> None:
    (few / "fox").mkdir()
    (few / "fox" / "cut.png").write_bytes(b"")
    found = check(few)
    assert dict(found.classes) == {"cat": 3, "dog": 3, "fox": 0}
    assert found.notes == (
        "Class 'fox' is left out: 0 of 1 file to learn from could be read as a picture: 1 x an empty file (0 bytes).",
    )


def test_a_page_shows_classes_of_which_nothing_can_be_read(few: Path, tmp_path: Path) -> None:
    for path in few.rglob("*.png"):
        path.write_bytes(b"")
    check(few, html=tmp_path / "check.html")
    text = (tmp_path / "check.html").read_text()
    assert all(f'<th scope="row">{name}</th>' in text for name in ("cat", "dog"))


def test_a_table_can_be_checked_and_its_wrong_rows_are_named(few: Path) -> None:
    (few / "table.csv").write_text("path,label\ncat/0.png,cat\nnowhere.png,cat\n")
    found = check(few / "table.csv")
    assert (found.n_pictures, [path for path, _ in found.quarantined]) == (1, ["nowhere.png"])
    with pytest.raises(InputError, match=r"nowhere\.png"):
        check(few / "table.csv", strict=True)


def test_nothing_there_and_nothing_in_it_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="There is no folder or file"):
        check(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no pictures"):
        check(tmp_path)


def test_the_page_is_one_file_with_pictures_of_every_class(few: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "check.html"
    check(few, html=page)
    text = page.read_text()
    assert [path.name for path in page.parent.iterdir()] == ["check.html"]
    assert text.count("data:image/jpeg;base64,") >= 6
    assert all(f"{name}" in text for name in ("cat", "dog"))
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_a_private_page_holds_no_pictures_and_no_place(few: Path, tmp_path: Path) -> None:
    check(few, html=tmp_path / "check.html", private=True)
    text = (tmp_path / "check.html").read_text()
    assert "data:image" not in text
    assert str(tmp_path) not in text


def test_a_page_is_not_overwritten_nor_anything_decoded_for_it(
    few: Path, tmp_path: Path, decoded: list[bytes]
) -> None:
    page = tmp_path / "check.html"
    page.write_text("mine")
    with pytest.raises(OutputError) as caught:
        check(few, html=page)
    assert (
        str(caught.value) == f"There is something at {str(page)!r} already. Choose another name for --html."
    )
    assert (page.read_text(), decoded) == ("mine", [])


def test_a_page_that_cannot_be_written_is_said_with_its_place(few: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    page = tmp_path / "file" / "check.html"
    with pytest.raises(OutputError) as caught:
        check(few, html=page)
    assert str(caught.value).startswith(f"{str(page)!r} cannot be written: File exists.")


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^no setting 'privat'. Did you mean 'private'\?$"):
        check("photos", privat=True)


def test_a_result_shows_itself_in_a_notebook(few: Path) -> None:
    assert "<" in check(few)._repr_html_()


def test_names_that_are_not_utf8_are_taken(few: Path, tmp_path: Path) -> None:
    odd = few / "cat" / "K\udce4se.png"  # as Python gives the byte E4
    shutil.copy(few / "cat" / "0.png", odd)
    found = check(few, html=tmp_path / "check.html")
    assert found.duplicates == (("cat/0.png", "cat/K\udce4se.png"),)


def test_where_nothing_can_be_stored_it_is_said(
    few: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FOVEA_CACHE", str(tmp_path / "file" / "cache"))
    found = check(few)
    with open_store() as store:
        assert store.notes
        assert set(store.notes) <= set(found.notes)
    assert found.n_pictures == 6


def test_every_odd_file_is_read_or_named(shared: Path) -> None:
    found = check(shared / "data" / "odd").to_json()
    assert found["n_pictures"] + found["n_quarantined"] == 97
    assert all(one["reason"] for one in found["quarantined"])
