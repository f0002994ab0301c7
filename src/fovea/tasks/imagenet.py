"""What `fovea predict` is given by name: a run, or a network as the classifier that it is; and answers made of its answers.

The likeliest few of a thousand classes, and hedged ones, which climb WordNet's hierarchy from "pug" to "dog" until they are
sure, but not so high that they say little.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fovea.errors import InputError

if TYPE_CHECKING:
    from fovea.model import Classifier, Estimator, OwnClasses, Prediction

    Answering: TypeAlias = Classifier | OwnClasses

LARGEST_SHARE = 0.2
LEAST_ABOVE = 3
"""What a hedged answer may be at most: a fifth of WordNet's meanings, so that it tells at least log2(5) = 2.3 bits (Deng 2012
counts what an answer tells so), with three meanings above it. "Animal" (0.16) and "device" (0.10) may be answered;
"artifact" (0.35), "whole" (0.87) and abstract ones such as "matter" (two above) say too little."""

Refine: TypeAlias = "Callable[[Sequence[Prediction]], list[Prediction]]"


def open_answering(
    name: str | Path, *, compute: str = "auto", threads: int | None = None, offline: bool = True
) -> "Answering | Estimator":
    """Return the run at a path, else the network of that name, or in that file, with the classes it was trained on.

    Raises:
        ModelError: what lies at the path is no whole model.
        InputError, BackboneError: no network is called so, or it tells no classes of its own.
    """
    from fovea.features import open_backbone
    from fovea.model import load_model, open_own_classes

    path, is_file = Path(name), Path(name).is_file()
    if is_place_of_run(name):
        return load_model(path, precision=None if compute == "auto" else compute, threads=threads)
    encoder = open_backbone(
        path if is_file else None,
        backbone=None if is_file else str(name),
        precision=compute,
        threads=threads,
        offline=offline,
    )
    return open_own_classes(encoder)


def is_place_of_run(name: str | Path) -> bool:
    """Return whether a name is the place where a run is or should be, and not a network's name or a file of its weights."""
    path = Path(name)
    is_bare = not (path / "model.json").exists() and (path / "backbone.json").is_file()
    is_path = path.exists() or ("/" in str(name) and ":" not in str(name))  # timm:NAME may hold a slash
    return is_path and not path.is_file() and not is_bare


def make_refine(model: "Answering", *, top: int | None, sure: float | None) -> Refine:
    """Return what turns a model's predictions into those asked for.

    `top`: only so many probabilities, the highest first. `sure`: `sure_class` is the most specific meaning whose classes
    together are as probable as that, and `sure_probability` their sum; where only meanings that say little are, the answer
    is unsure.

    Raises:
        InputError: `sure` is asked of classes that no hierarchy is known of.
    """
    hedge = None if sure is None else _make_hedge(model, sure=sure)

    def refine(predictions: "Sequence[Prediction]") -> "list[Prediction]":
        done = list(predictions) if hedge is None else hedge(predictions)
        return done if top is None else [_cut(one, top=top) for one in done]

    return refine


def _cut(prediction: "Prediction", *, top: int) -> "Prediction":
    return replace(prediction, probabilities=dict(prediction.likeliest(top)))


def _make_hedge(model: "Answering", *, sure: float) -> Refine:
    import numpy as np

    from fovea.judge import climb, make_hierarchy
    from fovea.manifest import ancestors, synsets

    wnids = _wnids(model)
    table = synsets()
    broad = _too_broad()
    hierarchy = make_hierarchy(wnids, above=lambda wnid: ancestors(wnid) - (broad - {wnid}))
    names = dict(zip(wnids, model.class_names, strict=True))
    called = [  # ids where the classes are called by them: whoever prints them has the words
        wnid if wnids == tuple(model.class_names) else names.get(wnid, table[wnid].words[0])
        for wnid in hierarchy.meanings
    ]

    def hedge(predictions: "Sequence[Prediction]") -> "list[Prediction]":
        done = list(predictions)
        answered = [k for k, one in enumerate(done) if not one.problem]
        if not answered:
            return done
        rows = np.array([[*done[k].probabilities.values()] for k in answered])
        for k, meaning, p in zip(
            answered, *(part.tolist() for part in climb(rows, hierarchy, sure=sure)), strict=True
        ):
            done[k] = (
                replace(done[k], unsure=True)
                if meaning < 0
                else replace(done[k], sure_class=called[meaning], sure_probability=p, unsure=False)
            )
        return done

    return hedge


def _too_broad() -> frozenset[str]:
    """Return the ids of meanings that say little, whatever the classes are."""
    from fovea.manifest import ancestors, synsets

    above = {wnid: ancestors(wnid) for wnid in synsets()}
    n_below = Counter(one for those in above.values() for one in those)
    most = LARGEST_SHARE * len(above)
    return frozenset(
        wnid for wnid, those in above.items() if n_below[wnid] > most or len(those) - 1 < LEAST_ABOVE
    )


def _wnids(model: "Answering") -> tuple[str, ...]:
    """Return the WordNet ids of a model's classes. Raises InputError where they have none."""
    from fovea.manifest import words_of
    from fovea.model import OwnClasses

    if isinstance(model, OwnClasses) and model.wnids:
        return model.wnids
    if all(words_of(name) for name in model.class_names):
        return tuple(model.class_names)
    some = ", ".join(repr(name) for name in model.class_names[:3])
    raise InputError(
        f"--sure climbs WordNet's hierarchy, and the classes of this model ({some}, ...) stand in none. It needs ImageNet's "
        "classes, or class folders named by WordNet ids such as n02084071."
    )
