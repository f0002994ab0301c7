"""Packs the training pictures of fovea-tiny into one zip: WebP at a short side of 208 px, no labels.

    prepare.py SHARED OUT.zip        SHARED holds data/ (see its README for the sets and their terms)

Taken: the training parts of products, ants_bees, flowers, imagenet and captions, 4,000 pictures of CIFAR-10's training
batches and 3,000 of MNIST's. Never taken: boxes and scraped, which measure transfer to unseen pictures, every
validation part, and what is nearly the same as one of those (mean difference over 16 x 16 grey under 6 of 255).
"""

import csv
import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

SHORT_PX = 208
NEAR = 6.0


def taken_and_held(data: Path) -> tuple[list[Path], list[Path]]:
    """Return the pictures to train on and those that must stay unseen."""
    taken, held = [], []
    for name, train in (("products", "train"), ("ants_bees", "train"), ("flowers", "train")):
        for path in sorted((data / name).rglob("*")):
            if path.is_file():
                (taken if train in path.relative_to(data / name).parts else held).append(path)
    for table, folder in (
        ("imagenet/pictures.csv", "imagenet"),
        ("captions/captions.csv", "captions/images"),
    ):
        with (data / table).open(encoding="utf-8") as lines:
            rows = {row["path"]: row["split"] for row in csv.DictReader(lines)}
        for path, split in rows.items():
            (taken if split == "train" else held).append(data / folder / path)
    held += sorted((data / "boxes").rglob("*.jpg")) + sorted((data / "scraped" / "pictures").iterdir())
    return taken, held


def read(path: Path) -> Image.Image | None:
    """Return the picture as RGB, or None where it cannot be read."""
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except OSError:
        return None


def grey(picture: Image.Image) -> np.ndarray:
    """Return 16 x 16 grey values, float32 (256,), 0 to 255."""
    small = picture.convert("L").resize((16, 16), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel()


def webp(picture: Image.Image, quality: int = 82) -> bytes:
    """Return the picture as WebP bytes."""
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=quality, method=4)
    return out.getvalue()


def cifar_pictures(data: Path, n: int) -> list[Image.Image]:
    """Return the first `n` pictures of CIFAR-10's first training batch (mosaics of 25 x 40)."""
    pictures: list[Image.Image] = []
    for k in range(n // 1000):
        mosaic = np.asarray(Image.open(data / "cifar10" / f"data_batch_1_{k}.webp").convert("RGB"))
        tiles = mosaic.reshape(25, 32, 40, 32, 3).transpose(0, 2, 1, 3, 4).reshape(1000, 32, 32, 3)
        pictures += [Image.fromarray(tile) for tile in tiles]
    return pictures


def mnist_pictures(data: Path, n: int) -> list[Image.Image]:
    """Return the first `n` training digits."""
    raw = gzip.decompress((data / "mnist" / "train-images-idx3-ubyte.gz").read_bytes())
    digits = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)[:n]
    return [Image.fromarray(digit).convert("RGB") for digit in digits]


def main(shared: Path, out: Path) -> None:
    """Write the zip and say what is in it."""
    data = shared / "data"
    taken, held = taken_and_held(data)
    unseen = np.stack([grey(picture) for path in held if (picture := read(path)) is not None])
    n_written, n_near = 0, 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in taken:
            picture = read(path)
            if picture is None or min(picture.size) < 16:
                continue
            if np.abs(unseen - grey(picture)).mean(axis=1).min() < NEAR:
                n_near += 1
                continue
            scale = SHORT_PX / min(picture.size)
            if scale < 1:
                picture = picture.resize(
                    (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
                )
            archive.writestr(f"{n_written:06d}.webp", webp(picture))
            n_written += 1
        for picture in cifar_pictures(data, 4000) + mnist_pictures(data, 3000):
            archive.writestr(f"{n_written:06d}.webp", webp(picture, quality=90))
            n_written += 1
    print(
        f"{n_written} pictures, {n_near} left out as near copies of held-out ones, {out.stat().st_size / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
