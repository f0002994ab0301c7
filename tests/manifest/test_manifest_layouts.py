"""Folders as well-known sets come: image folders with metadata, Places365's lists, ImageNet; archives are told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fovea.errors import InputError
from fovea.manifest import Manifest, packed_pictures, read_source

Plant = Callable[..., Path]
HERE = Path("photos")


def told(manifest: Manifest) -> list[tuple[str, str | None, str]]:
    return [(row.path, row.label, row.split) for row in manifest.rows]


def refusal(source: Path = HERE, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_source(source, **options)
    return str(caught.value)


def where(place: str = "") -> str:
    return repr(str((HERE / place).absolute()))


def test_metadata_beside_the_pictures_gives_their_classes(plant: Plant) -> None:
    (plant("1.jpg", "deep/2.jpg") / "metadata.csv").write_text("file_name,label\n1.jpg,cat\ndeep/2.jpg,dog\n")
    assert told(read_source(HERE)) == [("1.jpg", "cat", ""), ("deep/2.jpg", "dog", "")]


def test_metadata_in_split_folders_are_joined(plant: Plant) -> None:
    plant("train/1.jpg", "validation/2.jpg")
    (HERE / "train/metadata.jsonl").write_text('{"file_name": "1.jpg", "label": "cat"}\n')
    (HERE / "validation/metadata.jsonl").write_text('{"file_name": "2.jpg", "label": "cat"}\n')
    assert told(read_source(HERE)) == [("train/1.jpg", "cat", "train"), ("validation/2.jpg", "cat", "valid")]


def test_metadata_give_other_labels_where_asked_for(plant: Plant) -> None:
    (plant("1.jpg", "2.jpg") / "metadata.csv").write_text("file_name,kind,text\n1.jpg,cat,x\n2.jpg,dog,y\n")
    assert read_source(HERE, label_by="kind").class_names == ("cat", "dog")


def test_metadata_without_classes_leave_class_folders_alone(plant: Plant) -> None:
    (plant("cat/1.jpg", "dog/2.jpg") / "metadata.csv").write_text("file_name,text\ncat/1.jpg,a cat\n")
    assert read_source(HERE).class_names == ("cat", "dog")


def test_a_file_that_metadata_name_and_is_missing_is_set_aside(plant: Plant) -> None:
    (plant("1.jpg") / "metadata.csv").write_text("file_name,label\n1.jpg,cat\n2.jpg,dog\n")
    assert [row.problem for row in read_source(HERE).rows] == [
        "",
        "row 3 of metadata.csv: there is no file '2.jpg'; correct the path (it is read from the table's folder) or delete "
        "the row",
    ]


@pytest.fixture
def places(plant: Plant) -> Path:
    """Return a folder with Places365's lists and a few of its pictures."""
    plant(
        "data_256_standard/a/airfield/1.jpg", "data_256_standard/a/apartment/outdoor/2.jpg", "val_256/v1.jpg"
    )
    (HERE / "categories_places365.txt").write_text("/a/airfield 0\n/a/apartment/outdoor 1\n")
    (HERE / "places365_train_standard.txt").write_text("/a/airfield/1.jpg 0\n/a/apartment/outdoor/2.jpg 1\n")
    (HERE / "places365_val.txt").write_text("v1.jpg 1\n")
    return HERE


def test_places_lists_are_rows_of_both_splits(places: Path) -> None:
    assert told(read_source(places)) == [
        ("data_256_standard/a/airfield/1.jpg", "airfield", "train"),
        ("data_256_standard/a/apartment/outdoor/2.jpg", "apartment/outdoor", "train"),
        ("val_256/v1.jpg", "apartment/outdoor", "valid"),
    ]


def test_places_pictures_that_are_not_there_are_left_out_and_counted(places: Path) -> None:
    with (places / "places365_val.txt").open("a") as out:
        out.write("v2.jpg 0\nv3.jpg 0\n")
    manifest = read_source(places)
    assert len(manifest.rows) == 3
    assert manifest.notes[0] == "2 pictures of places365_val.txt not there and left out: 'v2.jpg', 'v3.jpg'."


def test_places_without_any_picture_is_refused(places: Path) -> None:
    import shutil

    for name in ("data_256_standard", "val_256"):
        shutil.rmtree(places / name)
    assert refusal() == (
        f"None of the pictures that the lists in {where()} name is there; the first is 'a/airfield/1.jpg'. Unpack the "
        "pictures beside the lists, as data_256_standard and val_256."
    )


def test_a_line_of_places_without_a_known_class_is_refused(places: Path) -> None:
    (places / "places365_val.txt").write_text("v1.jpg 1\nv1.jpg 365\n")
    assert refusal() == (
        f"Line 2 of {where('places365_val.txt')} is 'v1.jpg 365', not a picture and the number of a class in "
        "categories_places365.txt (0 to 1)."
    )


def test_a_list_that_is_no_text_is_refused(places: Path) -> None:
    (places / "places365_val.txt").write_bytes(b"v1.jpg \xff\n")
    assert refusal() == f"The list {where('places365_val.txt')} cannot be read: it is not UTF-8 text."


def test_a_line_of_places_categories_without_a_number_is_refused(places: Path) -> None:
    (places / "categories_places365.txt").write_text("/a/airfield\n")
    assert refusal() == (
        f"Line 1 of {where('categories_places365.txt')} is '/a/airfield', not a name and a number such as /a/airfield 0."
    )


WNIDS = ("n01440764", "n02084071")
VAL = tuple(f"ILSVRC2012_val_{number:08d}" for number in (1, 2))


@pytest.fixture
def imagenet(plant: Plant) -> Path:
    """Return a folder with two of ImageNet's classes and a flat validation folder."""
    names = [f"train/{wnid}/{wnid}_{k}.JPEG" for wnid in WNIDS for k in (1, 2)]
    return plant(*names, *(f"val/{name}.JPEG" for name in VAL), "test/ILSVRC2012_test_00000001.JPEG")


WANTED = [
    *((f"train/{wnid}/{wnid}_{k}.JPEG", wnid, "train") for wnid in WNIDS for k in (1, 2)),
    (f"val/{VAL[0]}.JPEG", WNIDS[1], "valid"),
    (f"val/{VAL[1]}.JPEG", WNIDS[0], "valid"),
]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "LOC_val_solution.csv",
            f"ImageId,PredictionString\n{VAL[0]},{WNIDS[1]} 1 2 3 4 \n{VAL[1]},{WNIDS[0]} 1 2 3 4 n9 1 2\n",
        ),
        ("val.txt", f"{VAL[0]}.JPEG {WNIDS[1]}\n{VAL[1]}.JPEG {WNIDS[0]}\n"),
        ("val/imagenet_2012_validation_synset_labels.txt", f"{WNIDS[1]}\n{WNIDS[0]}\n"),
    ],
    ids=["Kaggle", "val.txt", "lines"],
)
def test_imagenets_ground_truth_gives_val_its_classes(imagenet: Path, name: str, text: str) -> None:
    (imagenet / name).write_text(text)
    manifest = read_source(imagenet)
    assert told(manifest) == WANTED
    assert manifest.notes[0] == "The folder 'test' is left out: its classes are not published."


def test_kaggles_archive_is_found_where_it_unpacks(imagenet: Path) -> None:
    (HERE / "ILSVRC/Data/CLS-LOC").mkdir(parents=True)
    for name in ("train", "val"):
        (imagenet / name).rename(HERE / "ILSVRC/Data/CLS-LOC" / name)
    text = f"ImageId,PredictionString\n{VAL[0]},{WNIDS[1]} 1\n{VAL[1]},{WNIDS[0]} 1\n"
    (HERE / "LOC_val_solution.csv").write_text(text)
    found = [(path.removeprefix("ILSVRC/Data/CLS-LOC/"), *rest) for path, *rest in told(read_source(HERE))]
    assert found == WANTED


def test_imagenets_own_numbers_are_explained_by_the_devkit(imagenet: Path) -> None:
    import numpy as np
    from scipy.io import savemat

    synsets = np.zeros(2, [("ILSVRC2012_ID", object), ("WNID", object)])
    synsets[:] = [(1, WNIDS[1]), (2, WNIDS[0])]
    kit = imagenet / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True)
    savemat(kit / "meta.mat", {"synsets": synsets})
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n2\n")
    assert told(read_source(imagenet)) == WANTED


def test_places_in_the_order_of_all_classes_are_explained_by_a_list(imagenet: Path) -> None:
    (imagenet / "val.txt").write_text(f"{VAL[0]}.JPEG 1\n{VAL[1]}.JPEG 0\n")
    assert refusal() == (
        f"{where('val.txt')} counts classes by their place among ImageNet's 1,000, and train has 2, so places are not known. "
        f"Put the list of all (synset_words.txt) into {where()}."
    )
    (imagenet / "synset_words.txt").write_text(f"{WNIDS[0]} tench, Tinca tinca\n{WNIDS[1]} dog\n")
    assert told(read_source(imagenet)) == WANTED


def test_a_line_of_kaggles_without_a_wordnet_id_is_refused(imagenet: Path) -> None:
    (imagenet / "LOC_val_solution.csv").write_text(f"ImageId,PredictionString\n{VAL[0]},dog 1 2 3 4\n")
    assert refusal() == (
        f"Line 2 of {where('LOC_val_solution.csv')} is '{VAL[0]},dog 1 2 3 4', without a WordNet id such as n01440764."
    )


def test_a_class_that_is_neither_an_id_nor_a_known_number_is_refused(imagenet: Path) -> None:
    (imagenet / "val.txt").write_text(f"{VAL[0]}.JPEG 2\n")
    (imagenet / "synset_words.txt").write_text(f"{WNIDS[0]} tench, Tinca tinca\n{WNIDS[1]} dog\n")
    assert refusal() == (
        f"Line 1 of {where('val.txt')} says '2', which is neither a WordNet id nor the number of one of 2 classes."
    )


def test_imagenet_without_ground_truth_is_refused(imagenet: Path) -> None:
    assert refusal().startswith(
        f"The classes of the pictures in {where('val')} are not known: there is no ground truth in {where()}. Put one of "
        "'LOC_val_solution.csv', 'val.txt', "
    )


def test_imagenets_own_numbers_without_the_devkit_are_refused(imagenet: Path) -> None:
    file = "ILSVRC2012_validation_ground_truth.txt"
    (imagenet / file).write_text("1\n2\n")
    assert refusal() == (
        f"{where(file)} counts classes by ImageNet's own numbers, which only the development kit's meta.mat explains; it is "
        f"not in {where()}. Put it there (ILSVRC2012_devkit_t12/data/meta.mat)."
    )


def test_a_damaged_devkit_is_refused(imagenet: Path) -> None:
    (imagenet / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n2\n")
    (imagenet / "meta.mat").write_bytes(b"not MATLAB's")
    assert refusal() == (
        f"{where('meta.mat')} is damaged or not ImageNet's meta.mat. Unpack the development kit again."
    )


def test_pictures_without_ground_truth_are_left_out_and_counted(imagenet: Path) -> None:
    (imagenet / "val.txt").write_text(f"{VAL[0]}.JPEG {WNIDS[1]}\n")
    (imagenet / "val" / "mine.jpg").write_bytes(b"x")
    notes = read_source(imagenet).notes
    assert notes[:2] == (
        f"1 picture of val without a line in the ground truth left out: '{VAL[1]}.JPEG'.",
        "1 file in val not called like ImageNet's left out: 'mine.jpg'.",
    )


def test_validation_in_class_folders_needs_no_ground_truth(plant: Plant) -> None:
    names = [f"{split}/{wnid}/1.JPEG" for split in ("train", "val") for wnid in WNIDS]
    assert [row.split for row in read_source(plant(*names)).rows] == ["train", "train", "valid", "valid"]


@pytest.mark.parametrize(
    ("name", "command"),
    [("cifar-10-python.tar.gz", "tar -xf {0} -C {1}"), ("hymenoptera_data.zip", "unzip {0} -d {1}")],
)
def test_a_folder_of_archives_is_told_how_to_be_unpacked(plant: Plant, name: str, command: str) -> None:
    plant(name)
    first = where(name)
    assert refusal() == (
        f"{where()} holds only archives, which are not read as they are: {name!r}. Unpack it, for example with "
        f"{command.format(first, where())}, and give the folder."
    )


def test_ordinary_folders_and_files_are_no_packed_sets(plant: Plant) -> None:
    root = plant("cat/1.jpg", "dog/2.jpg")
    assert packed_pictures(root) is None
    assert packed_pictures(root / "cat/1.jpg") is None
