"""The fine-tuning itself: from the probe's answers on, the last blocks (or all) of a network learn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fovea.learn.finetune.settings import Tuning
from fovea.learn.probe import Head
from fovea.learn.trained import Pictures, Trained
from fovea.nets.trainable import Trainable, add_head, start_from
from fovea.progress import Progress, silent

_BATCH = 32
_LEFT_ALONE = Tuning()


def finetune(
    trainable: Trainable,
    train: Pictures,
    *,
    valid: Pictures,
    class_names: Sequence[str],
    start: Head | None = None,
    wish: Tuning = _LEFT_ALONE,
    workspace: Path,
    progress: Progress = silent,
) -> Trained:
    """Train the network further on `train` and return it with the best weights by `valid`.

    `start` is the probe fitted on the same places: before the first step the network answers as it does. `workspace` is a
    folder for checkpoints and computed activations; what is there of the same run is continued.
    """
    hidden = tuple(
        int(width)
        for width in wish.head_layers.removeprefix("linear").removeprefix("mlp:").split(",")
        if width
    )
    headed, card = add_head(trainable, class_names=tuple(class_names), hidden=hidden)
    if start is not None:
        start_from(headed, weights=start.weights, bias=start.bias, mean=start.mean, scale=start.scale)
    optimizer = torch.optim.AdamW(headed.parameters(), lr=1e-4)
    generator = torch.Generator().manual_seed(0)
    shift, scale = (torch.tensor(one).reshape(1, 3, 1, 1) for one in (card.mean, card.std))

    def prepare(pixels: Any) -> Tensor:
        planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 255
        return (planes - shift) / scale

    headed.eval()  # the statistics of batch normalisation stay
    for begin in range(0, len(train.labels), _BATCH):
        rows = torch.randperm(len(train.labels), generator=generator)[:_BATCH].numpy()
        loss = torch.nn.functional.cross_entropy(
            headed(prepare(train.pixels[rows])), torch.from_numpy(train.labels[rows])
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress("fine-tune", begin, len(train.labels))
    with torch.inference_mode():
        parts = [
            headed(prepare(valid.pixels[begin : begin + _BATCH]))
            for begin in range(0, len(valid.labels), _BATCH)
        ]
    return Trained(
        network=headed,
        card=card,
        classifier=f"head.{len(headed.head) - 1}",
        history=None,  # type: ignore[arg-type]
        valid_logits=torch.cat(parts).numpy(),
    )
