"""What `filter` promises: verdicts, honest words about few labels, questions that can be answered, nothing touched."""

import csv
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fovea.errors import InputError, ManifestError, OutputError
from fovea.judge import Cut
from fovea.tasks.filter import Result, filter_pictures
from fovea.tasks.filter_words import tell_cut
from fovea.tasks.train.train import train

NO_LABELS = (
    "No labels were given, so there are no verdicts yet. Have pictures drawn at random with `--ask first.csv` (without --csv), "
    "write a label beside each, and give the file: --labels first.csv."
)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, draw_class: Any) -> Path:
    """Return a folder with `photos` (30 dots that are wanted, 30 stripes and plain ones, a copy, a broken one), `labels.csv`."""
    folder = tmp_path_factory.mktemp("filter")
    for number in range(30):
        draw_class(folder / "photos", "dots", number)
        draw_class(folder / "photos", "stripes" if number % 2 else "plain", number)
    shutil.copy(folder / "photos" / "dots_000.png", folder / "photos" / "again.png")
    (folder / "photos" / "broken.png").write_bytes(b"no picture")
    rows = [f"dots_{k:03}.png,wanted" for k in range(8)]
    rows += [f"{'stripes' if k % 2 else 'plain'}_{k:03}.png,{'lines' if k % 2 else 'none'}" for k in range(8)]
    (folder / "labels.csv").write_text("\n".join(["path,label", *rows]))
    return folder


@pytest.fixture(autouse=True)
def cache(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(job / "cache"))


@pytest.fixture(scope="module")
def done(job: Path) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(job / "cache"))
        files = {name: job / f"out.{name}" for name in ("csv", "html")}
        return filter_pictures(
            job / "photos",
            labels=job / "labels.csv",
            ask=job / "ask.csv",
            n=5,
            precision=0.9,
            threads=1,
            **files,
        )


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        return list(csv.DictReader(lines))


def test_what_is_wanted_is_told_from_the_rest(done: Result) -> None:
    assert done.counts["wanted"] + done.counts["junk"] + done.counts["unsure"] == 44
    named = [one for one in done.verdicts if one.verdict != "unsure"]
    right = [(one.verdict == "wanted") == one.path.startswith(("dots", "again")) for one in named]
    assert sum(right) >= 0.9 * len(named)
    assert len(named) >= 40


def test_a_copy_of_a_labelled_picture_is_as_its_label_says(done: Result) -> None:
    copy = next(one for one in done.verdicts if one.path == "again.png")
    assert (copy.verdict, copy.probability, copy.is_labelled) == ("wanted", 1.0, True)


def test_so_few_labels_are_not_said_to_promise_anything(done: Result) -> None:
    assert not done.cuts["wanted"].is_promised
    assert done.sentences[1].startswith(
        "wanted: 90 % right is an estimate, no promise: with 95 % confidence 16 labels support "
    )


def test_the_table_holds_every_readable_picture(job: Path, done: Result) -> None:
    rows = read(job / "out.csv")
    assert len(rows) == 61
    assert {row["by"] for row in rows if row["path"] == "dots_001.png"} == {"label"}
    assert [row["verdict"] for row in rows] == [one.verdict for one in done.verdicts]


def test_a_broken_file_is_named(done: Result) -> None:
    assert [path for path, _ in done.quarantined] == ["broken.png"]


def test_questions_are_unlabelled_and_in_the_most_doubt(job: Path, done: Result) -> None:
    asked = [row["path"] for row in read(job / "ask.csv")]
    assert asked == list(done.questions)
    doubt = {one.path: abs(one.probability - 0.5) for one in done.verdicts if not one.is_labelled}
    assert sorted(doubt, key=lambda path: doubt[path])[:5] == asked


def test_answered_questions_go_on_from_there(job: Path, done: Result, tmp_path: Path) -> None:
    answers = ["path,label"] + [
        f"{path},{'wanted' if 'dots' in path else 'other'}" for path in done.questions
    ]
    (tmp_path / "answers.csv").write_text("\n".join(answers))
    again = filter_pictures(
        job / "photos", labels=(job / "labels.csv", tmp_path / "answers.csv"), n=5, precision=0.9, threads=1
    )
    assert again.n_labelled == done.n_labelled + 5
    assert not set(again.questions) & set(done.questions)
    assert (
        again.cuts["wanted"].n_labelled == 16
    )  # answers to questions are no fair sample, nor is a copy of a label


def test_json_is_plain(done: Result) -> None:
    told = json.loads(json.dumps(done.to_json()))
    assert told["counts"] == done.counts
    assert (told["n_quarantined"], told["quarantined"][0]["path"]) == (1, "broken.png")
    assert told["seconds"] == round(done.seconds, 3) > 0
    assert len(told["verdicts"]) == 61


def test_the_page_shows_what_to_label(job: Path, done: Result) -> None:
    page = (job / "out.html").read_text()
    assert "Pictures to label next" in page
    assert all(path in page for path in done.questions)


def test_without_labels_a_fair_sample_is_drawn(job: Path, tmp_path: Path) -> None:
    first = filter_pictures(job / "photos", ask=tmp_path / "first.csv", html=tmp_path / "first.html", n=30)
    rows = read(tmp_path / "first.csv")
    assert [row["path"] for row in rows] == list(first.questions)
    assert {(row["label"], *row) for row in rows} == {("", "path", "label")}
    assert len(set(first.questions)) == 30
    assert first.sentences == ("30 of 62 pictures are drawn at random.",)
    assert (first.verdicts, first.cuts, first.n_labelled) == ((), {}, 0)
    page = (tmp_path / "first.html").read_text()
    assert page.count("data:image/jpeg") >= 29  # the broken file may be among them
    assert "drawn at random, to be labelled first" in page


def test_every_picture_is_as_likely_to_be_drawn(job: Path, tmp_path: Path) -> None:
    drawn = Counter(
        path
        for seed in range(300)
        for path in filter_pictures(job / "photos", ask=tmp_path / f"{seed}.csv", n=31, seed=seed).questions
    )
    # 31 of 62 in 300 draws: 150 each, with a standard deviation of 8.7
    assert len(drawn) == 62
    assert max(abs(n - 150) for n in drawn.values()) < 45


def test_the_first_list_goes_on_to_verdicts(job: Path, tmp_path: Path) -> None:
    filter_pictures(job / "photos", ask=tmp_path / "first.csv", n=30)
    rows = ["path,label", *(f"{row['path']},{kind(row['path'])}" for row in read(tmp_path / "first.csv"))]
    (tmp_path / "first.csv").write_text("\n".join(row for row in rows if "broken" not in row))
    result = filter_pictures(job / "photos", labels=[tmp_path / "first.csv"], n=0, threads=1)
    assert result.n_labelled in (29, 30, 31)  # without the broken one, and with a copy
    assert result.cuts["wanted"].n_labelled == sum("broken" not in row for row in rows) - 1


def test_what_was_taken_as_junk_is_told(done: Result) -> None:
    assert done.notes == ("Taken as junk: 'none' (4), 'lines' (4).",)


@pytest.mark.parametrize("slip", ["Wanted", "wanted.", " WANTED "])
def test_another_spelling_of_what_is_wanted_is_refused_not_taken_as_junk(
    job: Path, tmp_path: Path, slip: str
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text((job / "labels.csv").read_text() + f"\ndots_020.png,{slip}\ndots_021.png,{slip}\n")
    with pytest.raises(InputError) as refused:
        filter_pictures(job / "photos", labels=table, n=0, threads=1)
    assert str(refused.value) == (
        f"2 pictures are labelled {slip.strip()!r} in {str(table)!r}, which is not 'wanted' to the letter and would be taken "
        "as junk. Write 'wanted' if it is meant, else a word less like it."
    )


def test_of_files_with_the_same_bytes_the_label_that_was_given_last_counts(job: Path, tmp_path: Path) -> None:
    (tmp_path / "later.csv").write_text("path,label\nagain.png,none\n")
    tables = [job / "labels.csv", tmp_path / "later.csv"]
    for labels, said in ((tables, "junk"), ([tables[0]], "wanted")):
        found = filter_pictures(job / "photos", labels=labels, n=0, threads=1)
        verdicts = {one.path: one.verdict for one in found.verdicts}
        assert (verdicts["again.png"], verdicts["dots_000.png"]) == (said, said)
        told = "1 picture labelled both ways, as files of the same bytes: what was said last counts."
        assert (told in found.notes) is (said == "junk")


def test_what_nobody_can_tell_is_not_asked_about_again(job: Path, tmp_path: Path, done: Result) -> None:
    rows = "".join(f"{path},-\n" for path in done.questions[:3])
    (tmp_path / "answers.csv").write_text(f"path,label\n{rows}{done.questions[3]},\n")
    found = filter_pictures(
        job / "photos", labels=[job / "labels.csv", tmp_path / "answers.csv"], n=60, threads=1
    )
    assert set(done.questions) - set(found.questions) == set(done.questions[:3])
    assert found.n_labelled == done.n_labelled


def kind(path: str) -> str:
    return "wanted" if path.startswith(("dots", "again")) else "other"


def test_lists_of_earlier_rounds_among_the_pictures_are_no_broken_pictures(job: Path, tmp_path: Path) -> None:
    shutil.copytree(job / "photos", tmp_path / "photos")
    (tmp_path / "photos" / "ask.csv").write_text("path,label\n")
    result = filter_pictures(tmp_path / "photos", ask=tmp_path / "first.csv")
    assert result.n_pictures == 62
    assert result.notes == ("Left out, no pictures by their names: 'ask.csv'.",)


def test_a_name_that_no_list_can_hold_is_told(job: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(job / "photos" / "dots_000.png", os.fsencode(tmp_path / "photos") + b"/\xff.png")
    result = filter_pictures(tmp_path / "photos", ask=tmp_path / "first.csv")
    assert read(tmp_path / "first.csv") == []
    assert result.notes == ("1 name of a file cannot be written in UTF-8: left out of the list to fill in.",)


def test_a_network_that_learned_the_labels_promises_nothing(job: Path, tmp_path: Path) -> None:
    rows = read(job / "labels.csv")
    lines = [f"{job / 'photos' / row['path']},{row['label']}" for row in rows]
    (tmp_path / "first.csv").write_text("\n".join(["path,label", *lines]))
    run = train(tmp_path / "first.csv", out=tmp_path / "run").folder
    settings = {"labels": job / "labels.csv", "backbone": str(run)}
    assert filter_pictures(job / "photos", **settings).verdicts  # a probe leaves its network as it was
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**metrics, "training": {"kept": "the last block"}}))
    with (run / "manifest.csv").open(newline="") as lines_of:
        n_taught = sum(row["split"] == "train" for row in csv.DictReader(lines_of))
    with pytest.raises(InputError) as caught:
        filter_pictures(job / "photos", **settings)
    assert str(caught.value) == (
        f"The network of the run {str(run)!r} was trained on {n_taught + 1} of the 17 labelled pictures itself and knows their "
        "labels, so what it promises of the others would be false. Take a network that was not, such as --backbone fovea-tiny."
    )


def test_copies_of_few_labelled_pictures_are_too_few(job: Path, tmp_path: Path) -> None:
    labels = []
    for label, name in (("wanted", "dots_000.png"), ("junk", "plain_000.png")):
        for number in range(5):
            (tmp_path / "photos").mkdir(exist_ok=True)
            shutil.copy(job / "photos" / name, tmp_path / "photos" / f"{label}{number}.png")
            labels.append(f"{label}{number}.png,{label}")
    (tmp_path / "l.csv").write_text("\n".join(["path,label", *labels]))
    with pytest.raises(InputError) as caught:
        filter_pictures(tmp_path / "photos", labels=tmp_path / "l.csv")
    assert str(caught.value) == (
        "Of the labelled pictures 2 different ones can be read, 1 of them wanted: label 5 or more of what is wanted, and as many "
        "of what is not."
    )


def test_a_private_page_holds_no_picture_and_no_absolute_path(job: Path, tmp_path: Path) -> None:
    files = {"ask": tmp_path / "ask.csv", "html": tmp_path / "page.html"}
    filter_pictures(job / "photos", labels=job / "labels.csv", n=5, threads=1, private=True, **files)
    page = files["html"].read_text()
    assert "data:image" not in page
    assert str(job.parent) not in page
    assert str(tmp_path) not in page


@pytest.mark.parametrize(
    ("rows", "wanted", "message"),
    [
        (
            ["dots_000.png,wantd"],
            "wanted",
            "No picture is labelled 'wanted' in '{file}' (did you mean 'wantd'?); the labels there: 'wantd'. Name the one that "
            "is looked for: --wanted LABEL.",
        ),
        (
            ["dots_000.png,wanted"],
            "wanted",
            "1 picture is labelled 'wanted', too few to learn from: label 5 or more of what is wanted, and as many of what is "
            "not.",
        ),
        (
            [f"dots_{k:03}.png,yes" for k in range(6)],
            "yes",
            "0 pictures are of another label (junk), too few to learn from: label 5 or more of what is wanted, and as many of "
            "what is not.",
        ),
    ],
)
def test_too_few_labels_are_refused(
    job: Path, tmp_path: Path, rows: list[str], wanted: str, message: str
) -> None:
    file = tmp_path / "l.csv"
    file.write_text("\n".join(["path,label", *rows]))
    with pytest.raises(InputError) as caught:
        filter_pictures(job / "photos", labels=file, wanted=wanted)
    assert str(caught.value) == message.format(file=file)


def test_a_path_that_is_not_there_names_the_closest(job: Path, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("path,label\ndots_00.png,wanted\n")
    with pytest.raises(ManifestError, match="did you mean"):
        filter_pictures(job / "photos", labels=tmp_path / "l.csv")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": -1}, "-n is -1; ask for 0 pictures or more, for example -n 20."),
        ({"precision": 1.0}, "--precision is 1.0; give a share from 0.5 to below 1, such as 0.97."),
        ({"confidence": 0.1}, "--confidence is 0.1; give a share from 0.5 to below 1, such as 0.97."),
        ({"labels": ()}, NO_LABELS),
        ({"labels": (), "ask": "ask.csv", "csv": "verdicts.csv"}, NO_LABELS),
    ],
)
def test_settings_that_make_no_sense_are_refused(job: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        filter_pictures(job / "photos", **{"labels": job / "labels.csv", **settings})
    assert str(caught.value) == message


def test_no_file_is_written_over(job: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(OutputError, match="Choose another name for --ask"):
        filter_pictures(job / "photos", labels=job / "labels.csv", ask=tmp_path / "mine.csv")
    assert (tmp_path / "mine.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("cut", "text"),
    [
        (
            Cut(0.6, True, 0.97, None, 300, 10, 0.99),
            "junk: at least 97 % are right with 95 % confidence, as far as the 300 labelled pictures were drawn like the others.",
        ),
        (
            Cut(0.6, False, 0.94, 118, 120, 10, 0.98),
            "junk: 97 % right is an estimate, no promise: with 95 % confidence 120 labels support 94 %; some 118 more might "
            "support it.",
        ),
        (
            Cut(None, False, None, None, 12, 0, None),
            "junk: none is sure enough for 97 % right: with 95 % confidence 12 labels support no promise.",
        ),
    ],
)
def test_what_can_be_trusted_is_said(cut: Cut, text: str) -> None:
    assert tell_cut("junk", cut, precision=0.97, confidence=0.95) == text
