"""What may mend what the curves of a training show, in the words of who trained: options of a command, or `fovea.fit`'s keywords.

Nothing that was in effect already, that does nothing here, or that would be refused. Every function takes `used`: see `diagnose`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Used: TypeAlias = Mapping[str, Any]

_HIGHEST = 1.0  # usual rate of any optimiser (Adadelta's)
_MOST_DROPOUT = 0.5
_STRONG_DECAY = 0.05
_DECOUPLED = ("adamw", "muon")  # of others the same decay is far stronger


def change_rate(used: Used, rates: Sequence[float], factor: float) -> str:
    """Return the rate used times `factor`, else the highest of those told; one that is found where that is above all usual ones."""
    lr = used.get("lr") or max(rates, default=0.0)
    if used.get("is_module"):
        return f"a learning rate of {_rounded(min(lr * factor, _HIGHEST))}" if lr else "a lower learning rate"
    if lr * factor > _HIGHEST:
        return "--lr find"
    return f"--lr {_rounded(lr * factor)}" if lr else "a lower --lr"


def _rounded(rate: float) -> str:
    return f"{float(f'{rate:.1g}'):g}"


def shorten_gradients(used: Used) -> str:
    """Return the limit on their length; "" where there is one."""
    clip = used.get("clip")
    return "" if clip is not None and clip <= 1 else _option(used, "clip", 1)


def compute_exactly(used: Used) -> str:
    """Return float32; "" where it is computed in."""
    if used.get("precision", "f32") == "f32":
        return ""
    return "compute='f32'" if used.get("is_module") else "--compute f32"


def let_units_live(used: Used) -> str:
    """Return an activation whose units do not die; "" where none can be chosen."""
    if used.get("is_module"):
        return "an activation that is nowhere flat, such as LeakyReLU"
    return "--activation leaky" if used.get("net") and used.get("has_activation", True) else ""


def let_gradients_through(used: Used) -> str:
    """Return a network through which gradients come down; "" where one is trained further."""
    if used.get("is_module"):
        return "ReLU for other activations, weights drawn by He's rule, or shortcuts around the layers"
    if not used.get("net"):
        return ""
    relu = "--activation relu " if used.get("has_activation", True) else ""
    he = f"{relu}--init he, or " if used.get("has_init", True) else ""
    return f"{he}a network with shortcuts: --net resnet20"


def train_longer(used: Used, n_epochs: int) -> str:
    """Return a number of epochs."""
    return _option(used, "epochs", n_epochs)


def allow_more_seconds(used: Used) -> str:
    """Return more time."""
    return "more seconds" if used.get("is_module") else "a larger --budget"


def learn_less_by_heart(used: Used, *, n_epochs: int | None = None) -> str:
    """Return what keeps a network from it: sooner, more augmentation or more dropout than there was, and more pictures."""
    steps = [train_longer(used, n_epochs)] if n_epochs else []
    mixup = [] if used.get("mixup") or used.get("cutmix") else [_option(used, "mixup", 0.2)]
    if used.get("is_module"):
        steps += [*mixup, "more dropout in the module", "stronger augmentation in the loaders"]
        return f"{together(used, *steps)}, or more pictures"
    if used.get("augment") != "strong":
        steps.append("--augment strong")
    dropout = used.get("dropout", 0.0)
    if dropout is not None and dropout < _MOST_DROPOUT:
        steps.append(f"--dropout {min(_MOST_DROPOUT, dropout + 0.2):.1f}")
    more = "more pictures" if used.get("teacher") is None else "more pictures (--unlabelled)"
    steps = steps or mixup + _more_decay(used)
    return f"{together(used, *steps)}, or {more}" if steps else more


def _more_decay(used: Used) -> list[str]:
    optimizer = used.get("optimizer", "adamw")
    has_own = used.get("net") == "fast" and optimizer == "muon"
    is_strong = (used.get("weight_decay") or 0.0) >= _STRONG_DECAY
    return (
        [f"--weight-decay {_STRONG_DECAY:g}"]
        if optimizer in _DECOUPLED and not (has_own or is_strong)
        else []
    )


def learn_more(used: Used) -> str:
    """Return a network that can learn more."""
    if used.get("is_module"):
        return "a larger module, or more of it that learns"
    if used.get("net"):
        return "a larger network (--net)"
    return f"{'' if used.get('is_whole') else '--unfreeze all, or '}a larger network (--backbone)"


def together(used: Used, *steps: str) -> str:
    """Return these steps, those that are not empty, as one."""
    return (", " if used.get("is_module") else " ").join(step for step in steps if step)


def _option(used: Used, name: str, value: float) -> str:
    return f"{name}={value:g}" if used.get("is_module") else f"--{name} {value:g}"
