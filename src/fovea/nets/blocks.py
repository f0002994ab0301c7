"""The blocks of a network in running order: what is counted from the end when only the last ones shall learn.

A block is a stage (all of a row of modules at one resolution), a convolution of a plain row such as VGG's, or a fully
connected layer; modules without weights and norms belong to the block before them. What only holds modules, and never runs
itself, is none: they are.
"""

from typing import TYPE_CHECKING

from fovea.nets.layers import observe

if TYPE_CHECKING:
    import torch

_NEARLY_ALL = (
    0.9  # of the weights: a container that holds so much of a network is its trunk, as of a transformer
)


def find_blocks(network: "torch.nn.Module", *, size_px: int) -> tuple[tuple[str, ...], ...]:
    """Return the blocks in running order, each as the paths of its modules in running order.

    The classifier stands with the block before it, but alone behind another fully connected layer (VGG's fc8).
    Raises BackboneError where the network cannot be run on pictures of `size_px`.
    """
    layers = observe(network, size_px=size_px)
    space = {layer.name: layer.space for layer in layers}
    order = {layer.name: number for number, layer in enumerate(layers)}
    n_all = _n_weights(network)

    def parts(name: str, module: "torch.nn.Module") -> list[str]:
        children = [
            (f"{name}.{child}".lstrip("."), one) for child, one in module.named_children() if _n_weights(one)
        ]
        rows = [child for child, _ in children if child in order]
        spaces = {space[child] for child in rows}
        is_trunk = _n_weights(module) > _NEARLY_ALL * n_all
        several = len(spaces) > 1 or _n_linear(module) > 1
        if not name or name not in order or is_trunk or (_is_row(module) and several):
            within = [part for child, one in children for part in parts(child, one)]
            if any(
                part in order for part in within
            ):  # not so of a layer of keras, which holds its weights in a module
                return within
        return [name]

    found = sorted((part for part in parts("", network) if part in order), key=order.__getitem__)
    flat = {name for name in found if not space[name]}
    dense = {name for name in flat if _is_dense(network.get_submodule(name))}
    return _joined(network, found, flat=flat, dense=dense)


def _joined(
    network: "torch.nn.Module", names: list[str], *, flat: set[str], dense: set[str]
) -> tuple[tuple[str, ...], ...]:
    """Put norms to the block before, and the classifier too unless a fully connected layer stands before it."""
    blocks: list[list[str]] = []
    for name in names:
        is_small = not _n_layers(network.get_submodule(name))
        is_last = name == names[-1] and name in flat
        if blocks and (is_small or (is_last and not set(blocks[-1]) <= dense)):
            blocks[-1].append(name)
        else:
            blocks.append([name])
    return tuple(tuple(block) for block in blocks)


def _is_row(module: "torch.nn.Module") -> bool:
    import torch

    return isinstance(module, torch.nn.Sequential | torch.nn.ModuleList | torch.nn.ModuleDict)


def _n_linear(module: "torch.nn.Module") -> int:
    import torch

    return sum(isinstance(one, torch.nn.Linear) for one in module.children())


def _is_dense(module: "torch.nn.Module") -> bool:
    return all(parameter.ndim < 3 for parameter in module.parameters())


def _n_layers(module: "torch.nn.Module") -> int:
    """Return the number of weights with more than one axis."""
    return sum(parameter.ndim > 1 for parameter in module.parameters())


def _n_weights(module: "torch.nn.Module") -> int:
    return sum(parameter.numel() for parameter in module.parameters())
