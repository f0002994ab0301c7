"""The classes that a network was trained on, answered by itself: no head of ours, no second pass.

The network's own softmax is a stage among its features (as its fourth root), so stored features serve here too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fovea.errors import BackboneError
from fovea.features import EMBEDDED, KNOWN, Encoder, Stage
from fovea.manifest import imagenet_classes, plain_names
from fovea.model.decide import answer
from fovea.model.prediction import Prediction

N_IMAGENET = 1000


@dataclass(frozen=True, slots=True)
class OwnClasses:
    """A network as the classifier that it is: `wnids` are the classes' WordNet ids, () where they have none.

    Its probabilities are its own: nothing calibrated them, and whether a picture is "unsure" or "unlike anything seen" is
    not judged. `is_named`: it says itself, or the catalogue does, which classes they are.
    """

    encoder: Encoder
    stage: Stage
    class_names: tuple[str, ...]
    wnids: tuple[str, ...] = ()
    is_named: bool = True

    @property
    def fingerprint(self) -> str:
        """What the answers depend on: all that the network's features do."""
        return self.encoder.fingerprint

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of its answers."""
        uncalibrated = (
            f"The probabilities are those that {self.encoder.name} gives itself. They are not calibrated: of answers at 0.9 "
            "more or fewer than nine in ten may be right; and no picture is told to be unlike anything seen."
        )
        assumed = (
            ()
            if self.is_named
            else (
                f"{self.encoder.name} answers 1,000 classes and does not name them; they are taken for ImageNet's, in its order. "
                "Where it was trained on others, the names are wrong.",
            )
        )
        return (*self.encoder.notes, *assumed, uncalibrated)

    def decide(
        self, features: NDArray[np.float32], names: Sequence[str], *, problems: Sequence[str] = ()
    ) -> list[Prediction]:
        """Return one prediction for every row of `features` float32 (n, d), called by `names`; a problem replaces it."""
        return answer(self.probabilities(features), names, class_names=self.class_names, problems=problems)

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the network's softmax (n, k), rows that sum to 1, from features (n, d)."""
        shares = features[:, self.stage.start : self.stage.stop].astype(np.float64) ** 4
        # Half floats in the store and bf16 in the network move the sum from 1 by some thousandths.
        total = shares.sum(axis=1, keepdims=True)
        told: NDArray[np.float64] = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0)
        return told


def open_own_classes(encoder: Encoder) -> OwnClasses:
    """Return the network as a classifier of its own classes.

    Raises BackboneError where its softmax is not among its stages, or has no names.
    """
    own = [stage for stage in encoder.stages if stage.name.endswith(":softmax")]
    if not own:
        raise BackboneError(
            f"{encoder.name!r} tells no classes of its own: no stage of it is the softmax of its answers. Train on "
            "your pictures (fovea train), or name a network that does, such as mobilenetv2."
        )
    stage, known = own[-1], encoder.class_names
    classes = imagenet_classes()
    names = plain_names(classes)
    n = stage.stop - stage.start
    if n == N_IMAGENET and (not known or _are_imagenets(known)):
        is_named = bool(known) or encoder.name in (EMBEDDED, *KNOWN)
        return OwnClasses(encoder, stage, names, tuple(one.wnid for one in classes), is_named)
    if len(known) != n:
        raise BackboneError(
            f"{encoder.name!r} answers {n:,} classes, and {len(known) or 'none'} of them are named. Only ImageNet's 1,000 "
            "are known without names: train on your pictures (fovea train)."
        )
    return OwnClasses(encoder, stage, _told_apart(known))


def _are_imagenets(names: Sequence[str]) -> bool:
    """Return whether the names are ImageNet's, in its order: each the first word or words of a class, or its id."""
    return all(
        name in (one.wnid, plain) or name.partition(",")[0].casefold() == one.words[0].casefold()
        for name, one, plain in zip(names, imagenet_classes(), plain_names(imagenet_classes()), strict=True)
    )


def _told_apart(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, those that are there twice with their number."""
    seen = list(names)
    return tuple(name if seen.count(name) == 1 else f"{name} #{k}" for k, name in enumerate(names))
