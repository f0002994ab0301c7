"""Augmentation of batches: uint8 (n, c, h, w) in and out, every picture with random numbers of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType

import torch
from torch import Tensor

from fovea.learn.augment.colour import COLOURS, recolour
from fovea.learn.augment.covering import blur, erase
from fovea.learn.augment.geometry import GEOMETRY, Draw, sample
from fovea.learn.augment.policies import Looks, strengths_of


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Operations and their strengths; called with a batch and a generator, it returns the batch changed.

    `policy` is the name it was made by. The same batch, generator state and number of pictures give the same result.
    """

    policy: str
    strengths: MappingProxyType[str, float]
    padding: str

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return uint8 (n, c, h, w) of uint8 (n, c, h, w), c 3 or 1."""
        if not self.strengths or not len(x):
            return x
        device = x.device

        def draw() -> Tensor:
            return torch.rand(len(x), generator=generator, device=generator.device).to(device)

        changed = self._recoloured(self._moved(x.float(), draw), draw)
        for name, operation in (("blur", blur), ("erase", erase)):
            if name in self.strengths:
                changed = operation(changed, draw, self.strengths[name])
        return changed.round_().clamp_(0, 255).to(torch.uint8)

    def _moved(self, x: Tensor, draw: Draw) -> Tensor:
        aspect = x.shape[3] / x.shape[2]
        matrices = [
            make(draw, self.strengths[name], aspect)
            for name, make in GEOMETRY.items()
            if name in self.strengths
        ]
        return sample(x, reduce(torch.matmul, matrices), padding=self.padding) if matrices else x

    def _recoloured(self, x: Tensor, draw: Draw) -> Tensor:
        wanted = [(make, self.strengths[name]) for name, make in COLOURS.items() if name in self.strengths]
        if not wanted:
            return x
        mean = x.mean((2, 3)).expand(-1, 3)
        maps = torch.eye(4).expand(len(x), 4, 4)
        for make, strength in wanted:
            now = (maps[:, :3, :3] @ mean[:, :, None])[:, :, 0] + maps[:, :3, 3]
            maps = make(draw, strength, now) @ maps
        return recolour(x, maps)


def augmentation(
    policy: str | tuple[str, ...], *, strength: float = 1.0, looks: Looks | None = None
) -> Augmentation:
    """Return what augments batches by a policy's name, or by the names of operations.

    `strength` multiplies that of every operation; `looks` says what the pictures allow (`measure_looks`).
    Raises InputError for an unknown policy or operation.
    """
    looks = looks or Looks()
    wanted = {name: strength * one for name, one in strengths_of(policy, looks=looks).items()}
    return Augmentation(
        policy=policy if isinstance(policy, str) else ",".join(policy),
        strengths=MappingProxyType(wanted),
        padding="reflection" if looks.may_mirror else "border",
    )


def normalise(mean: tuple[float, ...], std: tuple[float, ...]) -> Callable[[Tensor], Tensor]:
    """Return what makes float32 (n, c, h, w) network input of uint8 pictures: (x / 255 - mean) / std, by channel."""
    scale = 1 / (255 * torch.tensor(std))
    offset = -torch.tensor(mean) / torch.tensor(std)

    def prepare(x: Tensor) -> Tensor:
        shape = (1, -1, 1, 1)
        return torch.addcmul(offset.view(shape).to(x.device), x.float(), scale.view(shape).to(x.device))

    return prepare
