"""`fovea sort`: what goes where, and what is said. The classifier answers by name."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from by_name import ByName, config, placed
from click.testing import CliRunner

from fovea.cli import sort as cli_sort
from fovea.tasks import sort
from fovea.tasks.sort import Config

pytestmark = pytest.mark.usefixtures("answers_by_name")


def test_unsure_and_unlike_ones_go_to_unsure_and_unreadable_ones_stay(scraped: Path) -> None:
    result = sort.run(config(scraped))

    assert placed(result.into) == [
        ".fovea-sort.jsonl", "cat/cat-0.9.png", "dog/dog-0.8.png", "sorted.csv",
        "unsure/cat-0.55.png", "unsure/dog-0.95-far.png",
    ]  # fmt: skip
    assert result.left == ((str(scraped / "broken.png"), "it is cut short"),)
    assert (result.classes, result.n_unsure) == ({"cat": 1, "dog": 1}, 2)


def test_the_table_says_what_went_where_and_why(scraped: Path) -> None:
    result = sort.run(config(scraped))
    with result.table.open(newline="") as file:
        rows = [{**row, "source": Path(row["source"]).name} for row in csv.DictReader(file)]

    names = ("source", "destination", "class", "probability", "reason")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("broken.png", "", "", "", "it is cut short"),
        ("cat-0.55.png", "unsure/cat-0.55.png", "cat", "0.550000", "unsure: below 0.6"),
        ("cat-0.9.png", "cat/cat-0.9.png", "cat", "0.900000", ""),
        ("dog-0.8.png", "dog/dog-0.8.png", "dog", "0.800000", ""),
        ("dog-0.95-far.png", "unsure/dog-0.95-far.png", "dog", "0.950000", "unlike anything seen"),
    ]


@pytest.mark.parametrize("how", ["copy", "link", "move"])
def test_undo_takes_everything_back_with_the_table(scraped: Path, how: str) -> None:
    before = {path: path.read_bytes() for path in scraped.iterdir()}
    sort.run(config(scraped, how=how))

    sort.undo(scraped.parent / "into")

    assert {path: path.read_bytes() for path in scraped.iterdir()} == before
    assert not (scraped.parent / "into").exists()


def test_a_notebook_shows_what_was_sorted_and_what_was_taken_back(scraped: Path) -> None:
    sorted_ = sort.run(config(scraped))._repr_html_()
    assert f"2 pictures in class folders of {scraped.parent / 'into'}, 2 in unsure/." in sorted_
    assert "cat</th><td>1</td>" in sorted_
    assert "1 stay where they are; sorted.csv says why." in sorted_
    undone = sort.undo(scraped.parent / "into")._repr_html_()
    assert "0 pictures moved back, 4 copies or links removed, 0 left." in undone


def test_a_table_its_reader_has_changed_is_neither_overwritten_nor_removed(scraped: Path) -> None:
    first = sort.run(config(scraped)).table
    first.write_text("notes of mine")

    second = sort.run(config(scraped)).table
    sort.undo(scraped.parent / "into")

    assert second.name == "sorted (2).csv"
    assert not second.exists()
    assert first.read_text() == "notes of mine"


def test_the_same_sort_again_adds_what_is_new(scraped: Path, draw_picture: Callable[..., Path]) -> None:
    sort.run(config(scraped, how="move"))
    draw_picture(scraped / "cat-0.7.png", seed=9)

    result = sort.run(config(scraped, how="move"))

    assert result.classes == {"cat": 2, "dog": 1}
    assert len(result.table.read_text().splitlines()) == 1 + 6


def test_what_lies_in_into_is_never_sorted_again(scraped: Path) -> None:
    inside = Config(Path("model"), scraped, scraped / "sorted")
    sort.run(inside)

    again = sort.run(inside)

    assert again.classes == {"cat": 1, "dog": 1}
    assert again.notes == (f"5 files in {str(scraped / 'sorted')!r} are passed over: sorted already.",)


def test_a_failing_prediction_leaves_no_empty_folder(scraped: Path, answers_by_name: ByName) -> None:
    answers_by_name.class_names = ("dog",)  # "cat" is then unknown to the rule
    with pytest.raises(KeyError):
        sort.run(config(scraped))
    assert not (scraped.parent / "into").exists()


def test_the_command_says_what_went_where(scraped: Path) -> None:
    into = scraped.parent / "into"
    done = CliRunner().invoke(cli_sort.command, ["model", str(scraped), "--into", str(into), "--move"])

    assert done.output.splitlines() == [
        f"2 pictures moved into class folders of {into}, 2 into unsure/.",
        "  1  cat",
        "  1  dog",
        "1 stay where they are:",
        f"  {scraped / 'broken.png'}: it is cut short",
        "Accepted is a probability of 0.6 or more (the model's own; without --precision).",
        f"What went where: {into / 'sorted.csv'}. Take it back: fovea sort --undo {into}",
    ]


def test_the_command_undoes_and_says_what_is_left(scraped: Path) -> None:
    into = scraped.parent / "into"
    sort.run(config(scraped, how="move"))
    (into / "cat" / "cat-0.9.png").write_bytes(b"edited")

    done = CliRunner().invoke(cli_sort.command, ["--undo", str(into)])

    assert done.output.splitlines() == [
        "3 pictures moved back, 0 copies or links removed.",
        f"1 left in {into}; run this again when that is settled:",
        "  cat/cat-0.9.png: it was changed since",
    ]


def test_json_counts_what_stands(scraped: Path) -> None:
    into = scraped.parent / "into"
    done = CliRunner().invoke(cli_sort.command, ["model", str(scraped), "--into", str(into), "--json"])
    told = json.loads(done.stdout)

    assert {name: told[name] for name in ("n_pictures", "n_sorted", "n_unsure", "n_left", "classes")} == {
        "n_pictures": 5, "n_sorted": 2, "n_unsure": 2, "n_left": 1, "classes": {"cat": 1, "dog": 1},
    }  # fmt: skip


def test_a_real_kill_in_the_middle_of_moving_is_gone_on_from(scraped: Path, answers_by_name: ByName) -> None:
    from fovea.tasks.sort_folder import open_journal

    before = {path.name: path.read_bytes() for path in scraped.iterdir()}
    sort.run(config(scraped, how="move"))
    into = scraped.parent / "into"
    (into / "cat" / "cat-0.9.png").rename(scraped / "cat-0.9.png")  # as if its move had not come about
    with open_journal(into, settings=None) as journal:
        assert len(journal.entries) == 4

    assert sort.run(config(scraped, how="move")).n_sorted == 2
    sort.undo(into)

    assert {path.name: path.read_bytes() for path in scraped.iterdir()} == before


def test_a_kill_between_the_last_move_and_the_table_is_gone_on_from(scraped: Path) -> None:
    (scraped / "broken.png").unlink()
    table = sort.run(config(scraped, how="move")).table
    content = table.read_bytes()
    table.unlink()  # as if it had not been written any more

    result = sort.run(config(scraped, how="move"))

    assert (list(scraped.iterdir()), result.classes, result.n_unsure) == ([], {"cat": 1, "dog": 1}, 2)
    assert table.read_bytes() == content
