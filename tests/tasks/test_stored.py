"""What the commands on stored features start from: any pictures, the features of those that can be read."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fovea.errors import InputError, ManifestError
from fovea.features import Encoder, open_backbone, open_store
from fovea.manifest import read_source
from fovea.pictures import decode, resize
from fovea.tasks.options import SourceOptions
from fovea.tasks.stored import last_columns, read_pictures, read_stored, require_some, units_of_stored


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return open_backbone(precision="f32", threads=1)


@pytest.fixture
def photos(tmp_path: Path, draw_picture: Callable[..., Path]) -> Path:
    """Return a folder: two scenes, the first once more under another name, and a broken file."""
    folder = tmp_path / "photos"
    for number, name in enumerate(("cat/0.png", "dog/1.png")):
        draw_picture(folder / name, seed=number)
    shutil.copy(folder / "cat" / "0.png", folder / "dog" / "copy.png")
    (folder / "cat" / "cut.png").write_bytes((folder / "cat" / "0.png").read_bytes()[:300])
    return folder


def encoded(encoder: Encoder, file: Path) -> np.ndarray:
    size = encoder.preprocess
    pixels = resize(decode(file.read_bytes()).pixels, height_px=size.height_px, width_px=size.width_px)
    return encoder.encode(pixels[None])[0].astype(np.float16)


def test_each_readable_picture_has_its_row_and_the_broken_one_a_problem(photos: Path, encoder: Encoder):
    stored = read_stored(read_source(photos), encoder=encoder, store=None)
    assert stored.paths == ("cat/0.png", "dog/1.png", "dog/copy.png")
    assert stored.labels == ("cat", "dog", "dog")
    assert stored.content.tolist() == [0, 1, 0]
    assert [row.path for row in stored.manifest.rows if row.problem] == ["cat/cut.png"]
    np.testing.assert_allclose(
        stored.features[1], encoded(encoder, photos / "dog" / "1.png"), rtol=2e-3, atol=1e-3
    )
    assert stored.read(1) == (photos / "dog" / "1.png").read_bytes()


def test_columns_are_those_of_the_whole_features_and_stages_begin_anew(photos: Path, encoder: Encoder):
    whole = read_stored(read_source(photos), encoder=encoder, store=None)
    with open_store() as store:
        computed = read_stored(read_source(photos), encoder=encoder, store=store, columns=last_columns)
        again = read_stored(read_source(photos), encoder=encoder, store=store, columns=last_columns)
        later = read_stored(read_source(photos), encoder=encoder, store=store)
    np.testing.assert_array_equal(computed.features, whole.features[:, last_columns(encoder)])
    np.testing.assert_array_equal(again.features, computed.features)
    assert again.n_decoded == later.n_decoded == 0  # all columns were stored
    np.testing.assert_array_equal(later.features, whole.features)
    (stage,) = computed.stages
    assert (stage.start, stage.stop) == (0, computed.features.shape[1])


def test_labels_are_read_where_there_are_any(photos: Path):
    assert {row.label for row in read_pictures(photos, SourceOptions()).rows} == {"cat", "dog"}
    assert {row.label for row in read_pictures(photos / "dog", SourceOptions()).rows} == {None}
    assert {row.label for row in read_pictures(photos, SourceOptions(), labelled=False).rows} == {None}
    with pytest.raises(InputError, match="no class folders"):
        read_pictures(photos / "dog", SourceOptions(), labelled=True)


def read(photos: Path, **settings: Any) -> dict[str, str | None]:
    """Return path -> label of the pictures without a problem."""
    return {
        row.path: row.label
        for row in read_pictures(photos, SourceOptions(**settings)).rows
        if not row.problem
    }


def test_pictures_beside_class_folders_are_there_without_a_label(
    photos: Path, draw_picture: Callable[..., Path]
) -> None:
    labelled = read(photos)
    draw_picture(photos / "loose.png", seed=7)
    (photos / "list.csv").write_text("path,label\nloose.png,cat\n")
    manifest = read_pictures(photos, SourceOptions())
    assert {row.path: row.label for row in manifest.rows} == {**labelled, "loose.png": None}
    assert [row.path for row in manifest.rows] == sorted(row.path for row in manifest.rows)
    assert manifest.notes == (
        "Left out, no pictures by their names: 'list.csv'.",
        "1 picture without a label: 'loose.png'.",
    )
    assert {row.path: row.label for row in read_source(photos).rows} == labelled


def test_pictures_directly_in_a_split_folder_are_there_without_a_label(
    tmp_path: Path, draw_picture: Callable[..., Path]
) -> None:
    for number, name in enumerate(("train/cat/0.png", "train/dog/1.png", "valid/cat/2.png", "valid/3.png")):
        draw_picture(tmp_path / name, seed=number)
    rows = {row.path: (row.label, row.split) for row in read_pictures(tmp_path, SourceOptions()).rows}
    assert rows.pop("valid/3.png") == (None, "")
    assert rows == {
        "train/cat/0.png": ("cat", "train"),
        "train/dog/1.png": ("dog", "train"),
        "valid/cat/2.png": ("cat", "valid"),
    }


@pytest.mark.parametrize(
    ("table", "labels"),
    [
        ("path,label\ncat/0.png,cat\ndog/1.png,\ndog/copy.png,dog\n", ["cat", None, "dog"]),
        ("path,label\ncat/0.png,\ndog/1.png,\ndog/copy.png,\n", [None, None, None]),
        ("path\ncat/0.png\ndog/1.png\ndog/copy.png\n", [None, None, None]),
        ("path,label\ncat/0.png,\ndog/1.png,dog\ncat/0.png,cat\ndog/copy.png,\n", ["cat", "dog", None]),
    ],
)
def test_rows_of_a_table_without_a_label_are_there(
    photos: Path, table: str, labels: list[str | None]
) -> None:
    (photos / "first.csv").write_text(table)
    found = read(photos / "first.csv")
    assert found == dict(zip(("cat/0.png", "dog/1.png", "dog/copy.png"), labels, strict=True))


def test_a_row_that_names_nothing_is_set_aside_and_the_others_are_there(photos: Path) -> None:
    (photos / "first.csv").write_text("path,label\ngone.png,cat\ndog/1.png,\ncat/0.png,cat\n")
    rows = read_pictures(photos / "first.csv", SourceOptions()).rows
    assert [(row.path, row.label, bool(row.problem)) for row in rows] == [
        ("gone.png", "cat", True),
        ("dog/1.png", None, False),
        ("cat/0.png", "cat", False),
    ]
    with pytest.raises(ManifestError, match=r"1 row of 3 .*there is no file 'gone.png'"):
        read_pictures(photos / "first.csv", SourceOptions(strict=True))


def test_the_column_that_was_named_gives_the_labels_that_there_are(photos: Path) -> None:
    (photos / "first.csv").write_text("path,kind\ncat/0.png,tom\ndog/1.png,\n")
    assert read(photos / "first.csv", label_by="kind") == {"cat/0.png": "tom", "dog/1.png": None}
    with pytest.raises(ManifestError, match=r"names the column 'kin', .*did you mean 'kind'"):
        read(photos / "first.csv", label_by="kin")
    with pytest.raises(InputError, match=r"^--label-by 'kind' needs a table"):
        read(photos, label_by="kind")


def test_a_single_picture_is_no_catalogue(photos: Path) -> None:
    with pytest.raises(InputError, match="is neither a folder nor a table"):
        read(photos / "cat" / "0.png")


def test_classes_are_changed_where_only_some_have_a_label(
    photos: Path, draw_picture: Callable[..., Path]
) -> None:
    draw_picture(photos / "loose.png", seed=7)
    assert read(photos, merge={"cat": "pet"})["cat/0.png"] == "pet"
    assert set(read(photos, drop=("cat",)).values()) == {"dog", None}
    for folder in (photos, photos / "dog"):
        with pytest.raises(InputError, match="--drop names the class 'cta', which is not there"):
            read(folder, drop=("cta",))


def test_fixes_label_what_had_no_label(
    photos: Path, draw_picture: Callable[..., Path], tmp_path: Path
) -> None:
    draw_picture(photos / "loose.png", seed=7)
    (tmp_path / "fixes.csv").write_text("path,label\nloose.png,cat\n")
    assert read(photos, fixes=tmp_path / "fixes.csv")["loose.png"] == "cat"


def test_too_few_pictures_are_refused_with_the_first_that_is_broken(photos: Path, encoder: Encoder):
    stored = read_stored(read_source(photos), encoder=encoder, store=None)
    require_some(stored, at_least=3, photos=photos, to_do="grouping")
    with pytest.raises(InputError) as caught:
        require_some(stored, at_least=4, photos=Path("photos"), to_do="grouping")
    assert str(caught.value).startswith(
        "'photos' holds 3 pictures that can be read; grouping takes 4 or more. The first that cannot be read is "
        "'cat/cut.png': "
    )
    assert str(caught.value).endswith(". Name a folder with more pictures.")


def test_one_picture_is_counted_as_one(photos: Path, encoder: Encoder):
    shutil.rmtree(photos / "dog")
    stored = read_stored(read_source(photos, labelled=False), encoder=encoder, store=None)
    with pytest.raises(
        InputError, match=r"^'photos' holds 1 picture that can be read; grouping takes 4 or more\."
    ):
        require_some(stored, at_least=4, photos=Path("photos"), to_do="grouping")


def test_equal_bytes_equal_pixels_and_groups_are_one_unit(
    tmp_path: Path, draw_picture: Callable[..., Path]
) -> None:
    for number in range(8):
        draw_picture(tmp_path / f"{'shot' if number < 2 else ''}{number}.png", seed=number)
    shutil.copy(tmp_path / "2.png", tmp_path / "bytes.png")
    with Image.open(tmp_path / "3.png") as picture:
        picture.save(tmp_path / "pixels.bmp")
    with Image.open(tmp_path / "4.png") as picture:
        picture.convert("RGB").save(tmp_path / "again.jpg", quality=90)
    (tmp_path / "cut.png").write_bytes(b"no picture")
    manifest = read_source(tmp_path, labelled=False, group_pattern="^shot")
    paths = [row.path for row in manifest.rows]
    with open_store() as store:
        encoder = open_backbone(None)
        stored = read_stored(manifest, encoder=encoder, store=store)
        of, near = (
            dict(
                zip(paths, units_of_stored(stored, store=store, threads=1, with_near=with_near), strict=True)
            )
            for with_near in (False, True)
        )
    assert of["2.png"] == of["bytes.png"]
    assert of["3.png"] == of["pixels.bmp"]
    assert of["shot0.png"] == of["shot1.png"]
    assert len(set(of.values())) == 12 - 3
    assert near["4.png"] == near["again.jpg"] != near["5.png"]
