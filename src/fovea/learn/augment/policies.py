"""Which operations a policy is made of, how strong, and which policy suits which pictures. Without torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from fovea.errors import InputError

OPERATIONS: Mapping[str, str] = MappingProxyType(
    {
        "flip": "mirrored left and right, one in two",
        "crop": "a window of 35 to 100 % of the area",
        "zoom": "larger or smaller by up to 1.25",
        "shift": "moved by up to an eighth",
        "rotate": "turned by up to 15 degrees",
        "shear": "slanted by up to 10 degrees",
        "perspective": "tilted",
        "stretch": "wider or higher by up to 1.2",
        "hue": "hue turned by up to a twentieth",
        "saturation": "colours stronger or weaker by 40 %",
        "brightness": "lighter or darker by 30 %",
        "contrast": "contrast higher or lower by 30 %",
        "blur": "blurred, three in ten",
        "erase": "a rectangle covered, one in four",
        "randaugment": "two of torchvision's 14 operations",
        "trivialaugment": "one of torchvision's 14 operations, of any strength",
    }
)
"""Every operation, and what it does at strength 1."""

POLICIES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "none": {},
        "light": {"flip": 1, "shift": 1},
        "standard": {"flip": 1, "crop": 1, "brightness": 0.7, "contrast": 0.7, "saturation": 0.5},
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
        "glyphs": {"shift": 0.6, "zoom": 0.6, "rotate": 0.8, "shear": 0.8, "stretch": 0.6},
        "randaugment": {"flip": 1, "shift": 1, "randaugment": 1},
        "trivialaugment": {"flip": 1, "shift": 1, "trivialaugment": 1},
    }
)
"""The strength of each operation; "glyphs" is for digits and letters."""

SMALL_PX = 64
FEW = 5_000


@dataclass(frozen=True, slots=True)
class Looks:
    """What pictures allow: whether a mirrored one still shows its class, whether they have colours."""

    may_mirror: bool = True
    has_colour: bool = True


def operations_of(policy: str, *, looks: Looks) -> dict[str, float]:
    """Return operation -> strength of a policy (without what the looks forbid), or of "NAME,NAME" as they are named.

    Raises InputError for an unknown name.
    """
    if policy not in POLICIES:
        return dict.fromkeys(_named(policy), 1.0)
    forbidden = [
        *([] if looks.may_mirror else ["flip"]),
        *([] if looks.has_colour else ["hue", "saturation"]),
    ]
    return {name: strength for name, strength in POLICIES[policy].items() if name not in forbidden}


def _named(wish: str) -> list[str]:
    names = [name.strip() for name in wish.split(",")]
    for name in names:
        if name not in OPERATIONS:
            near = get_close_matches(name, _both(), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"There is no augmentation {name!r}.{hint} Give one of auto, {', '.join(POLICIES)}, or operations "
                f"with commas between: {', '.join(OPERATIONS)}."
            )
    return names


def _both() -> Iterable[str]:
    return dict.fromkeys(("auto", *POLICIES, *OPERATIONS))


def choose_policy(n_pictures: int, *, side_px: int, looks: Looks) -> str:
    """Return the policy for so many pictures to learn from, of this shorter side at training, by their looks.

    Grey pictures that must not be mirrored are taken for digits or letters. Small photographs get RandAugment while they
    are few, else shifts and mirroring; larger ones crops and light.
    """
    if not looks.may_mirror and not looks.has_colour:
        return "glyphs"
    if side_px <= SMALL_PX:
        # 1,000 of CIFAR-10, 50 epochs of a small network: 60.4 % by randaugment, 57.4 trivialaugment, 57.1 light,
        # 56.7 standard, 53.6 none, 52.4 strong.
        return "randaugment" if n_pictures < FEW else "light"
    return "standard"
