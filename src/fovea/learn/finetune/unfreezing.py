"""How much learns, where the first block that does is named: by the path of a module, or as the papers number layers."""

from fovea.errors import InputError
from fovea.nets.places import aliases_of
from fovea.nets.trainable import Trainable
from fovea.wording import did_you_mean


def count_unfrozen(unfreeze: int | str, trainable: Trainable) -> int | str:
    """Return the number of last blocks that learn where `unfreeze` names the first of them, else what was given.

    Raises InputError for a name that no block has; the closest one is told.
    """
    if isinstance(unfreeze, int) or unfreeze in ("auto", "all"):
        return unfreeze
    blocks, card = trainable.blocks, trainable.card
    numbers = {name: number for number, block in enumerate(blocks) for name in block}
    order = [name for name, _ in trainable.network.named_modules()]
    known = dict(numbers)
    for alias, module in aliases_of(card.library, card.architecture).items():
        # The papers' layers end with their ReLU, which is no block's first module.
        before = [numbers[name] for name in order[: order.index(module) + 1] if name in numbers]
        known[alias] = max(before)
    if unfreeze not in known:
        raise InputError(
            f"{card.architecture} has no block {unfreeze!r}{did_you_mean(unfreeze, known)}. --unfreeze takes the first block that "
            f"shall learn, of {', '.join(block[0] for block in blocks)}; or how many of the last ones, all, or auto."
        )
    return len(blocks) - known[unfreeze]
