"""Several networks on the same pictures as one: computed side by side in one graph, without torch."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from fovea.errors import InputError
from fovea.features.backbones import NetworkEncoder, load_encoder
from fovea.features.card import NETWORK, BackboneCard, read_card, write_card
from fovea.features.encoder import Encoder, Stage
from fovea.features.openvino import write_joined


def require_same_input(encoders: Sequence[Encoder], *, names: Sequence[str]) -> None:
    """Raise InputError where one of them, called by `names`, takes pictures of another size or cut otherwise."""
    first = encoders[0].preprocess
    for encoder, name in zip(encoders, names, strict=True):
        one = encoder.preprocess
        if one != first:
            raise InputError(
                f"{names[0]!r} takes pictures of {first.height_px} x {first.width_px} px ({first.fit}, {first.crop:g} of the "
                f"side), and {name!r} of {one.height_px} x {one.width_px} px ({one.fit}, {one.crop:g} of the side): they "
                "cannot become one network. Train them at one size, or leave one out."
            )


def join_encoders(
    encoders: Sequence[Encoder], folder: Path, *, name: str, threads: int | None = None
) -> NetworkEncoder:
    """Write networks that take the same pictures as one into `folder`; return it. Its columns are theirs, in this order.

    It computes in float32 where one of them does.
    Raises InputError where they take different pictures, BackboneError; OSError where `folder` cannot be written.
    """
    require_same_input(encoders, names=[one.name for one in encoders])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".members.", dir=folder) as beside:
        parts = [Path(beside) / str(number) for number in range(len(encoders))]
        for encoder, part in zip(encoders, parts, strict=True):
            encoder.save(part)
        cards = [read_card(part) for part in parts]
        write_joined([part / NETWORK for part in parts], folder / NETWORK, name="average")
    write_card(folder, _card_of(cards, encoders, name=name))
    return load_encoder(folder, threads=threads)


def _card_of(cards: Sequence[BackboneCard], encoders: Sequence[Encoder], *, name: str) -> BackboneCard:
    stages: list[Stage] = []
    for number, encoder in enumerate(encoders, start=1):
        start = stages[-1].stop if stages else 0
        stages += [
            Stage(f"{number}/{one.name}", start + one.start, start + one.stop) for one in encoder.stages
        ]
    told = [one.weights_sha256 for one in cards]
    return BackboneCard(
        name=name,
        structure=json.dumps({"joined": [one.structure for one in cards]}),
        weights_sha256=hashlib.sha256(" ".join(told).encode()).hexdigest(),
        stages=tuple(stages),
        preprocess=encoders[0].preprocess,
        licence=" and ".join(dict.fromkeys(one.licence for one in cards if one.licence)),
        source=" and ".join(dict.fromkeys(one.source for one in cards if one.source)),
        precision="f32" if any(one.precision == "f32" for one in encoders) else encoders[0].precision,
        difference=max(one.difference for one in cards),
        any_shape=False,
        notes=tuple(dict.fromkeys(note for one in cards for note in one.notes)),
    )
