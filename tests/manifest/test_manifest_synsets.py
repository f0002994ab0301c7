"""WordNet's words behind ids: against lists of ImageNet's that others made."""

import csv
import json
from pathlib import Path

import pytest

from fovea.manifest import ancestors, imagenet_classes, plain_names, synsets, words_of
from fovea.manifest.synsets import Synset


def test_words_and_parents_are_those_of_a_second_table(shared: Path) -> None:
    with (shared / "data/words/imagenet_isa.csv").open(newline="") as file:
        expected = {
            row["wnid"]: (row["name"], row["index"], set(row["parents"].split()))
            for row in csv.DictReader(file)
        }
    table = synsets()
    told = {
        wnid: (
            "; ".join(table[wnid].words),
            str(table[wnid].number) if table[wnid].number >= 0 else "",
            set(table[wnid].parents),
        )
        for wnid in expected
    }
    assert told == expected


def test_the_thousand_classes_stand_in_imagenets_order(shared: Path) -> None:
    listed = json.loads((shared / "data/words/imagenet_classes.json").read_text())
    assert [(one.wnid, ", ".join(one.words)) for one in imagenet_classes()] == [
        (one["wnid"], one["name"]) for one in listed
    ]


def test_the_thousand_plain_names_are_all_different() -> None:
    names = plain_names(imagenet_classes())
    assert len({name.casefold() for name in names}) == 1000
    assert {name for name in names if name.startswith(("crane", "maillot"))} == {
        "crane (wading bird)", "crane (lifting device)", "maillot (tights)", "maillot (swimsuit)"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n02084071", "dog"),
        ("n02110958", "pug"),
        ("n00000000", ""),
        ("dog", ""),
        ("n0208407", ""),
        ("n020840711", ""),
    ],
)
def test_an_id_has_words_and_any_other_name_has_none(name: str, words: str) -> None:
    assert words_of(name) == words


def test_a_pug_is_a_dog_and_an_animal_and_no_cat() -> None:
    above = {synsets()[wnid].words[0] for wnid in ancestors("n02110958")}
    assert {"pug", "dog", "domestic animal", "carnivore", "animal", "entity"} <= above
    assert not above & {"cat", "vehicle"}


def test_everything_but_entity_is_a_kind_of_something_in_the_table() -> None:
    table = synsets()
    assert [one.words[0] for one in table.values() if not one.parents] == ["entity"]
    assert all(parent in table for one in table.values() for parent in one.parents)


def test_a_shared_first_word_without_parents_stays() -> None:
    alone = Synset("n1", ("thing",), ())
    assert plain_names([alone, alone]) == ("thing", "thing")
