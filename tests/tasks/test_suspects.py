"""`suspects` over drawn pictures: wrong folders are found, shown and written; a filled table trains; nothing is changed."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import fovea
from fovea.errors import InputError, OutputError
from fovea.manifest import apply_fixes, read_source
from fovea.tasks.suspects import Result, suspects

WRONG = {"stripes/dots_900.png", "plain/stripes_901.png", "dots/plain_902.png"}


@pytest.fixture
def mixed_up(photos: Path, draw_class: Callable[..., Path]) -> Path:
    """Return the photos with three more, each in another class's folder."""
    for path in WRONG:
        folder, name = path.split("/")
        kind, number = name.removesuffix(".png").split("_")
        draw_class(photos / folder, kind, int(number))
    return photos


@pytest.fixture
def found(mixed_up: Path, tmp_path: Path) -> Result:
    return suspects(mixed_up, html=tmp_path / "page.html", fixes=tmp_path / "fixes.csv", threads=1)


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))


def test_wrong_labels_come_first_with_the_right_class(found: Result) -> None:
    first = found.suspects[:3]
    assert {one.path for one in first} == WRONG
    assert all(one.path.split("/")[1].startswith(one.suggested) for one in first)
    assert all(one.path.startswith(one.label) for one in first)


def test_the_evidence_is_of_both_classes(found: Result) -> None:
    one = found.suspects[0]
    assert {path.split("/")[0] for path in one.nearest_label} == {one.label}
    assert {path.split("/")[0] for path in one.nearest_suggested} == {one.suggested}
    assert one.path not in one.nearest_label
    assert one.probe[1] > one.probe[0]


def test_classes_are_told(found: Result) -> None:
    assert sorted((one.name, one.n_pictures) for one in found.classes) == [
        ("dots", 41),
        ("plain", 41),
        ("stripes", 41),
    ]
    assert sum(one.n_doubted for one in found.classes) == len(found.suspects)


def test_the_page_shows_them(found: Result) -> None:
    page = Path(found.html or "").read_text()
    assert "labelled <b>stripes</b>" in page
    assert page.count("data:image/jpeg") >= 3 * 11


def test_the_table_is_to_be_filled_and_trains(found: Result, mixed_up: Path, tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "fixes.csv")
    assert list(rows[0]) == ["path", "label", "suggested", "given", "doubt", "remark"]
    assert {row["label"] for row in rows} == {""}
    filled = tmp_path / "filled.csv"
    filled.write_text("path,label\n" + "".join(f"{row['path']},{row['suggested']}\n" for row in rows[:3]))
    run = fovea.train(mixed_up, out=tmp_path / "run", fixes=filled)
    labels = {row["path"]: row["label"] for row in rows_of(run.folder / "manifest.csv")}
    assert all(labels[path] == path.split("/")[1].split("_")[0] for path in WRONG)


def test_what_was_answered_is_not_asked_again(found: Result, mixed_up: Path, tmp_path: Path) -> None:
    first = found.suspects[0]
    (tmp_path / "filled.csv").write_text(f"path,label\n{first.path},{first.label}\n")
    again = suspects(mixed_up, after=tmp_path / "filled.csv", threads=1)
    assert first.path not in {one.path for one in again.suspects}
    assert {one.path for one in again.suspects} >= WRONG - {first.path}
    assert sum(one.n_doubted for one in again.classes) == len(again.suspects)
    assert again.expected.yields[-1].n == len(again.suspects)


def test_the_second_rounds_table_holds_the_first_rounds_answers(
    found: Result, mixed_up: Path, tmp_path: Path
) -> None:
    first, second = found.suspects[:2]
    (tmp_path / "filled.csv").write_text(f"path,label\n{first.path},{first.suggested}\n{second.path},-\n")
    suspects(mixed_up, after=tmp_path / "filled.csv", fixes=tmp_path / "more.csv", threads=1)
    rows = rows_of(tmp_path / "more.csv")
    assert {tuple(row.values()) for row in rows if row["label"]} == {
        (first.path, first.suggested, "", first.label, "", "answered before"),
        (second.path, "-", "", second.label, "", "answered before"),
    }
    assert len({row["path"] for row in rows}) == len(rows)
    manifest, fixes = apply_fixes(read_source(mixed_up), tmp_path / "more.csv")
    assert {(fix.path, fix.label) for fix in fixes} == {(first.path, first.suggested), (second.path, "-")}
    assert {row.path for row in manifest.rows if row.problem} == {second.path}


def test_nothing_of_the_users_is_changed(mixed_up: Path, tmp_path: Path) -> None:
    before = sorted((path, path.read_bytes()) for path in mixed_up.rglob("*.png"))
    suspects(mixed_up, fixes=tmp_path / "fixes.csv", threads=1)
    assert sorted((path, path.read_bytes()) for path in mixed_up.rglob("*") if path.is_file()) == before


def test_json_is_plain(found: Result) -> None:
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain["n_suspects"] == len(plain["suspects"])
    assert set(plain["suspects"][0]) == {
        "path", "label", "suggested", "doubt", "probability_label", "probability_suggested", "votes_label",
        "votes_suggested", "nearest_label", "nearest_suggested",
    }  # fmt: skip


def test_a_private_page_holds_no_picture(mixed_up: Path, tmp_path: Path) -> None:
    suspects(mixed_up, html=tmp_path / "page.html", private=True, threads=1)
    page = (tmp_path / "page.html").read_text()
    assert "data:image" not in page
    assert str(tmp_path) not in page


def test_the_same_file_under_two_labels_is_told(mixed_up: Path) -> None:
    shutil.copy(mixed_up / "dots" / "dots_000.png", mixed_up / "plain" / "again.png")
    assert (
        "1 picture stands under more than one label, byte for byte the same: fovea check lists them."
        in suspects(mixed_up, threads=1).notes
    )


def test_pictures_of_one_class_are_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    shutil.move(photos / "dots", tmp_path / "one" / "dots")
    with pytest.raises(InputError, match="class"):
        suspects(tmp_path / "one")


def test_a_network_that_learned_the_labels_does_not_judge_them(mixed_up: Path, tmp_path: Path) -> None:
    run = fovea.train(mixed_up, out=tmp_path / "run").folder
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**metrics, "training": {"kept": "the last block"}}))
    n_taught = sum(row["split"] == "train" for row in rows_of(run / "manifest.csv"))
    with pytest.raises(InputError) as refused:
        suspects(mixed_up, backbone=str(run), fixes=tmp_path / "fixes.csv")
    assert str(refused.value) == (
        f"The network of the run {str(run)!r} was trained on {n_taught} of these 123 files with their labels, and knows the wrong "
        "ones among them by heart: hardly any would be found. Take a network that was not, such as --backbone fovea-tiny."
    )
    assert not (tmp_path / "fixes.csv").exists()


def test_the_network_of_a_probes_run_may_judge(mixed_up: Path, tmp_path: Path) -> None:
    run = fovea.train(mixed_up, out=tmp_path / "run").folder
    assert {one.path for one in suspects(mixed_up, backbone=str(run), threads=1).suspects} >= WRONG


def test_no_file_is_written_over(mixed_up: Path, tmp_path: Path) -> None:
    (tmp_path / "fixes.csv").write_text("mine")
    with pytest.raises(OutputError) as caught:
        suspects(mixed_up, fixes=tmp_path / "fixes.csv")
    assert str(caught.value).endswith("already. Choose another name for --fixes.")
    assert (tmp_path / "fixes.csv").read_text() == "mine"


def test_six_pictures_are_judged_without_a_promise(tmp_path: Path, draw_class: Callable[..., Path]) -> None:
    for kind in ("dots", "plain"):
        for number in range(3):
            draw_class(tmp_path / "few" / kind, kind, number)
    found = suspects(tmp_path / "few", threads=1)
    assert (found.n_pictures, found.expected.n_planted, found.expected.yields) == (6, 0, ())


def test_a_class_of_the_test_split_alone_is_not_judged(mixed_up: Path, tmp_path: Path) -> None:
    (tmp_path / "split" / "test" / "unknown").mkdir(parents=True)
    mixed_up.rename(tmp_path / "split" / "train")
    shutil.copy(tmp_path / "split/train/dots/dots_000.png", tmp_path / "split/test/unknown/a.png")
    found = suspects(tmp_path / "split", threads=1)
    assert [one.name for one in found.classes if one.name == "unknown"] == []
    assert "1 picture of a class that only the test split has ('unknown') was not judged." in found.notes
