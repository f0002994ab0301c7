"""Augmentation of batches (n, c, h, w), every picture with random numbers of its own, the same for the same generator."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from fovea.learn.augment.automatic import SPACES, automatic
from fovea.learn.augment.colour import COLOURS, recolour
from fovea.learn.augment.covering import blur, erase
from fovea.learn.augment.geometry import GEOMETRY, Draw, sample
from fovea.learn.augment.policies import Looks, operations_of

_COVERING = {"blur": blur, "erase": erase}
_UNMIRRORED = "border"  # a mirrored edge would show mirrored signs


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Operations and their strengths; called with a batch and a generator, it returns the batch changed.

    `policy` is what it was made by, `padding` what is seen beyond a picture's edge ("reflection" or "border").
    """

    policy: str
    strengths: Mapping[str, float]
    padding: str = "reflection"

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return pictures (n, c, h, w), c 3 or 1, like those given: uint8 (0 to 255), or floating (0 to 1)."""
        if not self.strengths or not len(x):
            return x
        if x.is_floating_point():
            levels = (255 * x).round().clamp(0, 255).to(torch.uint8)
            return self(levels, generator).to(x.dtype) / 255

        def draw() -> Tensor:
            return torch.rand(len(x), generator=generator, device=generator.device).cpu()

        if "flip" in self.strengths:
            mirrored = (draw() < 0.5).to(x.device)
            x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
        x = self._changed(x, draw)
        for name, space in SPACES.items():
            if name in self.strengths:
                x = automatic(x, draw, space=space, strength=self.strengths[name], padding=self.padding)
        return x

    def describe(self) -> str:
        """Say which it is, and whether these pictures are not mirrored because that would change what they show."""
        is_told = self.strengths and self.padding == _UNMIRRORED and "flip" not in self.strengths
        return f"{self.policy!r}, nothing mirrored" if is_told else repr(self.policy)

    def _changed(self, x: Tensor, draw: Draw) -> Tensor:
        """Return the pictures after geometry, colour, blur and erasing, in floating point until the end."""
        if not any(name in self.strengths for name in (*GEOMETRY, *COLOURS, *_COVERING)):
            return x
        changed = self._recoloured(self._moved(x.float(), draw), draw)
        for name, operation in _COVERING.items():
            if name in self.strengths:
                changed = operation(changed, draw, self.strengths[name])
        return changed.round_().clamp_(0, 255).to(torch.uint8)

    def _moved(self, x: Tensor, draw: Draw) -> Tensor:
        shape = (x.shape[2], x.shape[3])
        matrices = [
            make(draw, self.strengths[name], shape)
            for name, make in GEOMETRY.items()
            if name in self.strengths
        ]
        return sample(x, reduce(torch.matmul, matrices), padding=self.padding) if matrices else x

    def _recoloured(self, x: Tensor, draw: Draw) -> Tensor:
        wanted = [(make, self.strengths[name]) for name, make in COLOURS.items() if name in self.strengths]
        if not wanted:
            return x
        mean = x.mean((2, 3)).expand(-1, 3).cpu()
        maps = torch.eye(4).expand(len(x), 4, 4)
        for make, strength in wanted:
            now = (maps[:, :3, :3] @ mean[:, :, None])[:, :, 0] + maps[:, :3, 3]
            maps = make(draw, strength, now) @ maps
        return recolour(x, maps)


def augmentation(
    policy: str | tuple[str, ...], *, strength: float = 1.0, looks: Looks | None = None
) -> Augmentation:
    """Return what augments batches by a policy's name, or by names of operations, in a tuple or with commas between.

    `strength` multiplies that of every operation; `looks` says what the pictures allow (see `measure_looks`).
    Raises InputError for an unknown policy or operation.
    """
    looks = looks or Looks()
    policy = policy if isinstance(policy, str) else ",".join(policy)
    wanted = {name: strength * one for name, one in operations_of(policy, looks=looks).items()}
    return Augmentation(policy, wanted, padding="reflection" if looks.may_mirror else _UNMIRRORED)


@dataclass(frozen=True, slots=True)
class Normalise:
    """Makes network input of pictures: (x / 255 - mean) / deviation, by channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Return float32 (n, c, h, w) of uint8 (n, c, h, w)."""
        mean, std = (torch.tensor(one, device=x.device)[:, None, None] for one in (self.mean, self.std))
        return torch.addcmul(-mean / std, x.float(), 1 / (255 * std))


def normalise(mean: tuple[float, ...], std: tuple[float, ...]) -> Normalise:
    """Return what makes float32 (n, c, h, w) network input of uint8 pictures; both given for values from 0 to 1."""
    return Normalise(tuple(mean), tuple(std))
