"""Parquet tables of pictures, as Hugging Face writes them, and tables of paths; read in bounded memory."""

import json
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fovea.errors import InputError, MissingExtraError, PictureError
from fovea.manifest import Manifest, read_source

pa = pytest.importorskip("pyarrow")
Write = Callable[..., Path]


def png(shade: int) -> bytes:
    """Return a small picture, each different."""
    target = BytesIO()
    Image.new("L", (4, 3), shade).save(target, "PNG")
    return target.getvalue()


def boxed(*contents: bytes | None) -> list[dict[str, Any]]:
    """Return pictures as Hugging Face puts them into a table."""
    return [{"bytes": content, "path": None} for content in contents]


@pytest.fixture
def write_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes columns into a Parquet file of the folder `set`, with ClassLabel names if any."""
    from pyarrow import parquet

    monkeypatch.chdir(tmp_path)

    def write(
        name: str, *, names: dict[str, list[str]] | None = None, rows: int = 100, **columns: Any
    ) -> Path:
        file = Path("set") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table(columns)
        if names:
            features = {column: {"names": held, "_type": "ClassLabel"} for column, held in names.items()}
            table = table.replace_schema_metadata(
                {"huggingface": json.dumps({"info": {"features": features}})}
            )
        parquet.write_table(table, file, row_group_size=rows)
        return file

    return write


def refusal(source: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_source(source, **options)
    return str(caught.value)


def told(manifest: Manifest) -> list[tuple[str, str | None, str]]:
    return [(row.path, row.label, row.split) for row in manifest.rows]


NAMES = {"label": ["cat", "dog"]}


def test_hugging_faces_files_are_rows_with_class_names_and_splits(write_parquet: Write) -> None:
    write_parquet("data/train-00000-of-00001.parquet", image=boxed(png(1), png(2)), label=[1, 0], names=NAMES)
    write_parquet("data/test-00000-of-00001.parquet", image=boxed(png(3)), label=[1], names=NAMES)
    Path("set/README.md").write_text("about")
    manifest = read_source(Path("set"))
    assert told(manifest) == [
        ("data/test-00000-of-00001.parquet#0", "dog", "test"),
        ("data/train-00000-of-00001.parquet#0", "dog", "train"),
        ("data/train-00000-of-00001.parquet#1", "cat", "train"),
    ]
    assert [manifest.read(row) for row in manifest.rows] == [png(3), png(1), png(2)]


def test_a_folders_name_gives_the_split_too(write_parquet: Write) -> None:
    for folder in ("train", "validation"):
        write_parquet(f"{folder}/0000.parquet", img=boxed(png(1), png(2)), label=[1, 0], names=NAMES)
    assert {row.split for row in read_source(Path("set")).rows} == {"train", "valid"}


def test_plain_bytes_and_texts_are_pictures_and_classes(write_parquet: Write) -> None:
    file = write_parquet("t.parquet", picture=[png(1), png(2)], label=[" cat ", "dog"], who=["p1", "p2"])
    manifest = read_source(file, group_by="who")
    assert [(row.label, row.split, row.group) for row in manifest.rows] == [
        ("cat", "", "p1"),
        ("dog", "", "p2"),
    ]
    assert manifest.read(manifest.rows[1]) == png(2)


def test_numbers_without_names_are_classes_by_number(write_parquet: Write) -> None:
    assert read_source(
        write_parquet("t.parquet", image=boxed(png(1), png(2)), label=[3, 12])
    ).class_names == ("12", "3")


def test_other_labels_are_named_and_taken_where_asked_for(write_parquet: Write) -> None:
    both = {"fine_label": ["rose", "oak"], "coarse_label": ["flower", "tree"]}
    file = write_parquet(
        "t.parquet", img=boxed(png(1), png(2)), fine_label=[0, 1], coarse_label=[1, 0], names=both
    )
    fine = read_source(file)
    assert [row.label for row in fine.rows] == ["rose", "oak"]
    assert fine.notes == ("The classes are the column 'fine_label'; for others: --label-by coarse_label.",)
    coarse = read_source(file, label_by="coarse_label")
    assert [row.label for row in coarse.rows] == ["tree", "flower"]
    assert coarse.notes == ()


def test_rows_without_a_label_are_left_out_and_counted(write_parquet: Write) -> None:
    file = write_parquet("t.parquet", image=boxed(png(1), png(2), png(3)), label=[0, -1, None], names=NAMES)
    manifest = read_source(file)
    assert [row.path for row in manifest.rows] == ["t.parquet#0"]
    assert manifest.notes == ("2 rows without a label left out.",)
    assert len(read_source(file, labelled=False).rows) == 3


def test_a_table_of_paths_is_read_as_a_csv_is(write_parquet: Write) -> None:
    file = write_parquet(
        "t.parquet", path=["a.png", "b.png"], label=[1, 1], split=["train", "valid"], names=NAMES
    )
    for name in ("a.png", "b.png"):
        file.with_name(name).write_bytes(png(1))
    assert told(read_source(file)) == [("a.png", "dog", "train"), ("b.png", "dog", "valid")]


@pytest.mark.parametrize("n_in_a_group", [7, 150, 1000])
def test_every_picture_is_found_in_any_order(write_parquet: Write, n_in_a_group: int) -> None:
    contents = [b"picture %d" % k for k in range(400)]
    file = write_parquet("t.parquet", rows=n_in_a_group, image=boxed(*contents), label=[0] * 400)
    manifest = read_source(file)
    order = [*range(0, 400, 3), *range(399, 0, -2), 0, 399, 64, 63, 128]
    assert [manifest.read(manifest.rows[k]) for k in order] == [contents[k] for k in order]


def test_threads_may_read_at_once(write_parquet: Write) -> None:
    from concurrent.futures import ThreadPoolExecutor

    contents = [b"picture %d" % k for k in range(1500)]
    manifest = read_source(write_parquet("t.parquet", image=boxed(*contents), label=[0] * 1500))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(manifest.read, manifest.rows)) == contents


@pytest.mark.parametrize("n_bytes", [20_000, 1_000_000])
def test_reading_on_holds_some_64_megabytes_at_most(write_parquet: Write, n_bytes: int) -> None:
    contents = [k.to_bytes(2, "big") * (n_bytes // 2) for k in range(200)]
    manifest = read_source(write_parquet("t.parquet", rows=200, image=boxed(*contents), label=[0] * 200))
    for row, content in zip(manifest.rows, contents, strict=True):
        assert manifest.read(row) == content
    windows = manifest.packs["t.parquet"]._windows.values()  # type: ignore[attr-defined]
    assert sum(len(one["bytes"]) for window in windows for one in window) <= 64_000_000


def test_a_row_without_a_picture_is_told(write_parquet: Write) -> None:
    manifest = read_source(write_parquet("t.parquet", image=boxed(png(1), None), label=[0, 1]))
    with pytest.raises(PictureError, match=r"^the table's row holds no picture$"):
        manifest.read(manifest.rows[1])


def where(file: Path) -> str:
    return repr(str(file.absolute()))


def test_a_table_without_pictures_is_refused(write_parquet: Write) -> None:
    file = write_parquet("t.parquet", text=["a", "b"], label=[0, 1])
    assert refusal(file) == (
        f"{where(file)} has no column of pictures: its columns are 'text', 'label', and none holds the bytes of files. Write "
        "each picture's bytes into a column 'image', or give a table with the columns path,label."
    )


def test_two_columns_of_bytes_without_a_known_name_are_refused(write_parquet: Write) -> None:
    file = write_parquet("t.parquet", left=[png(1)], right=[png(2)], label=[0])
    assert refusal(file) == (
        f"{where(file)} has 2 columns that may hold pictures: 'left', 'right'. Call the right one 'image'."
    )


def test_a_table_without_labels_is_refused(write_parquet: Write) -> None:
    file = write_parquet("t.parquet", image=boxed(png(1)), kind=["a"])
    assert refusal(file) == (
        f"{where(file)} has no column of labels: its columns are 'image', 'kind'. Name one with --label-by COLUMN, or call "
        "it 'label'."
    )
    assert read_source(file, label_by="kind").class_names == ("a",)


def test_a_column_that_is_not_there_is_told_with_the_nearest(write_parquet: Write) -> None:
    file = write_parquet("t.parquet", image=boxed(png(1)), kind=["a"])
    assert refusal(file, label_by="kinds") == (
        f"--label-by names the column 'kinds', which {where(file)} does not have (did you mean 'kind'?). Its columns: "
        "'image', 'kind'."
    )


def test_labels_that_are_no_classes_are_refused(write_parquet: Write) -> None:
    file = write_parquet("t.parquet", image=boxed(png(1), png(2)), label=[0.5, 1.5])
    assert refusal(file) == (
        f"{where(file)}: the column 'label' holds float values such as '0.5', where a class is a text or a whole number. "
        "Name another column with --label-by COLUMN."
    )


def test_a_number_beyond_the_named_classes_is_refused(write_parquet: Write) -> None:
    file = write_parquet("t.parquet", image=boxed(png(1)), label=[2], names=NAMES)
    assert refusal(file) == (
        f"{where(file)}: the column 'label' holds the number 2, and its schema names 2 classes (from 0). Write the table "
        "again."
    )


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:-20], lambda _: b"<html></html>"], ids=["cut", "html"]
)
def test_a_file_cut_short_is_refused(write_parquet: Write, damage: Callable[[bytes], bytes]) -> None:
    file = write_parquet("t.parquet", image=boxed(png(1)), label=[2])
    file.write_bytes(damage(file.read_bytes()))
    assert refusal(file) == (
        f"{where(file)} is cut short or no Parquet file: its end, which says what is in it, cannot be read. Download it "
        "again."
    )


def test_damage_among_the_pictures_is_a_reason_of_those_rows(write_parquet: Write) -> None:
    from pyarrow.parquet import ParquetFile

    file = write_parquet("t.parquet", image=boxed(*(png(k) for k in range(250))), label=[0] * 250)
    leaf = ParquetFile(file).metadata.row_group(1).column(0)
    content = bytearray(file.read_bytes())
    at = leaf.dictionary_page_offset or leaf.data_page_offset
    content[at : at + 64] = b"\xff" * 64
    file.write_bytes(content)
    manifest = read_source(file)
    assert manifest.read(manifest.rows[0]) == png(0)
    with pytest.raises(OSError, match=r"^damaged at row 164 and after$"):
        manifest.read(manifest.rows[170])
    assert manifest.read(manifest.rows[249]) == png(249)


def test_two_sets_in_one_folder_are_refused(write_parquet: Write) -> None:
    for folder in ("small", "large"):
        write_parquet(f"{folder}/train.parquet", image=boxed(png(1)), label=[0])
    assert refusal(Path("set")) == (
        f"{where(Path('set'))} holds 2 sets of Parquet files: 'large', 'small'. Give the folder of one of them, for example "
        f"{where(Path('set/large'))}."
    )


def test_class_folders_beside_a_table_stay_class_folders(write_parquet: Write) -> None:
    write_parquet("t.parquet", image=boxed(png(1)), label=[0])
    for name in ("cat/1.png", "dog/2.png"):
        (Path("set") / name).parent.mkdir()
        (Path("set") / name).write_bytes(png(1))
    assert read_source(Path("set")).class_names == ("cat", "dog")


def test_without_pyarrow_the_extra_is_named(write_parquet: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_parquet("t.parquet", image=boxed(png(1)), label=[0])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError) as caught:
        read_source(file)
    assert str(caught.value) == (
        f'Reading {where(file)} needs an optional package: pip install "fovea-vision[parquet]"'
    )


def test_a_link_to_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").symlink_to(tmp_path / "gone")
    assert (
        refusal(tmp_path) == f"{where(tmp_path / 'train.parquet')} cannot be read: No such file or directory."
    )


def test_labels_that_are_damaged_are_refused(write_parquet: Write) -> None:
    from pyarrow.parquet import ParquetFile

    file = write_parquet("t.parquet", image=boxed(png(1)), label=[0])
    leaf = ParquetFile(file).metadata.row_group(0).column(2)
    content = bytearray(file.read_bytes())
    at = leaf.dictionary_page_offset or leaf.data_page_offset
    content[at : at + 16] = b"\xff" * 16
    file.write_bytes(content)
    assert refusal(file) == (
        f"{where(file)} is damaged: its column 'label' cannot be read. Download it again."
    )
