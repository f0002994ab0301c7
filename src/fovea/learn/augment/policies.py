"""Which operations a policy is made of, how strong, and which policy suits how many pictures. Without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from fovea.errors import InputError

OPERATIONS = (
    "flip",
    "crop",
    "zoom",
    "shift",
    "rotate",
    "shear",
    "perspective",
    "stretch",
    "hue",
    "saturation",
    "brightness",
    "contrast",
    "blur",
    "erase",
)
AUTOMATIC = ("randaugment", "trivialaugment")
POLICIES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "none": {},
        "light": {"flip": 1, "shift": 1},
        "standard": {"flip": 1, "crop": 1, "brightness": 1, "contrast": 1, "saturation": 0.5},
        "strong": {
            "flip": 1,
            "crop": 1.2,
            "rotate": 1,
            "perspective": 0.7,
            "hue": 0.5,
            "saturation": 1,
            "brightness": 1.3,
            "contrast": 1.3,
            "blur": 0.5,
            "erase": 1,
        },
        "randaugment": {"flip": 1, "shift": 1},
        "trivialaugment": {"flip": 1, "shift": 1},
    }
)
"""The strength of each operation; the automatic ones come on top of these."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What pictures allow: whether a mirrored one still shows its class, whether they have colours."""

    may_mirror: bool = True
    has_colour: bool = True


def strengths_of(policy: str | tuple[str, ...], *, looks: Looks) -> dict[str, float]:
    """Return operation -> strength of a policy, or of operations by name, without what the looks forbid.

    Operations that are named one by one are taken as they are. Raises InputError for an unknown name.
    """
    if isinstance(policy, tuple):
        for name in policy:
            _require(name, OPERATIONS, kind="operation")
        return dict.fromkeys(policy, 1.0)
    _require(policy, POLICIES, kind="policy")
    forbidden = {
        *(() if looks.may_mirror else ("flip",)),
        *(() if looks.has_colour else ("hue", "saturation")),
    }
    return {name: strength for name, strength in POLICIES[policy].items() if name not in forbidden}


def _require(name: str, known: Mapping[str, object] | tuple[str, ...], *, kind: str) -> None:
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"There is no {kind} of augmentation {name!r}.{hint} There are: {', '.join(known)}.")


def choose_policy(n_pictures: int, *, looks: Looks) -> str:
    """Return the policy for so many pictures to learn from: the fewer, the stronger."""
    return "strong" if n_pictures < 1000 else "standard"
