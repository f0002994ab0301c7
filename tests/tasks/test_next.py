"""What to label next: typical pictures first, doubtful ones by a run, nothing asked twice, and a list that `train` takes."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fovea.errors import InputError, OutputError
from fovea.tasks.next import Question, next_labels
from fovea.tasks.train import train

KINDS = ("stripes", "dots", "plain")
Draw = Callable[..., Path]


@pytest.fixture
def pile(tmp_path: Path, draw_class: Draw) -> Path:
    """Return a flat folder of 3 x 10 drawn pictures whose classes are in their names."""
    for kind in KINDS:
        for number in range(10):
            draw_class(tmp_path / "pile", kind, number)
    return tmp_path / "pile"


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
    told = [note.partition(":")[0] for note in found.notes[-2:]]
    assert told == [
        "1 picture not asked about",
        "1 file left out that cannot be read; the first is 'cut.png'",
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


def test_a_run_has_its_own_network(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        next_labels(tmp_path, run=tmp_path / "run", backbone="resnet18")
    assert str(refused.value) == (
        f"The run {str(tmp_path / 'run')!r} has a network of its own: leave --backbone, --weights and --stage out, or leave "
        "the run out."
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
