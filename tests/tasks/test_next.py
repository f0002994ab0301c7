"""What to label next: typical pictures first, doubtful ones by a run, nothing asked twice, and a list that `train` takes."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fovea.errors import InputError, OutputError
from fovea.manifest import read_manifest
from fovea.tasks.learning import LabelledFeatures
from fovea.tasks.next import Question, next_labels
from fovea.tasks.next_known import Known
from fovea.tasks.train.train import train

KINDS = ("stripes", "dots", "plain")
Draw = Callable[..., Path]


@pytest.fixture
def pile(tmp_path: Path, draw_class: Draw) -> Path:
    """Return a flat folder of 3 x 10 drawn pictures whose classes are in their names."""
    for kind in KINDS:
        for number in range(10):
            draw_class(tmp_path / "pile", kind, number)
    return tmp_path / "pile"


def draw_classes(folder: Path, draw_class: Draw, numbers: range) -> None:
    """Draw so many pictures of each kind into class folders."""
    for kind in KINDS:
        for number in numbers:
            draw_class(folder / kind, kind, number)


def filled(table: Path) -> Path:
    """Write the truth into the empty labels of a list."""
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["label"] = row["label"] or Path(row["path"]).name.partition("_")[0]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_before_any_label_typical_pictures_are_asked_about(pile: Path) -> None:
    found = next_labels(pile, n=3)
    assert found.rule == "typical"
    assert (found.n_unlabelled, found.n_labelled, found.learning) == (30, 0, None)
    assert {question.path.partition("_")[0] for question in found.questions} == set(KINDS)
    assert sum(question.n_like for question in found.questions) == 30
    assert (
        found.opening
        == "3 of 30 unlabelled pictures to label next: typical ones, since none is labelled yet."
    )


def test_folders_are_no_classes_here(pile: Path) -> None:
    (pile / "2021").mkdir()
    (pile / "dots_000.png").rename(pile / "2021" / "dots_000.png")
    assert next_labels(pile, n=30).n_unlabelled == 30


def test_the_same_picture_is_asked_about_once(pile: Path) -> None:
    shutil.copy(pile / "dots_000.png", pile / "again.png")
    with Image.open(pile / "dots_001.png") as picture:
        picture.save(pile / "pixels.bmp")
    found = next_labels(pile, n=40)
    assert len(found.questions) == 30
    assert found.n_copies == 1  # another file with the same pixels


def test_what_cannot_be_read_or_named_is_told_and_not_asked_about(pile: Path) -> None:
    (pile / "cut.png").write_bytes((pile / "dots_000.png").read_bytes()[:200])
    (pile / "dots_001.png").rename(pile / os.fsdecode(b"caf\xe9.png"))
    found = next_labels(pile, n=40)
    assert len(found.questions) == 29
    assert [one["path"] for one in found.to_json()["quarantined"]] == ["cut.png"]
    told = [note.partition(":")[0] for note in found.notes[-2:]]
    assert told == [
        "1 picture not asked about",
        "1 file left out; the first is 'cut.png'",
    ]


def test_a_table_says_what_is_labelled_and_is_asked_about_no_more(pile: Path) -> None:
    known = [f"{kind}_{number:03d}.png" for kind in KINDS for number in range(5)]
    rows = [
        f"{path.name},{path.name.partition('_')[0] if path.name in known else ''}" for path in pile.iterdir()
    ]
    (pile / "labels.csv").write_text("\n".join(["path,label", *rows]))
    found = next_labels(pile / "labels.csv", n=4)
    assert found.rule == "unsure"
    assert (found.n_labelled, found.n_unlabelled) == (15, 15)
    assert not {question.path for question in found.questions} & set(known)
    assert all(set(question.classes) <= set(KINDS) for question in found.questions)
    assert all(1 > question.probabilities[0] >= question.probabilities[1] > 0 for question in found.questions)


def test_label_train_next_and_train_again_is_one_loop(pile: Path, tmp_path: Path) -> None:
    next_labels(pile, n=15, csv=tmp_path / "first.csv")
    first = train(filled(tmp_path / "first.csv"), out=tmp_path / "first")
    found = next_labels(
        pile, run=first.folder, n=6, csv=tmp_path / "second.csv", html=tmp_path / "second.html"
    )
    assert (found.rule, found.n_labelled, found.n_unlabelled) == ("unsure", 15, 15)
    rows = rows_of(tmp_path / "second.csv")
    assert [row["label"] == "" for row in rows] == [True] * 6 + [False] * 15
    assert {row["path"] for row in rows[6:]} == {row["path"] for row in rows_of(tmp_path / "first.csv")}
    assert rows[0]["why"] == found.questions[0].why
    second = train(filled(tmp_path / "second.csv"), out=tmp_path / "run2", since=first.folder)
    assert second.metrics["n_train"] == 21
    assert "6\N{NO-BREAK SPACE}pictures to label next" in (tmp_path / "second.html").read_text()


def test_a_list_beside_the_pictures_has_their_names_and_is_none_of_them(pile: Path) -> None:
    next_labels(pile, n=3, csv=pile / "list.csv")
    assert all("/" not in row["path"] for row in rows_of(pile / "list.csv"))
    again = next_labels(pile, n=3)
    assert (again.n_unlabelled, again.notes) == (30, ())


def test_splits_that_were_given_go_with_the_list(pile: Path, tmp_path: Path, draw_class: Draw) -> None:
    for kind in KINDS:
        for number in range(100, 108):
            draw_class(tmp_path / "photos" / ("train" if number < 105 else "valid") / kind, kind, number)
    run = train(tmp_path / "photos", out=tmp_path / "run")
    found = next_labels(pile, run=run.folder, n=4, csv=tmp_path / "list.csv")
    assert (found.n_labelled, found.n_unlabelled) == (15, 30)
    splits = Counter(row["split"] for row in rows_of(tmp_path / "list.csv"))
    assert splits == {"train": 4 + 15, "valid": 9}
    assert train(filled(tmp_path / "list.csv"), out=tmp_path / "run2").metrics["n_valid"] == 9


def test_splits_and_groups_of_a_table_go_with_the_list(pile: Path, tmp_path: Path) -> None:
    rows = [
        f"{path.name},{kind if number < 5 else ''},{'valid' if number == 0 else 'test' if number == 1 else ''},burst {number // 2}"
        for path in sorted(pile.iterdir())
        for kind, number in [(path.stem[:-4], int(path.stem[-3:]))]
    ]
    (pile / "labels.csv").write_text("\n".join(["path,label,split,group", *rows]))
    next_labels(pile / "labels.csv", n=4, csv=pile / "list.csv")
    listed = {row["path"]: row for row in rows_of(pile / "list.csv")}
    assert {row["split"] for row in listed.values() if not row["label"]} == {"train"}
    assert {row["split"] for name, row in listed.items() if name.endswith("_000.png")} == {"valid"}
    assert {row["split"] for name, row in listed.items() if name.endswith("_001.png")} == {"test"}
    assert all(row["group"] == f"burst {int(name[-7:-4]) // 2}" for name, row in listed.items())


def test_a_runs_rule_for_groups_is_kept_for_what_is_asked(
    pile: Path, tmp_path: Path, draw_class: Draw
) -> None:
    draw_classes(tmp_path / "photos", draw_class, range(100, 106))
    run = train(tmp_path / "photos", out=tmp_path / "run", group_pattern="_.*[02468]").folder
    next_labels(pile, run=run, n=30, csv=tmp_path / "list.csv")
    groups = {Path(row["path"]).stem[-3:]: row["group"] for row in rows_of(tmp_path / "list.csv")}
    assert (groups["008"], groups["104"], groups["105"]) == ("_008", "_104", "_10")


def test_a_file_that_holds_another_picture_since_has_no_label(
    pile: Path, tmp_path: Path, draw_class: Draw
) -> None:
    draw_classes(tmp_path / "photos", draw_class, range(100, 105))
    run = train(tmp_path / "photos", out=tmp_path / "run").folder
    changed, swapped = (tmp_path / "photos" / "dots" / f"dots_{number}.png" for number in (100, 101))
    swapped.rename(pile / "dots_101.png")
    for path in (changed, swapped):
        shutil.copy(pile / "stripes_003.png", path)
    found = next_labels(pile, run=run, n=2, csv=tmp_path / "list.csv")
    known = {row["path"]: row["label"] for row in rows_of(tmp_path / "list.csv") if row["label"]}
    assert not {str(changed), str(swapped)} & set(known)
    assert (len(known), known[str(pile / "dots_101.png")]) == (14, "dots")
    assert found.notes[-1].startswith(
        "1 labelled picture not in the list: no file of theirs is where the run"
    )


def test_a_correction_counts_more_than_what_the_run_was_told(
    pile: Path, tmp_path: Path, draw_class: Draw
) -> None:
    for kind in KINDS:
        for number in range(100, 108):
            draw_class(tmp_path / "photos" / ("train" if number < 105 else "valid") / kind, kind, number)
    run = train(tmp_path / "photos", out=tmp_path / "run").folder
    wrong, held = tmp_path / "photos/train/dots/dots_100.png", tmp_path / "photos/valid/dots/dots_105.png"
    for path in (wrong, held):
        shutil.copy(path, pile / f"my {path.name}")
    (tmp_path / "fixes.csv").write_text("path,label\nmy dots_100.png,plain\nmy dots_105.png,plain\n")
    found = next_labels(pile, run=run, n=2, fixes=tmp_path / "fixes.csv", csv=tmp_path / "list.csv")
    listed = {row["path"]: row for row in rows_of(tmp_path / "list.csv")}
    assert (listed[str(pile / "my dots_100.png")]["label"], str(wrong) in listed) == ("plain", False)
    assert (listed[str(pile / "my dots_105.png")]["split"], found.n_labelled) == ("valid", 15)
    assert train(filled(tmp_path / "list.csv"), out=tmp_path / "again").metrics["n_valid"] == 9


def test_a_picture_of_no_class_is_left_out_and_never_asked_about_again(pile: Path, tmp_path: Path) -> None:
    next_labels(pile, n=15, csv=tmp_path / "first.csv")
    table = filled(tmp_path / "first.csv")
    junk = [row["path"] for row in rows_of(table)][:2]
    for path in junk:
        table.write_text(
            table.read_text().replace(f"{path},{Path(path).name.partition('_')[0]}", f"{path},-")
        )
    run = train(table, out=tmp_path / "first")
    assert (run.metrics["n_measured"], "-" in run.metrics["class_names"]) == (13, False)
    assert "2 pictures left out, marked '-' in first.csv: of no class." in run.metrics["notes"]
    assert not any("could not be used" in step for step in run.metrics["next_steps"])
    shutil.copy(junk[0], pile / "once more.png")
    for round_, n_left in (("second", 15), ("third", 10)):
        found = next_labels(pile, run=run.folder, n=5, csv=tmp_path / f"{round_}.csv")
        rows = rows_of(tmp_path / f"{round_}.csv")
        assert found.n_unlabelled == n_left
        assert not {row["path"] for row in rows if not row["label"]} & {*junk, str(pile / "once more.png")}
        assert {row["label"] for row in rows if row["path"] in junk} == {"-"}
        run = train(filled(tmp_path / f"{round_}.csv"), out=tmp_path / round_)


def test_pictures_of_a_run_that_are_gone_are_told(
    pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_labels(pile, n=15, csv=tmp_path / "first.csv")
    run = train(filled(tmp_path / "first.csv"), out=tmp_path / "first")
    monkeypatch.setenv("FOVEA_CACHE", str(tmp_path / "another"))
    (tmp_path / "moved").mkdir()
    asked = {Path(row["path"]).name for row in rows_of(tmp_path / "first.csv")}
    for path in [path for path in pile.iterdir() if path.name not in asked]:
        path.rename(tmp_path / "moved" / path.name)
    shutil.rmtree(pile)
    found = next_labels(tmp_path / "moved", run=run.folder, n=3)
    assert found.n_labelled == 15
    assert found.notes == (
        "15 of the 15 pictures of the run are neither in the store nor where they were: the learning curve is of the others.",
    )


@pytest.fixture
def moved(pile: Path, tmp_path: Path, draw_class: Draw) -> Path:
    """Return a run on class folders of 3 x 5 pictures, which lie in `elsewhere` by other names since."""
    draw_classes(tmp_path / "photos", draw_class, range(100, 105))
    train(tmp_path / "photos", out=tmp_path / "run", private=True)
    (tmp_path / "elsewhere").mkdir()
    for path in (tmp_path / "photos").glob("*/*"):
        path.rename(tmp_path / "elsewhere" / f"my {path.name}")
    return tmp_path / "run"


def test_labels_of_pictures_that_moved_among_the_unlabelled_stay_in_the_list(
    pile: Path, tmp_path: Path, moved: Path
) -> None:
    (tmp_path / "elsewhere").rename(pile / "labelled")
    found = next_labels(pile, run=moved, n=2, csv=tmp_path / "list.csv")
    known = {row["path"]: row["label"] for row in rows_of(tmp_path / "list.csv") if row["label"]}
    assert known == {str(path): path.name[3:].partition("_")[0] for path in (pile / "labelled").iterdir()}
    assert (found.n_unlabelled, found.notes) == (30, ())


def test_labels_of_pictures_that_moved_elsewhere_come_by_naming_the_place(
    pile: Path, tmp_path: Path, moved: Path
) -> None:
    lost = next_labels(pile, run=moved, n=2, csv=tmp_path / "lost.csv")
    assert len(rows_of(tmp_path / "lost.csv")) == 2
    assert lost.notes[-1] == (
        "15 labelled pictures not in the list: no file of theirs is where the run was trained on them, or here. Say where they "
        "lie now with --photos, or their labels are lost to the next run."
    )
    found = next_labels(pile, run=moved, run_photos=tmp_path / "elsewhere", n=2, csv=tmp_path / "list.csv")
    assert (len(rows_of(tmp_path / "list.csv")), found.notes) == (17, ())
    assert train(filled(tmp_path / "list.csv"), out=tmp_path / "next").metrics["n_measured"] == 17


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (
            None,
            "--photos says where the pictures of a run lie now: name the run too, as in fovea next RUN UNLABELLED --photos FOLDER.",
        ),
        (
            "run",
            "--photos: there is nothing at 'nowhere'. Name the folder or table where the run's pictures lie now.",
        ),
    ],
)
def test_a_place_of_the_runs_pictures_that_cannot_be_is_refused(
    tmp_path: Path, run: str | None, said: str
) -> None:
    with pytest.raises(InputError) as refused:
        next_labels(tmp_path, run=run, run_photos="nowhere")
    assert str(refused.value) == said


def test_no_curve_is_drawn_of_pictures_that_the_network_was_trained_on(
    pile: Path, tmp_path: Path, draw_class: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_classes(tmp_path / "photos", draw_class, range(100, 112))
    run = train(tmp_path / "photos", out=tmp_path / "run").folder
    assert next_labels(pile, run=run, n=2).learning is not None
    known = frozenset(row.sha256 for row in read_manifest(run / "manifest.csv").rows)
    monkeypatch.setattr(
        "fovea.tasks.next_choose.taught_by", lambda network: known if network == run else None
    )
    found = next_labels(pile, run=run, n=2)
    assert found.learning is None
    assert found.notes[-1] == (
        f"{str(run)!r} was trained on labelled pictures itself, so a learning curve of them would be flat: none is drawn. For "
        "one take another network: fovea curve PHOTOS."
    )


def test_private_pages_and_lists_hold_no_picture_and_no_absolute_path(
    pile: Path, tmp_path: Path, draw_class: Draw
) -> None:
    draw_classes(tmp_path / "photos", draw_class, range(100, 105))
    run = train(tmp_path / "photos", out=tmp_path / "run").folder
    (tmp_path / "lists").mkdir()
    table, page = tmp_path / "lists" / "list.csv", tmp_path / "page.html"
    next_labels(pile, run=run, n=3, csv=table, html=page, private=True)
    folders = {row["path"].rpartition("/")[0] for row in rows_of(table)}
    assert folders == {"../pile", *(f"../photos/{kind}" for kind in KINDS)}
    assert str(tmp_path) not in page.read_text()
    assert "data:image/jpeg" not in page.read_text()
    assert train(filled(table), out=tmp_path / "again").metrics["n_measured"] == 18


def test_pictures_of_a_run_and_of_a_table_share_no_unit() -> None:
    def known(units: list[int], name: str) -> Known:
        labelled = LabelledFeatures(
            np.zeros((len(units), 2), np.float32),
            (name,) * len(units),
            np.array(units),
            np.zeros(len(units), bool),
        )
        sha256s = tuple(f"{name}{unit}" for unit in units)
        return Known(labelled, sha256s, (bytes,) * len(units), frozenset(sha256s), ())

    run, table = known([3, 7], "a"), known([0, 1, 4, 5], "b")  # the run's other units are of test pictures
    assert len(set(run.joined(table).labelled.units.tolist())) == 6


def test_the_page_says_to_train_since_the_run(pile: Path, tmp_path: Path) -> None:
    next_labels(pile, n=15, csv=tmp_path / "first.csv", html=tmp_path / "first.html")
    assert (
        f"fovea train {tmp_path / 'first.csv'} --out runs/next</code>"
        in (tmp_path / "first.html").read_text()
    )
    run = train(filled(tmp_path / "first.csv"), out=tmp_path / "run").folder
    next_labels(pile, run=run, n=3, csv=tmp_path / "list.csv", html=tmp_path / "next.html")
    told = f"fovea train {tmp_path / 'list.csv'} --out runs/next --since {run}</code>"
    assert told in (tmp_path / "next.html").read_text()


def test_a_labelled_picture_that_no_table_can_name_is_told(
    pile: Path, tmp_path: Path, draw_class: Draw
) -> None:
    draw_classes(tmp_path / "photos", draw_class, range(20, 24))
    dots = tmp_path / "photos" / "dots"
    (dots / "dots_020.png").rename(dots / os.fsdecode(b"\xff.png"))
    train(tmp_path / "photos", out=tmp_path / "run")
    found = next_labels(pile, run=tmp_path / "run", n=2, csv=tmp_path / "list.csv")
    assert len(rows_of(tmp_path / "list.csv")) == 2 + 11
    assert found.notes[-1] == (
        "1 name of a file cannot be written in UTF-8: left out of the list, so their labels are lost to the next run."
    )


def write_pack(folder: Path) -> None:
    """Write nine pictures of noise into one file, and their labels, of three classes, into another."""
    sizes = b"".join(n.to_bytes(4, "big") for n in (9, 28, 28))
    pixels = np.random.default_rng(0).integers(0, 256, 9 * 784, np.uint8).tobytes()
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + sizes + pixels)
    (folder / "train-labels-idx1-ubyte").write_bytes(
        b"\0\0\x08\x01" + sizes[:4] + bytes(k % 3 for k in range(9))
    )


def test_labels_of_packed_pictures_are_said_to_be_lost_to_the_list(pile: Path, tmp_path: Path) -> None:
    write_pack(tmp_path / "pack")
    train(tmp_path / "pack", out=tmp_path / "run")
    found = next_labels(pile, run=tmp_path / "run", n=2, csv=tmp_path / "list.csv")
    assert found.notes[-1] == (
        "9 labelled pictures not in the list: no table can name pictures inside packed files. Write them out (`fovea data`), or "
        "their labels are lost to the next run."
    )


def test_pictures_inside_a_pack_are_said_to_be_in_no_table(tmp_path: Path) -> None:
    write_pack(tmp_path / "pile")
    (tmp_path / "pile" / "train-labels-idx1-ubyte").unlink()
    assert next_labels(tmp_path / "pile", n=2).notes == (
        "9 pictures inside packed files, which a table for fovea train cannot name: write them out as files of their own before "
        "you label them.",
    )


def test_groups_of_a_table_stay_together_in_its_curve(pile: Path, draw_class: Draw) -> None:
    for number in range(10, 30):
        for kind in ("stripes", "dots"):
            draw_class(pile, kind, number)
    names = sorted(path.name for path in pile.iterdir())
    rows = [
        f"{name},{kind if kind != 'plain' else ''},{kind}"
        for name in names
        for kind in [name.partition("_")[0]]
    ]
    (pile / "labels.csv").write_text("\n".join(["path,label,burst", *rows]))
    assert next_labels(pile / "labels.csv", n=2).learning is not None
    assert (
        next_labels(pile / "labels.csv", n=2, group_by="burst").learning is None
    )  # a class is one group: nothing to judge


def test_answers_to_fixes_are_labels(pile: Path, tmp_path: Path) -> None:
    rows = [f"dots_{number:03d}.png,{'dots' if number else '-'}" for number in range(5)]
    (tmp_path / "fixes.csv").write_text("\n".join(["path,label", *rows]))
    found = next_labels(pile, n=40, fixes=tmp_path / "fixes.csv")
    assert (found.n_labelled, found.n_unlabelled) == (4, 25)
    assert [one["path"] for one in found.to_json()["quarantined"]] == ["dots_000.png"]


def test_where_all_is_labelled_nothing_is_left_to_ask(pile: Path, tmp_path: Path) -> None:
    rows = [f"{path.name},{path.name.partition('_')[0]}" for path in pile.iterdir()]
    (pile / "labels.csv").write_text("\n".join(["path,label", *rows]))
    with pytest.raises(InputError) as refused:
        next_labels(pile / "labels.csv")
    assert str(refused.value) == (
        f"Nothing is left to ask about in {str(pile / 'labels.csv')!r}: of its 30 pictures 30 have a label or are copies of "
        "such. Name a folder with unlabelled pictures."
    )


def test_an_output_that_is_there_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"There is something at '.*list.csv' already"):
        next_labels(tmp_path / "nowhere", csv=tmp_path / "list.csv")


@pytest.mark.parametrize("setting", [{"backbone": "resnet18"}, {"fit": "pad"}, {"size": 288}])
def test_a_run_has_its_own_network(tmp_path: Path, setting: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        next_labels(tmp_path, run=tmp_path / "run", **setting)
    assert str(refused.value) == (
        f"The run {str(tmp_path / 'run')!r} has a network of its own and its own way to use it: leave --backbone, --weights, "
        "--stage, --compute, --fit and --size out, or leave the run out."
    )


def test_no_picture_cannot_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^-n is 0; ask for 1 picture or more, for example -n 50\.$"):
        next_labels(tmp_path, n=0)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (Question("a.jpg", "typical", 1200), "typical of 1,200 pictures"),
        (Question("a.jpg", "typical", 1), "unlike the others"),
        (Question("a.jpg", "unsure", 3, ("cat", "dog"), (0.5, 0.4)), "unsure between cat and dog"),
    ],
)
def test_every_question_says_why(question: Question, why: str) -> None:
    assert question.why == why
