"""Class folders, split folders, and what is left out of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fovea.errors import InputError
from fovea.manifest import read_source, without_documents
from fovea.manifest.classes import EXAMPLE_LAYOUT

Plant = Callable[..., Path]


def labels(root: Path) -> dict[str, str | None]:
    return {row.path: row.label for row in read_source(root).rows}


def places(root: Path) -> dict[str, tuple[str | None, str]]:
    return {row.path: (row.label, row.split) for row in read_source(root).rows}


def test_a_class_is_the_folder_that_holds_the_picture(plant: Plant) -> None:
    assert labels(plant("cat/1.jpg", "dog/2.jpg")) == {"cat/1.jpg": "cat", "dog/2.jpg": "dog"}


def test_rows_come_sorted_by_path(plant: Plant) -> None:
    root = plant("b/1.jpg", "a-b/2.jpg", "a/3.jpg")
    assert [row.path for row in read_source(root).rows] == ["a-b/2.jpg", "a/3.jpg", "b/1.jpg"]


def test_the_root_is_absolute_and_finds_every_file(plant: Plant) -> None:
    manifest = read_source(plant("cat/1.jpg", "dog/2.jpg"))
    assert manifest.root.is_absolute()
    assert manifest.file(manifest.rows[1]).read_bytes() == b"content of dog/2.jpg"


def test_folders_above_class_folders_only_group(plant: Plant) -> None:
    root = plant("pets/cat/1.jpg", "wild/wolf/2.jpg")
    assert labels(root) == {"pets/cat/1.jpg": "cat", "wild/wolf/2.jpg": "wolf"}


def test_two_folders_of_one_name_are_classes_by_their_paths_and_noted(plant: Plant) -> None:
    manifest = read_source(plant("a/cat/1.jpg", "b/cat/2.jpg", "b/dog/3.jpg"))
    assert [row.label for row in manifest.rows] == ["a/cat", "b/cat", "dog"]
    assert manifest.notes == (
        "2 folders in different places are called 'cat': they are separate classes named by their paths, "
        "'a/cat', 'b/cat'. To make them one: --merge a/cat,b/cat=cat.",
    )


def test_a_lone_folder_around_everything_is_not_part_of_class_paths(plant: Plant) -> None:
    root = plant("download/x/cat/1.jpg", "download/y/cat/2.jpg")
    assert set(labels(root).values()) == {"x/cat", "y/cat"}


def test_class_names_that_differ_in_capitals_or_blanks_are_kept_apart_and_noted(plant: Plant) -> None:
    manifest = read_source(plant("Cat/1.jpg", "cat/2.jpg", "red  fox/3.jpg", "red fox/4.jpg"))
    assert manifest.class_names == ("Cat", "cat", "red  fox", "red fox")
    assert manifest.notes == (
        "The classes 'Cat', 'cat' differ only in capitals, blanks or accents' form; they are kept apart. To "
        "make them one: --merge cat=Cat.",
        "The classes 'red  fox', 'red fox' differ only in capitals, blanks or accents' form; they are kept "
        "apart. To make them one: --merge red fox=red  fox.",
    )


def test_hidden_and_system_items_are_left_out_and_said(plant: Plant) -> None:
    manifest = read_source(
        plant(
            "cat/1.jpg",
            "cat/.x.jpg",
            "cat/Thumbs.db",
            "dog/2.jpg",
            ".ipynb_checkpoints/3.jpg",
            "__MACOSX/4.jpg",
        )
    )
    assert manifest.class_names == ("cat", "dog")
    assert manifest.notes == (
        "Ignored as a hidden file: 'cat/.x.jpg'.",
        "Ignored as a hidden folder: '.ipynb_checkpoints'.",
        "Ignored as a system file: 'cat/Thumbs.db'.",
        "Ignored as a system folder: '__MACOSX'.",
    )


def test_stray_files_in_a_class_folder_stay_rows(plant: Plant) -> None:
    assert labels(plant("cat/1.jpg", "cat/notes.txt", "dog/2.jpg"))["cat/notes.txt"] == "cat"


def test_pictures_beside_class_folders_are_left_out_and_noted(plant: Plant) -> None:
    manifest = read_source(plant("cat/1.jpg", "dog/2.jpg", "loose.jpg"))
    assert manifest.class_names == ("cat", "dog")
    assert manifest.notes == ("1 file beside the class folders left out, having no class: 'loose.jpg'.",)


def test_a_folder_of_documents_is_no_class(plant: Plant) -> None:
    manifest = read_source(plant("cat/1.jpg", "dog/2.jpg", "about/licence.txt", "README.md"))
    assert manifest.class_names == ("cat", "dog")
    assert manifest.notes == (
        "2 documents outside the class folders left out: 'README.md', 'about/licence.txt'.",
    )


def test_a_table_beside_class_folders_is_pointed_out(plant: Plant) -> None:
    manifest = read_source(plant("cat/1.jpg", "dog/2.jpg", "boxes.csv"))
    assert manifest.notes == (
        "1 table not read: 'boxes.csv'. To take classes from a table, give it instead of the folder.",
    )


def test_folders_without_pictures_are_noted(plant: Plant) -> None:
    manifest = read_source(plant("cat/1.jpg", "dog/2.jpg", "bird/", "wild/wolf/", "fish/.hidden"))
    assert manifest.class_names == ("cat", "dog")
    assert manifest.notes[1:] == ("3 folders without pictures left out: 'bird', 'fish', 'wild/wolf'.",)


def test_a_folder_with_pictures_and_class_folders_is_a_class_of_its_own(plant: Plant) -> None:
    manifest = read_source(plant("cat/1.jpg", "cat/kitten/2.jpg", "dog/3.jpg"))
    assert manifest.class_names == ("cat", "dog", "kitten")
    assert manifest.notes == (
        "'cat' holds pictures of its own and class folders ('cat/kitten'): each is a class of its own.",
    )


@pytest.mark.parametrize("valid", ["valid", "val", "validation", "Val"])
def test_split_folders_give_splits_and_not_classes(plant: Plant, valid: str) -> None:
    root = plant("train/cat/1.jpg", "train/dog/2.jpg", f"{valid}/cat/3.jpg", f"{valid}/dog/4.jpg")
    assert places(root) == {
        "train/cat/1.jpg": ("cat", "train"),
        "train/dog/2.jpg": ("dog", "train"),
        f"{valid}/cat/3.jpg": ("cat", "valid"),
        f"{valid}/dog/4.jpg": ("dog", "valid"),
    }


def test_split_folders_inside_one_outer_folder_are_found(plant: Plant) -> None:
    root = plant("set/train/cat/1.jpg", "set/train/dog/2.jpg", "set/test/cat/3.jpg", "set/test/dog/4.jpg")
    assert [row.split for row in read_source(root).rows] == ["test", "test", "train", "train"]


def test_group_folders_inside_split_folders_only_group(plant: Plant) -> None:
    root = plant("train/pets/cat/1.jpg", "train/wild/fox/2.jpg", "val/pets/cat/3.jpg", "val/wild/fox/4.jpg")
    assert read_source(root).class_names == ("cat", "fox")


def test_classes_missing_from_one_split_are_named(plant: Plant) -> None:
    manifest = read_source(plant("train/cat/1.jpg", "train/dog/2.jpg", "train/fox/3.jpg", "valid/cat/4.jpg"))
    assert manifest.notes == (
        "The valid split has no pictures of 2 classes that train has: 'dog', 'fox'. The figures say nothing "
        "about them.",
    )


def test_pictures_of_a_class_that_train_lacks_are_left_out_and_named(plant: Plant) -> None:
    manifest = read_source(
        plant("train/cat/1.jpg", "train/dog/2.jpg", "val/cat/3.jpg", "val/dog/4.jpg", "val/fox/5.jpg")
    )
    assert manifest.class_names == ("cat", "dog")
    assert manifest.notes == (
        "1 picture of the valid split left out: train has no class 'fox'. The figures say nothing about it.",
    )


def test_a_test_folder_of_unknown_pictures_does_not_break_training(plant: Plant) -> None:
    manifest = read_source(
        plant("train/cat/1.jpg", "train/dog/2.jpg", "test/unknown/3.jpg", "test/unknown/4.jpg")
    )
    assert [row.path for row in manifest.rows] == ["train/cat/1.jpg", "train/dog/2.jpg"]
    assert manifest.notes == (
        "2 pictures of the test split left out: train has no class 'unknown'. The figures say nothing about "
        "it.",
    )


def test_a_flat_test_folder_is_left_out_and_noted(plant: Plant) -> None:
    manifest = read_source(plant("train/cat/1.jpg", "train/dog/2.jpg", "test/3.jpg"))
    assert manifest.class_names == ("cat", "dog")
    assert manifest.notes == ("1 file directly in 'test' left out, having no class: 'test/3.jpg'.",)


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_source(root)
    return str(caught.value)


def test_split_folders_beside_class_folders_are_refused(plant: Plant) -> None:
    assert refusal(plant("cat/1.jpg", "dog/2.jpg", "train/3.jpg")) == (
        "'photos' holds folders named like splits ('train') beside other folders ('cat', 'dog'), so it is "
        "not clear which are classes. Put every class folder into a split folder, as in "
        "photos/train/cat/1.jpg and photos/valid/cat/2.jpg. If a class is really called 'train', give a CSV "
        "table with the columns path,label instead."
    )


def test_split_folders_inside_class_folders_are_refused(plant: Plant) -> None:
    assert refusal(plant("cat/train/1.jpg", "cat/val/2.jpg", "dog/train/3.jpg")) == (
        "'photos' holds split folders ('train', 'val') inside 'cat', below the top. The split comes first "
        "and the class inside it, as in photos/train/cat/1.jpg and photos/valid/cat/2.jpg: move the folders, "
        "or give a CSV table with the columns path,label,split."
    )


def test_a_class_called_train_among_vehicles_is_a_class(plant: Plant) -> None:
    assert read_source(plant("rail/train/1.jpg", "road/car/2.jpg")).class_names == ("car", "train")


def test_two_folders_for_one_split_are_refused(plant: Plant) -> None:
    assert refusal(plant("train/cat/1.jpg", "val/cat/2.jpg", "valid/cat/3.jpg")) == (
        "'photos' holds 2 folders for the valid split: 'val', 'valid'. Keep one of them, or join their "
        "contents."
    )


def test_a_split_folder_without_class_folders_is_refused(plant: Plant) -> None:
    assert refusal(plant("train/1.jpg", "train/2.jpg", "valid/cat/3.jpg")) == (
        "'train' in 'photos' holds 2 files directly and no class folders, so their classes are not known. "
        "Put them into class folders, as in train/cat/1.jpg and train/dog/2.jpg, or give a CSV table with "
        "the columns path,label,split."
    )


def test_a_flat_folder_is_refused_with_an_example(plant: Plant) -> None:
    assert refusal(plant("1.jpg", "2.jpg")) == (
        "'photos' holds 2 files directly and no class folders, so their classes are not known. Put the "
        "pictures of each class into a folder of its own, for example photos/cat/1.jpg, photos/cat/2.jpg, "
        "photos/dog/1.jpg, photos/dog/2.jpg, and give the folder photos; or give a CSV table with the "
        "columns path,label."
    )


def test_a_flat_folder_with_a_table_is_refused_with_a_hint_at_it(plant: Plant) -> None:
    assert refusal(plant("1.jpg", "2.jpg", "labels.csv")) == (
        "'photos' holds 3 files directly and no class folders, so their classes are not known. If the table "
        f"'labels.csv' in it names the classes, give it instead of the folder. {EXAMPLE_LAYOUT}"
    )


def test_an_empty_folder_is_refused(plant: Plant) -> None:
    assert refusal(plant()) == f"'photos' holds no pictures. {EXAMPLE_LAYOUT}"


def test_a_folder_of_hidden_files_is_refused_naming_them(plant: Plant) -> None:
    assert refusal(plant(".DS_Store")) == (
        f"'photos' holds no pictures. Ignored as a hidden file: '.DS_Store'. {EXAMPLE_LAYOUT}"
    )


def test_a_folder_of_documents_is_refused(plant: Plant) -> None:
    assert refusal(plant("a.txt", "b/c.pdf")) == (
        f"'photos' holds no pictures, only 2 documents: 'a.txt', 'b/c.pdf'. {EXAMPLE_LAYOUT}"
    )


def test_documents_among_pictures_can_be_left_out_and_are_named(plant: Plant) -> None:
    root = plant("1.jpg", "ask.csv", "b/2.JPG", "b/2.json", "groups.HTML", "odd.xyz")
    manifest = without_documents(read_source(root, labelled=False))
    assert [row.path for row in manifest.rows] == ["1.jpg", "b/2.JPG", "odd.xyz"]
    assert manifest.notes == ("Left out, no pictures by their names: 'ask.csv', 'b/2.json', 'groups.HTML'.",)
    assert without_documents(manifest) == manifest


def test_the_folder_is_left_as_it_was(plant: Plant) -> None:
    root = plant("cat/1.jpg", "dog/2.jpg", "bird/")
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    read_source(root)
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before


def test_products_are_read_with_their_given_splits(shared: Path) -> None:
    manifest = read_source(shared / "data/products")
    splits = [row.split for row in manifest.rows]
    # The counts of ../shared/data/README.md.
    assert (splits.count("train"), splits.count("valid"), len(manifest.class_names)) == (3795, 418, 9)
