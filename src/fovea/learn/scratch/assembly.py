"""What a training from scratch is put together from: the network, its batches, how pictures become its input."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fovea.learn.augment import Augmentation, Normalise, normalise, suit_augmentation
from fovea.learn.scratch.batches import AlternatingBatches, Pixels, Preparing, half_mirrored
from fovea.learn.scratch.networks import RGB, Made, library_of, make_network
from fovea.learn.scratch.recipes import FAST
from fovea.learn.scratch.settings import Making
from fovea.learn.trained import Pictures
from fovea.learn.training import ArrayBatches, Batches, Training, choose_machine
from fovea.learn.training.processes import join_processes
from fovea.nets.classic import MultiView
from fovea.nets.classic.fast import Fast
from fovea.nets.zoo import OWN

_WHITENING_SHARE = 3 / 8  # of the epochs, in which the whitening's biases learn (arXiv 2404.00498)
_SHIFT = 0.5  # of the augmentation's usual shift: 2 px of 32, as in the paper
_N_MEASURED = 5000  # pictures by which mean and deviation of the channels, and the whitening, are taken


@dataclass(frozen=True, slots=True)
class Assembly:
    """A network with random weights, and what its training needs.

    `views` are those over which the trained network will answer, None for the picture alone.
    """

    made: Made
    normalise: Normalise
    augmentation: Augmentation
    is_grey: bool
    views: dict[str, Any] | None

    @property
    def n_views(self) -> int:
        """How often the trained network looks at a picture."""
        if self.views is None:
            return 1
        return (3 if self.views["shift_px"] else 1) * (2 if self.views["mirror"] else 1)

    def planes(self, pixels: Pixels) -> Pixels:
        """Return the channels that the network takes of uint8 (n, h, w, 3): all, or their mean where it sees grey."""
        if not self.is_grey:
            return pixels
        grey = np.empty((*pixels.shape[:3], 1), np.uint8)
        for begin in range(0, len(pixels), _N_MEASURED):  # a mean of all is eight bytes a value
            some = pixels[begin : begin + _N_MEASURED]
            grey[begin : begin + len(some)] = np.rint(some.mean(3, keepdims=True))
        return grey

    def input_of(self, pixels: Pixels) -> Tensor:
        """Return the network's input float32 (n, c, h, w) of uint8 (n, h, w, 3)."""
        return self.normalise(torch.from_numpy(np.array(self.planes(pixels))).permute(0, 3, 1, 2))

    def batches(self, train: Pictures, *, settings: Training) -> Batches:
        """Return the training batches; those of the fast recipe mirror in turn instead of by chance."""
        network, looping = self.made.network, settings.looping
        is_fast = isinstance(network, Fast)
        device = choose_machine(device=looping.device, precision=looping.precision).device
        preparing = Preparing(self.augmentation, self.normalise, alternates=is_fast)
        pixels = self.planes(train.pixels)
        batches = ArrayBatches(
            half_mirrored(pixels, seed=looping.seed) if preparing.mirrors else pixels,
            train.labels,
            batch_size=cast("int", looping.batch_size),
            seed=looping.seed,
            prepare=preparing,
            weights=train.class_weights if settings.regularisation.balance else None,
            drop_last=is_fast or _leaves_few(len(pixels), cast("int", looping.batch_size), device=device),
            device=device,
        )
        if not isinstance(network, Fast):
            return batches
        n_whitening = _WHITENING_SHARE * cast("int", looping.epochs)

        def begin(number: int) -> None:
            network.whiten.learns = number < n_whitening

        return AlternatingBatches(batches, preparing=preparing, begin=begin)

    def finish(self) -> Made:
        """Return the trained network as it will answer: over its views."""
        if self.views is None:
            return self.made
        card = replace(self.made.card, kwargs={**self.made.card.kwargs, "views": self.views})
        return Made(MultiView(self.made.network, **self.views).eval(), card, self.made.classifier)


def assemble(
    net: str, train: Pictures, *, class_names: Sequence[str], wish: Making, settings: Training
) -> Assembly:
    """Return the network for these pictures and how they enter it. Raises InputError, MissingExtraError."""
    pixels, seed = train.pixels, settings.looping.seed
    regular = settings.regularisation
    options = {"dropout": regular.dropout, "drop_path": regular.drop_path, **wish.options}
    views = options.pop("views", None)
    is_grey = False
    if library_of(net)[0] == OWN:
        options.setdefault("in_channels", 1 if _is_grey(pixels) else 3)
        is_grey = options["in_channels"] == 1
    mean, std = _statistics(pixels, is_grey=is_grey)
    augmentation = suit_augmentation(settings.regularisation.augment, pixels, train.classes, seed=seed)
    if net == FAST:
        augmentation = _milder(augmentation)
        views = {"mirror": "flip" in augmentation.strengths, "shift_px": 1} if views is None else views
    made = make_network(
        net, class_names=class_names, size_px=pixels.shape[1], mean=mean, std=std, options=options, seed=seed
    )
    n_channels = 1 if is_grey else 3
    assembly = Assembly(
        made,
        normalise(made.card.mean[:n_channels], made.card.std[:n_channels]),
        augmentation,
        is_grey,
        views or None,
    )
    if isinstance(made.network, Fast):
        made.network.fit_whitening(assembly.input_of(_spread(pixels)))
    return assembly


def _leaves_few(n: int, batch_size: int, *, device: str) -> bool:
    """Return whether the last batch would be one picture alone for a process, which batch normalisation cannot take."""
    return batch_size > 1 and n > batch_size and 0 < n % batch_size < 2 * join_processes(device).n


def _milder(augmentation: Augmentation) -> Augmentation:
    """Return the augmentation, its shift as small as the fast recipe's where it is the light one."""
    if augmentation.policy != "light":
        return augmentation
    return replace(augmentation, strengths={**augmentation.strengths, "shift": _SHIFT})


def _spread(pixels: Pixels) -> Pixels:
    """Return up to so many pictures evenly over all: classes may stand one behind the other."""
    n = len(pixels)
    return pixels[np.linspace(0, n - 1, min(n, _N_MEASURED)).astype(np.int64)]


def _is_grey(pixels: Pixels) -> bool:
    some = pixels[:: max(1, len(pixels) // _N_MEASURED)]  # over all: classes may stand one behind the other
    return bool((some[..., 0] == some[..., 1]).all() and (some[..., 0] == some[..., 2]).all())


def _statistics(pixels: Pixels, *, is_grey: bool) -> tuple[RGB, RGB]:
    """Return mean and deviation of the channels, of values from 0 to 1; three equal ones for a network that sees grey."""
    some = pixels[:: max(1, len(pixels) // _N_MEASURED)].astype(np.float32) / 255
    some = some.mean(3, keepdims=True) if is_grey else some
    mean, std = some.mean((0, 1, 2)), np.maximum(some.std((0, 1, 2)), 1 / 255)
    return _three(mean), _three(std)


def _three(values: NDArray[np.float32]) -> RGB:
    red, green, blue = map(float, np.broadcast_to(values, 3))
    return red, green, blue
