"""WordNet's names behind ids such as n02084071: words, ImageNet's 1,000 classes, and what is a kind of what.

The table holds ImageNet's 21,841 synsets and all above them, from WordNet 3.0 (Princeton University; its notice stands in
NOTICE); scripts/pack_synsets.py made it.
"""

import gzip
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_ID = re.compile(r"n\d{8}")
_ID_ALONE = re.compile(r"(?<![\w./\\(-])n\d{8}(?![\w/\\-]|\.\w)")


@dataclass(frozen=True, slots=True)
class Synset:
    """One meaning: its words, the commonest first, what it is a kind of, and its number in ImageNet's 1,000 (or -1)."""

    wnid: str
    words: tuple[str, ...]
    parents: tuple[str, ...]
    number: int = -1


@cache
def synsets() -> Mapping[str, Synset]:
    """Return the table by id, in the order of ids."""
    packed = files("fovea.manifest").joinpath("synsets.tsv.gz").read_bytes()
    found = {}
    for line in gzip.decompress(packed).decode().splitlines():
        wnid, number, words, parents = line.split("\t")
        found[wnid] = Synset(
            wnid, tuple(words.split("; ")), tuple(parents.split()), int(number) if number else -1
        )
    return MappingProxyType(found)


def words_of(name: str) -> str:
    """Return the words behind a class's name that is a WordNet id ("dog"), "" where it is none that is known."""
    if not _ID.fullmatch(name):  # without the table: most classes have names
        return ""
    known = synsets().get(name)
    return known.words[0] if known else ""


def with_words(text: str) -> str:
    """Return a class's name, or a sentence, with the words behind each WordNet id: "dog (n02084071)"; paths stay."""
    return _ID_ALONE.sub(
        lambda found: f"{words} ({found[0]})" if (words := words_of(found[0])) else found[0], text
    )


@cache
def imagenet_classes() -> tuple[Synset, ...]:
    """Return ImageNet's 1,000 classes in the order in which networks answer them (that of their ids)."""
    return tuple(sorted((one for one in synsets().values() if one.number >= 0), key=lambda one: one.number))


def plain_names(classes: Sequence[Synset]) -> tuple[str, ...]:
    """Return a name for each: its first word; where several share that, with what it is a kind of: "crane (wading bird)"."""
    table = synsets()
    counts = Counter(one.words[0].casefold() for one in classes)
    return tuple(
        one.words[0]
        if counts[one.words[0].casefold()] == 1 or not one.parents
        else f"{one.words[0]} ({table[one.parents[0]].words[0]})"
        for one in classes
    )


def ancestors(wnid: str) -> frozenset[str]:
    """Return the ids of all that a known synset is a kind of, itself included."""
    table = synsets()
    found: set[str] = set()
    waiting = [wnid]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += table[one].parents
    return frozenset(found)
