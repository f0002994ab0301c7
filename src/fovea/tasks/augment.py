"""What training will see of a picture, or of a set's pictures: the augmentation that it would choose, and every other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fovea.errors import InputError, MissingExtraError
from fovea.features import Preprocess
from fovea.learn.pixels import Pixels, try_pixels
from fovea.manifest import Manifest, Row, read_source
from fovea.nets import import_torchvision
from fovea.pages import AugmentPage, Strip, draw_sheet, render_augment
from fovea.progress import Progress, silent
from fovea.tasks.options import configure
from fovea.tasks.train.input_size import usual_side
from fovea.tasks.written import require_free, write_whole

if TYPE_CHECKING:
    from fovea.learn.augment import Augmentation, Looks

PICTURE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".heic",
    ".heif",
    ".avif",
)
N_LOOKED_AT = 2000
LOOK_PX = 32
USUAL_PX, LEAST_PX = 224, 8
N_ORIGINALS = 6
N_ALONE = 6
SMALLEST_TILE_PX = 128


@dataclass(frozen=True, slots=True)
class Config:
    """Which pictures to augment, how, and where to show it; `fovea augment` has an option for each.

    `size_px` None is what training takes: small pictures' own size, else 224.
    """

    photo: Path
    out: Path = Path("augment.html")
    augment: str = "auto"
    size_px: int | None = None
    n: int = 12
    seed: int = 0
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What was shown and where. `strengths` are the operations of the policy that training would use, by name."""

    out: Path
    policy: str
    strengths: Mapping[str, float]
    may_mirror: bool
    has_colour: bool
    n_pictures: int
    notes: tuple[str, ...]
    page: AugmentPage = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "out": str(self.out),
            "policy": self.policy,
            "strengths": dict(self.strengths),
            "may_mirror": self.may_mirror,
            "has_colour": self.has_colour,
            "n_pictures": self.n_pictures,
            "notes": list(self.notes),
        }


def augment(photo: str | Path, *, progress: Progress = silent, **settings: Any) -> Result:
    """Write a page (or a PNG) of augmented copies of a picture, or of pictures of a set; see `Config`.

    Raises:
        InputError: no picture is there, or an unknown augmentation.
        OutputError: the page cannot be written, or something is there already.
        MissingExtraError: torch is not installed.
    """
    if "out" in settings:
        settings["out"] = Path(settings["out"])
    return run(configure(Config, {"photo": Path(photo), **settings}), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Show what `config` says; see `augment`."""
    _check(config)
    try:
        import_torchvision()
    except ImportError as error:
        raise MissingExtraError(
            "Pictures are augmented by torch and torchvision, as in training. Install them: "
            'pip install "fovea-vision[torch]".'
        ) from error
    manifest, rows = _read(config)
    size_px = config.size_px or _size_of(manifest, rows)
    originals = _originals(manifest, rows, config, size_px=size_px)
    chosen, looks = _choose(manifest, rows, config, size_px=size_px, progress=progress)
    notes = _notes(config, looks=looks, size_px=size_px, n_pictures=len(rows), classes=manifest.class_names)
    page = _page(config, originals, chosen, looks=looks, notes=notes)
    content = draw_sheet(page) if _is_sheet(config.out) else render_augment(page).encode()
    write_whole(config.out, content, option="--out")
    return Result(
        out=config.out,
        policy=chosen.policy,
        strengths=chosen.strengths,
        may_mirror=looks.may_mirror,
        has_colour=looks.has_colour,
        n_pictures=len(rows),
        notes=page.notes,
        page=page,
    )


def _check(config: Config) -> None:
    if config.out.suffix.lower() not in (".html", ".htm", ".png"):
        raise InputError(
            f"--out {str(config.out)!r} says neither page nor picture; end its name in .html or .png."
        )
    size_px = USUAL_PX if config.size_px is None else config.size_px
    if size_px < LEAST_PX or config.n < 1:
        raise InputError(f"--size {size_px} with -n {config.n}: give {LEAST_PX} pixels and 1 copy at least.")
    require_free(config.out, option="--out")


def _is_sheet(out: Path) -> bool:
    return out.suffix.lower() == ".png"


def _read(config: Config) -> tuple[Manifest, list[Row]]:
    """Return the source and its rows to train on: labelled ones, or any pictures where there are no classes."""
    try:
        if config.photo.is_file() and config.photo.suffix.lower() in PICTURE_SUFFIXES:
            manifest = read_source(config.photo, labelled=False)
        else:
            manifest = read_source(config.photo)
    except InputError:
        if not config.photo.exists():
            raise
        manifest = read_source(config.photo, labelled=False)
    rows = [row for row in manifest.rows if not row.problem and row.split in ("", "train")]
    if not rows:
        raise InputError(f"There is no picture to show at {str(config.photo)!r}.")
    return manifest, rows


def _size_of(manifest: Manifest, rows: Sequence[Row]) -> int:
    """Return the height and width at which training takes the pictures: a network from scratch leaves small ones as they are."""
    from fovea.learn.augment.policies import SMALL_PX

    side_px = usual_side(manifest.with_rows(rows), np.arange(len(rows)))
    return max(side_px, LEAST_PX) if side_px <= SMALL_PX else USUAL_PX


def _originals(manifest: Manifest, rows: Sequence[Row], config: Config, *, size_px: int) -> Pixels:
    """Return a few readable pictures uint8 (m, size, size, 3), the same for the same seed."""
    order = np.random.default_rng(config.seed).permutation(len(rows))[: 4 * N_ORIGINALS]
    reads = [partial(manifest.read, rows[k]) for k in order]
    made = try_pixels(reads, preprocess=Preprocess(size_px, size_px), threads=config.threads)
    fine = [k for k, problem in enumerate(made.problems) if not problem]
    if not fine:
        raise InputError(f"{str(manifest.file(rows[order[0]]))!r} cannot be shown: {made.problems[0]}.")
    return made.pixels[fine[:N_ORIGINALS]]


def _choose(
    manifest: Manifest, rows: Sequence[Row], config: Config, *, size_px: int, progress: Progress
) -> tuple["Augmentation", "Looks"]:
    """Return the augmentation that training on the pictures would use, and what they allow."""
    from fovea.learn.augment import augmentation, choose_policy, measure_looks

    order = np.random.default_rng(config.seed).permutation(len(rows))[:N_LOOKED_AT]
    reads = [partial(manifest.read, rows[k]) for k in order]
    small = Preprocess(LOOK_PX, LOOK_PX)
    made = try_pixels(reads, preprocess=small, threads=config.threads, progress=progress)
    fine = [k for k, problem in enumerate(made.problems) if not problem]
    names = {name: number for number, name in enumerate(manifest.class_names)}
    labels = np.array([names.get(rows[order[k]].label or "", 0) for k in fine], np.int64)
    looks = measure_looks(made.pixels[fine], labels if names else None, seed=config.seed)
    policy = config.augment
    if policy == "auto":
        policy = choose_policy(len(rows), side_px=size_px, looks=looks)
    return augmentation(policy, looks=looks), looks


def _page(
    config: Config, originals: Pixels, chosen: "Augmentation", *, looks: "Looks", notes: Sequence[str]
) -> AugmentPage:
    from fovea.learn.augment import OPERATIONS, POLICIES, augmentation, augmented_copies

    def strip(name: str, meaning: str) -> Strip:
        one = augmentation(name, looks=looks)
        copies = augmented_copies(originals, one, n=N_ALONE, seed=config.seed + 1)
        return Strip(name, meaning, _jpegs(copies))

    samples = augmented_copies(originals, chosen, n=config.n, seed=config.seed)
    alone = {name: meaning for name, meaning in OPERATIONS.items() if name not in POLICIES}
    return AugmentPage(
        title=config.photo.name or str(config.photo),
        policy=chosen.policy,
        parts=_in_words(chosen.strengths),
        originals=_jpegs(originals),
        samples=_jpegs(samples),
        policies=tuple(
            strip(name, _in_words(augmentation(name, looks=looks).strengths)) for name in POLICIES
        ),
        operations=tuple(strip(name, meaning) for name, meaning in alone.items()),
        source=str(config.photo),
        notes=tuple(notes),
    )


def _in_words(strengths: Mapping[str, float]) -> str:
    told = [name if strength == 1 else f"{name} x {strength:g}" for name, strength in strengths.items()]
    return ", ".join(told) or "nothing"


def _notes(
    config: Config, *, looks: "Looks", size_px: int, n_pictures: int, classes: Sequence[str]
) -> list[str]:
    notes = []
    if config.size_px is None and size_px < USUAL_PX:
        notes.append(
            f"Shown at {size_px} px, as a network from scratch takes pictures this small. Fine-tuning enlarges them to its "
            f"network's input: --size {USUAL_PX} shows that."
        )
    if config.augment == "auto" and n_pictures == 1:
        notes.append(
            "What training chooses (auto) depends on how many pictures there are and on what they allow; one picture is "
            "shown as one of a few. Name the folder to see what its training would do."
        )
    if not looks.may_mirror:
        notes.append(
            "Nothing is mirrored: mirrored copies of these pictures do not look like their class."
            if n_pictures > 1 and classes
            else "Nothing is mirrored: grey pictures may show digits or text."
        )
    return notes


def _jpegs(pictures: Pixels) -> tuple[bytes, ...]:
    """Return pictures uint8 (n, h, w, 3) as JPEG; small ones are enlarged so that their pixels can be seen."""
    from PIL import Image

    made = []
    for one in pictures:
        image = Image.fromarray(one)
        factor = -(-SMALLEST_TILE_PX // min(image.size))
        if factor > 1:
            image = image.resize((factor * image.width, factor * image.height), Image.Resampling.NEAREST)
        target = BytesIO()
        image.save(target, "JPEG", quality=85)
        made.append(target.getvalue())
    return tuple(made)
