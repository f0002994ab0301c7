"""Making a network quick to train on a processor, its answers unchanged: norms folded, strided depthwise gradients repaired.

In: a network whose batch-norm statistics stay as they are. Out: the same module, changed in place inside a `with` block, and
given back in its own form with what it learned.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

_SAME = 1e-3  # of the largest value: folding changes rounding only


@contextmanager
def quickened(network: nn.Module, *, example: Tensor) -> Iterator[None]:
    """Fold frozen batch norms into the convolutions before them, and compute strided depthwise gradients another way.

    `example` float32 (n, ...) is an input of the network: where folding would change its answer, nothing is folded. The
    network may be moved to another device meanwhile.
    """
    folded = _fold(network, example.to(next(network.parameters()).device))
    swapped = [one for one in network.modules() if _is_strided_depthwise(one)]
    classes = [type(one) for one in swapped]
    for one, kind in zip(swapped, classes, strict=True):
        one.__class__ = _StridedDepthwise if kind is nn.Conv2d else _StridedDepthwiseSame
    try:
        yield
    finally:
        for one, kind in zip(swapped, classes, strict=True):
            one.__class__ = kind
        for pair in folded:
            _unfold(pair)


class _Passing(nn.BatchNorm2d):
    """A batch norm that does nothing, for it is in the convolution before it."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class _PassingOn(nn.BatchNorm2d):
    """The same for timm's batch norm, which holds the activation behind it."""

    def forward(self, x: Tensor) -> Tensor:
        own = cast("Any", self)
        return own.act(own.drop(x))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class _Folded:
    """A batch norm that is in its convolution, and how both were."""

    conv: nn.Conv2d
    norm: nn.BatchNorm2d
    kind: type
    had_bias: bool
    learned: bool


def _fold(network: nn.Module, example: Tensor) -> list[_Folded]:
    """Fold every batch norm that follows a convolution directly; return what `_unfold` needs of each."""
    with torch.no_grad():
        pairs, whole = _pairs(network, example)
        held = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        folded = [
            _Folded(conv, norm, type(norm), conv.bias is not None, norm.weight.requires_grad)
            for conv, norm in pairs
        ]
        for conv, norm in pairs:
            _fold_one(conv, norm)
        now = network.eval()(example)
        if float((now - whole).abs().max()) <= _SAME * max(float(whole.abs().max()), 1e-9):
            return folded
        for pair in folded:
            _unfold(pair)
        network.load_state_dict(held)
        return []


def _pairs(network: nn.Module, example: Tensor) -> tuple[list[tuple[nn.Conv2d, nn.BatchNorm2d]], Tensor]:
    """Return convolutions with the batch norm that takes their output, and the network's answer to the example."""
    outputs: list[tuple[nn.Conv2d, Tensor]] = []
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def made(module: nn.Module, inputs: Any, output: Any) -> None:
        outputs.append((cast("nn.Conv2d", module), output))

    def taken(module: nn.Module, inputs: Any) -> None:
        pairs.extend(
            (conv, cast("nn.BatchNorm2d", module)) for conv, output in outputs if output is inputs[0]
        )

    hooks = []
    for one in network.modules():
        if isinstance(one, nn.Conv2d):
            hooks.append(one.register_forward_hook(made))
        elif _is_frozen_norm(one):
            hooks.append(one.register_forward_pre_hook(taken))
    try:
        answer: Tensor = network.eval()(example)
    finally:
        for hook in hooks:
            hook.remove()
    ran = [conv for conv, _ in outputs]
    once = [pair for pair in pairs if sum(conv is pair[0] for conv in ran) == 1]
    return [pair for pair in once if sum(norm is pair[1] for _, norm in pairs) == 1], answer


def _is_frozen_norm(module: nn.Module) -> bool:
    """Return whether a module is a batch norm with statistics of its own, torch's or timm's with an activation behind it."""
    if not isinstance(module, nn.BatchNorm2d) or module.running_mean is None or not module.affine:
        return False
    return type(module) is nn.BatchNorm2d or (hasattr(module, "act") and hasattr(module, "drop"))


def _fold_one(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
    gain = norm.weight * (variance + norm.eps).rsqrt()
    bias = norm.bias - mean * gain
    if conv.bias is not None:
        bias = bias + conv.bias * gain
    conv.weight.mul_(gain.reshape(-1, 1, 1, 1))
    conv.bias = nn.Parameter(bias.detach().clone(), requires_grad=norm.bias.requires_grad)
    mean.zero_()
    variance.fill_(1)
    norm.weight.fill_((1 + norm.eps) ** 0.5)
    norm.bias.zero_()
    norm.requires_grad_(False)
    norm.__class__ = _PassingOn if hasattr(norm, "act") else _Passing


def _unfold(pair: _Folded) -> None:
    """Give a batch norm its work back: the convolution keeps its weights, and the norm adds the bias."""
    conv, norm = pair.conv, pair.norm
    norm.__class__ = pair.kind
    norm.requires_grad_(pair.learned)
    if not pair.had_bias:
        with torch.no_grad():
            norm.bias.copy_(cast("Tensor", conv.bias))
        conv.bias = None


def _is_strided_depthwise(module: nn.Module) -> bool:
    if not isinstance(module, nn.Conv2d) or type(module).__name__ not in {"Conv2d", "Conv2dSame"}:
        return False
    return (
        module.groups == module.in_channels == module.out_channels > 1
        and module.stride == (2, 2)
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


class _StridedDepthwise(nn.Conv2d):
    """A depthwise convolution of stride 2 whose gradient is computed as one of stride 1.

    In bf16 on a processor torch 2.13 takes 4 to 30 times as long for it (lab/LOG.md), over half of a MobileNet's step.
    """

    def forward(self, x: Tensor) -> Tensor:
        """As the convolution's own."""
        weight, bias = self.weight, self.bias
        if x.device.type != "cpu":
            return super().forward(x)
        if torch.is_autocast_enabled("cpu"):
            kind = torch.get_autocast_dtype("cpu")
            x, weight, bias = x.to(kind), weight.to(kind), None if bias is None else bias.to(kind)
        out: Tensor = _Strided.apply(x, weight, bias, cast("tuple[int, int]", self.padding))  # type: ignore[no-untyped-call]
        return out


class _StridedDepthwiseSame(_StridedDepthwise):
    """The same for timm's convolution that pads as TensorFlow does: what is missing on the right and below more."""

    def forward(self, x: Tensor) -> Tensor:
        """As the convolution's own."""
        missing = [
            max((-(-size // 2) - 1) * 2 + kernel - size, 0)
            for size, kernel in zip(x.shape[2:], self.kernel_size, strict=True)
        ]
        (top, left), (bottom, right) = [one // 2 for one in missing], [one - one // 2 for one in missing]
        return super().forward(nn.functional.pad(x, (left, right, top, bottom)))


class _Strided(torch.autograd.Function):
    """A depthwise convolution of stride 2; the gradient of its input is a convolution of the gradient with zeros between."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.has_bias = padding, bias is not None
        return nn.functional.conv2d(x, weight, bias, 2, padding, 1, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        n, groups = len(x), len(weight)
        of_x = None
        if ctx.needs_input_grad[0]:
            kernel, padding = weight.shape[2:], ctx.padding
            size = [x.shape[2 + axis] + 2 * padding[axis] - kernel[axis] + 1 for axis in (0, 1)]
            apart = gradient.new_zeros((n, groups, *size)).contiguous(memory_format=torch.channels_last)
            apart[:, :, ::2, ::2] = gradient
            around = [kernel[axis] - 1 - padding[axis] for axis in (0, 1)]
            of_x = nn.functional.conv2d(apart, weight.flip(2, 3), None, 1, around, 1, groups)
        told = torch.ops.aten.convolution_backward(
            gradient,
            x,
            weight,
            [groups],
            [2, 2],
            ctx.padding,
            [1, 1],
            False,
            [0, 0],
            groups,
            [False, True, ctx.has_bias],
        )
        return of_x, told[1], told[2] if ctx.has_bias else None, None
