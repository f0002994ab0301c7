"""Hedged answers: against hand-made hierarchies and a second way to find the most specific sure meaning."""

import numpy as np
import pytest

from fovea.judge import Hierarchy, climb, make_hierarchy

PARENTS = {
    "pug": ["dog"], "beagle": ["dog"], "tabby": ["cat"], "dog": ["animal", "pet"], "cat": ["animal", "pet"],
    "trout": ["fish"], "fish": ["animal"], "car": ["thing"], "animal": ["thing"], "pet": ["thing"], "thing": [],
}  # fmt: skip
CLASSES = ("pug", "beagle", "tabby", "trout", "car")


def above(name: str) -> set[str]:
    return {name}.union(*(above(parent) for parent in PARENTS[name]))


@pytest.fixture
def hierarchy() -> Hierarchy:
    return make_hierarchy(CLASSES, above=above)


@pytest.mark.parametrize(
    ("probabilities", "sure", "meaning", "together"),
    [
        ((0.95, 0.02, 0.01, 0.01, 0.01), 0.9, "pug", 0.95),
        ((0.60, 0.35, 0.03, 0.01, 0.01), 0.9, "dog", 0.95),
        ((0.50, 0.20, 0.25, 0.03, 0.02), 0.9, "pet", 0.95),
        ((0.40, 0.20, 0.10, 0.25, 0.05), 0.9, "animal", 0.95),
        ((0.40, 0.10, 0.10, 0.10, 0.30), 0.9, "thing", 1.0),
        ((0.60, 0.35, 0.03, 0.01, 0.01), 0.5, "pug", 0.60),
        ((0.05, 0.02, 0.02, 0.91, 0.00), 0.9, "trout", 0.91),
        ((0.25, 0.35, 0.20, 0.10, 0.10), 0.2, "beagle", 0.35),
    ],
)
def test_the_answer_climbs_until_it_is_sure(
    hierarchy: Hierarchy, probabilities: tuple[float, ...], sure: float, meaning: str, together: float
) -> None:
    found, p = climb(np.array([probabilities]), hierarchy, sure=sure)
    assert hierarchy.meanings[found[0]] == meaning
    assert p[0] == pytest.approx(together)


def test_of_meanings_with_the_same_classes_the_lowest_is_kept(hierarchy: Hierarchy) -> None:
    assert hierarchy.meanings[:5] == ("beagle", "pug", "tabby", "trout", "car")
    assert hierarchy.meanings[5:] == ("dog", "pet", "animal", "thing")


def test_every_answer_equals_a_search_through_all_meanings(hierarchy: Hierarchy) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.full(5, 0.5), 200)
    found, p = climb(probabilities, hierarchy, sure=0.8)
    for row, k, told in zip(probabilities, found.tolist(), p.tolist(), strict=True):
        sums = {
            one: sum(q for q, name in zip(row, CLASSES, strict=True) if one in above(name)) for one in PARENTS
        }
        sure = [one for one in sums if sums[one] >= 0.8]
        fewest = min(sum(one in above(name) for name in CLASSES) for one in sure)
        assert sum(hierarchy.meanings[k] in above(name) for name in CLASSES) == fewest
        as_few = [p for one, p in sums.items() if sum(one in above(name) for name in CLASSES) == fewest]
        assert told == pytest.approx(sums[hierarchy.meanings[k]]) == max(as_few)


def test_a_surer_answer_is_never_more_specific(hierarchy: Hierarchy) -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.full(5, 0.5), 200)
    sizes = [
        hierarchy.holds[climb(probabilities, hierarchy, sure=sure)[0]].sum(1) for sure in (0.5, 0.8, 0.95)
    ]
    assert (sizes[0] <= sizes[1]).all()
    assert (sizes[1] <= sizes[2]).all()


def test_where_no_meaning_is_sure_enough_none_is_found() -> None:
    hierarchy = make_hierarchy(CLASSES, above=lambda name: above(name) - {"thing"})
    found, p = climb(np.array([[0.2] * 5, [0.8, 0, 0, 0, 0.2]]), hierarchy, sure=0.9)
    assert (found.tolist(), p.tolist()) == ([-1, -1], [0.0, 0.0])
