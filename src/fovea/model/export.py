"""A trained torch network in the runtime's form: an encoder and a head, as a model folder holds them; torch no more.

Converted, then compared with torch on real pictures: what is judged and saved is what will predict.
"""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fovea.errors import BackboneError, OutputError
from fovea.features import BackboneCard, Encoder, Preprocess, has_native_bf16, load_encoder
from fovea.features.card import TRAINED
from fovea.features.convert import write_backbone
from fovea.judge import sigmoid, softmax
from fovea.learn import Head
from fovea.learn.trained import CLASSES, Meaning, Trained
from fovea.learn.training.losses import Kind
from fovea.nets.stages import WHOLE, Place, pooled_network, release_network
from fovea.nets.state import tensors_sha256
from fovea.nets.trainable import Headed
from fovea.nets.weights import WeightsCard, card_text
from fovea.wording import percent

LEAST_AGREEMENT = {"bf16": 0.98, "f32": 0.995}
"""Share of answers to real pictures that must be torch's; the others are near ties."""
CLOSE = 0.05
"""Deviations of the training numbers by which a number may differ and be the same answer."""
N_COMPARED = 256
_BATCH = 32
Pixels = NDArray[np.uint8]
Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Exported:
    """A trained network as it predicts, and how it compares with torch on `n_compared` real pictures.

    `agreement` is the share with the same answer (of several labels the share of answers, of numbers those within 0.05
    deviations), `difference` the largest between two probabilities, both in [0, 1]; of numbers in deviations.
    """

    encoder: Encoder
    head: Head
    agreement: float
    difference: float
    n_compared: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the comparison for metrics.json."""
        told = {"agreement": self.agreement, "largest_difference": self.difference}
        return told | {"n_compared": self.n_compared, "precision": self.encoder.precision}


def export_trained(
    trained: Trained,
    folder: Path,
    *,
    name: str,
    preprocess: Preprocess,
    examples: Pixels,
    precision: str = "auto",
    threads: int | None = None,
    meaning: Meaning = CLASSES,
) -> Exported:
    """Write a trained network into the empty `folder`, and return it as it was read back; the network keeps no hooks.

    `examples` uint8 (n, h, w, 3) are real pictures at its size, of which up to 256 are compared. Where bf16 is not
    demanded and changes too many answers, float32 is taken, and said. The head tells what `meaning` says, in float32.

    Raises:
        BackboneError: it cannot be converted, or answers differently afterwards; nothing of it may be used.
        OutputError: `folder` cannot be written, as on a full disk.
    """
    from safetensors import SafetensorError

    pooled, head = _taken_apart(trained, size_px=(preprocess.height_px, preprocess.width_px))
    card = BackboneCard(
        name=name,
        structure=card_text(trained.card),
        weights_sha256=tensors_sha256(trained.network),
        stages=(),
        preprocess=preprocess,
        licence=trained.card.licence,
        source=trained.card.source,
        precision=_first_precision(precision),
    )
    try:
        _write_weights(trained.network, trained.card, folder / TRAINED)
        write_backbone(pooled, folder, card=card)
    except OutputError:
        raise
    except (OSError, SafetensorError) as error:
        raise OutputError(
            f"The trained network cannot be written into {str(folder)!r} ({error}). Make room and give the same command again: "
            "what was trained is kept."
        ) from error
    finally:
        release_network(pooled)
    examples = examples[np.linspace(0, len(examples) - 1, min(N_COMPARED, len(examples))).astype(int)]
    expected = torch_logits(trained, examples)
    notes: tuple[str, ...] = ()
    for chosen in dict.fromkeys([card.precision, *(["f32"] if precision == "auto" else [])]):
        encoder = load_encoder(folder, precision=chosen, threads=threads)
        found = head.logits(encoder.encode(examples))
        agreement, difference = _compare(found, expected, kind=meaning.kind) if len(examples) else (1.0, 0.0)
        if agreement >= LEAST_AGREEMENT[chosen]:
            return Exported(encoder, meaning.told_by(head), agreement, difference, len(examples), notes)
        notes = (
            f"In {chosen} {percent(1 - agreement)} of {len(examples)} pictures were answered differently: not used.",
        )
    advice = "train another network" if chosen == "f32" else "train with --compute f32, or another network"
    raise BackboneError(
        f"The trained network {name!r} answers {percent(1 - agreement)} of {len(examples)} real pictures differently in the "
        f"runtime's form ({chosen}; at most {percent(1 - LEAST_AGREEMENT[chosen])} may). It was not saved: "
        f"{advice}."
    )


def _compare(found: Logits, expected: Logits, *, kind: Kind) -> tuple[float, float]:
    """Return the share of answers that are the same, and the largest difference; see `Exported`."""
    if kind == "values":
        gaps = np.abs(found - expected)
        return float((gaps <= CLOSE).mean()), float(gaps.max())
    if kind == "labels":
        gap = np.abs(sigmoid(found) - sigmoid(expected)).max()
        return float(((found > 0) == (expected > 0)).mean()), float(gap)
    same = found.argmax(1) == expected.argmax(1)
    return float(same.mean()), float(np.abs(softmax(found) - softmax(expected)).max())


def torch_logits(trained: Trained, pixels: Pixels) -> Logits:
    """Return what torch answers in float32 to uint8 (n, h, w, 3): logits (n, k)."""
    shift, scale = (
        255 * torch.tensor(one, dtype=torch.float32).reshape(1, 3, 1, 1)
        for one in (trained.card.mean, trained.card.std)
    )
    parts = [np.zeros((0, len(trained.card.class_names)), np.float32)]
    trained.network.eval()
    with torch.inference_mode():
        for begin in range(0, len(pixels), _BATCH):
            planes = torch.from_numpy(np.ascontiguousarray(pixels[begin : begin + _BATCH])).permute(
                0, 3, 1, 2
            )
            parts.append(trained.network((planes.float() - shift) / scale).float().numpy())
    return np.concatenate(parts)


def _taken_apart(trained: Trained, *, size_px: tuple[int, int]) -> tuple[nn.Module, Head]:
    """Return the network pooled for the runtime, and the head over its columns; pictures are `size_px` (height, width).

    A linear head over a network's places stays outside it, as the probe's does; every other network gives what enters its
    last linear layer, and its logits, on which the head only names the classes.
    """
    network, card, names = trained.network, trained.card, tuple(trained.card.class_names)
    if isinstance(network, Headed) and len(network.head) == 1:
        pooled = pooled_network(network.network, places=network.places, mean=card.mean, std=card.std)
        last, gain = cast("nn.Linear", network.head[0]), network.gain.numpy()
        scale = np.divide(1, gain, out=np.zeros_like(gain), where=gain > 0)
        weights, bias = (one.detach().numpy().copy() for one in (last.weight, last.bias))
        return pooled, Head(weights, bias, network.mean.numpy().copy(), scale, names, 0.0)
    whole = nn.Sequential(OrderedDict({WHOLE: network}))
    features = (Place(f"{WHOLE}.{trained.classifier}", "input"),) if trained.classifier else ()
    pooled = pooled_network(whole, places=(*features, Place(WHOLE, "flat")), mean=card.mean, std=card.std)
    with torch.inference_mode():
        n_columns = pooled(torch.zeros(1, *size_px, 3, dtype=torch.uint8)).shape[1]
    k = len(names)
    weights = np.zeros((k, n_columns), np.float32)
    weights[:, n_columns - k :] = np.eye(k, dtype=np.float32)
    zeros, ones = np.zeros(n_columns, np.float32), np.ones(n_columns, np.float32)
    return pooled, Head(weights, np.zeros(k, np.float32), zeros, ones, names, 0.0)


def _first_precision(wish: str) -> str:
    return wish if wish != "auto" else "bf16" if has_native_bf16() else "f32"


def _write_weights(network: nn.Module, card: WeightsCard, file: Path) -> None:
    from safetensors.torch import save_file

    tensors = {key: value.detach().contiguous().clone() for key, value in network.state_dict().items()}
    save_file(tensors, file, metadata={"backbone": card_text(card), "format": "pt"})
