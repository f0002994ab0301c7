"""What pictures are compared by: some of a network's features, or a run's answers, as rows that a product compares."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import KNOWN, METRICS, Encoder, Stage, list_backbone_stages, unit_rows
from fovea.progress import Progress, silent
from fovea.tasks.backbones import with_default
from fovea.tasks.gather import last_average
from fovea.tasks.options import BackboneOptions, check_choice
from fovea.tasks.stored import open_network

Vectors = NDArray[np.float32]
_SEEN = 0.1
"""How much the last average counts beside a run's answers: nothing is lost by it (benchmarks/retrieval.py)."""


@dataclass(frozen=True, slots=True)
class Space:
    """Features of `encoder` in `columns`, which `project` turns from float32 (n, d) into rows (n, width) to compare.

    `metric` is how rows are compared ("dot" where the cosine is asked: their length is 1 then). `name` tells one space of a
    network, with the way its rows are compared, from another; `words` tells it to people.
    """

    name: str
    words: str
    encoder: Encoder
    columns: slice
    width: int
    metric: str
    project: Callable[[Vectors], Vectors]
    notes: tuple[str, ...] = ()


def open_space(
    network: BackboneOptions,
    *,
    metric: str = "cosine",
    tuned: Path | None = None,
    progress: Progress = silent,
) -> Space:
    """Return what `network` and its stages, or the run `tuned`, have pictures compared by.

    Raises:
        InputError: an unknown metric, a stage or network that is not there, both a run and a network.
        BackboneError, ModelError: a network or run that cannot be used.
    """
    check_choice("metric", metric, METRICS)
    if tuned is not None:
        return _tuned(network, tuned, metric=metric)
    encoder, stages, notes = _with_stages(network, progress=progress)
    first, last = min(one.start for one in stages), max(one.stop for one in stages)
    is_unit = metric == "cosine"

    def project(features: Vectors) -> Vectors:
        parts = [features[:, one.start - first : one.stop - first] for one in stages]
        if is_unit:  # each as long as the others, and one together
            parts = [unit_rows(part) / np.float32(len(parts) ** 0.5) for part in parts]
        return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1))

    names = ", ".join(one.name for one in stages)
    return Space(
        name=f"{'stage ' + names if network.stages else 'default'} {'of length 1' if is_unit else 'as it is by ' + metric}",
        words=f"{encoder.name}, {names}",
        encoder=encoder,
        columns=slice(first, last),
        width=sum(one.stop - one.start for one in stages),
        metric="dot" if is_unit else metric,
        project=project,
        notes=notes,
    )


def _with_stages(
    network: BackboneOptions, *, progress: Progress
) -> tuple[Encoder, tuple[Stage, ...], tuple[str, ...]]:
    """Return an encoder and the stages to compare by: of its usual ones where they are meant, else one cut for them."""
    if network.stages and not _may_be_usual(network):
        encoder, notes = open_network(network, progress=progress)
        return encoder, encoder.stages, notes
    encoder, notes = open_network(replace(network, stages=()), progress=progress)
    if not network.stages:
        return encoder, (last_average(encoder),), notes
    own = {one.name.rpartition(":")[0]: one for one in reversed(encoder.stages)}
    own |= {one.name: one for one in encoder.stages}
    if set(network.stages) <= set(own):
        return encoder, tuple(own[name] for name in network.stages), notes
    encoder, notes = open_network(network, progress=progress)
    return encoder, encoder.stages, notes


def _may_be_usual(network: BackboneOptions) -> bool:
    """Return whether the stages asked for may be among those that are taken anyway, as far as that costs nothing to know.

    An ONNX file tells it by itself: then nothing large is converted that is not used.
    """
    options, _ = with_default(network)
    name = str(options.weights or options.backbone or "")
    if name not in KNOWN and not name.lower().endswith(".onnx"):
        return True
    usual = [one for one in list_backbone_stages(name) if one.is_usual]
    names = {known for one in usual for known in (one.name, *one.aliases)}
    return {stage.partition(":")[0] for stage in network.stages} <= names


def _tuned(network: BackboneOptions, run: Path, *, metric: str) -> Space:
    """Return the space of a run's answers, and a little of what its network sees, which orders those with one answer.

    The product of two rows: 0.9 of the Bhattacharyya coefficient of their probabilities, 0.1 of the cosine of the last average.
    """
    from fovea.judge import softmax
    from fovea.model import Classifier, load_model

    _refuse_network(network)
    model = load_model(run, threads=network.threads)
    if not isinstance(model, Classifier):
        raise InputError(
            f"The run in {str(run)!r} tells no classes, so its answers cannot be compared as such. Name a run of classes."
        )
    look = last_average(model.encoder)

    def project(features: Vectors) -> Vectors:
        answers = np.sqrt(softmax(model.head.logits(features), model.temperature))
        seen = unit_rows(features[:, look.start : look.stop])
        parts = (answers * (1 - _SEEN) ** 0.5, seen * _SEEN**0.5)
        return np.concatenate(parts, axis=1, dtype=np.float32)

    by = "dot" if metric == "cosine" else metric
    return Space(
        name=f"tuned {model.fingerprint} by {by}",
        words=f"the answers of {run.name}",
        encoder=model.encoder,
        columns=slice(None),
        width=len(model.class_names) + look.stop - look.start,
        metric=by,
        project=project,
    )


def _refuse_network(network: BackboneOptions) -> None:
    """Raise InputError where a network, or how pictures enter it, was named beside a run."""
    usual = BackboneOptions()
    names = {
        "backbone": "backbone",
        "weights": "weights",
        "stages": "stage",
        "compute": "compute",
        "fit": "fit",
        "size": "size",
    }
    given = [
        f"--{option}" for name, option in names.items() if getattr(network, name) != getattr(usual, name)
    ]
    if given:
        listed = " and ".join([", ".join(given[:-1]), given[-1]] if given[1:] else given)
        raise InputError(
            f"--tuned compares by the answers of a run, which has its own network. Leave out {listed}."
        )
