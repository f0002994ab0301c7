"""Copies planted among product photos: how many are found at which precision, beside imagededup.

    python benchmarks/duplicates.py FOLDER [--products ../shared/data/products] [--weights FILE]
    PEER/bin/python benchmarks/duplicates.py FOLDER --peer

The first makes FOLDER/photos (the products, and of each of 300 different pictures drawn per alteration a copy: cut to 90 % of each
side anywhere, resized to 0.4 to 2 times, JPEG 40, mirrored) and searches it. The second, in an environment with imagededup,
computes its hashes; its convolutional network wants weights by download, so the same MobileNetV2 features are compared by
cosine instead, as it would. Wanted: recall 0.95 at precision 0.99. A pair counts as right where both show one planted original
(or are the same bytes); every other pair counts as wrong, and those found are listed to be looked at. For peers the recall is the
best over all their limits at that precision (minus the distance; 10 is their default). Raw numbers: benchmarks/results/.
"""

import argparse
import csv
import hashlib
import json
import shutil
import time
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"
KINDS = ("crop", "resize", "jpeg", "mirror")
N_EACH, PRECISION = 300, 0.99


def plant(products: Path, folder: Path) -> None:
    """Copy the products and plant altered copies; FOLDER/planted.csv says which."""
    from PIL import Image

    shutil.copytree(products, folder / "photos")
    different = {
        hashlib.sha256(path.read_bytes()).digest(): path
        for path in sorted((folder / "photos").rglob("*.jpg"))
    }
    originals = sorted(different.values())
    rng = np.random.default_rng(0)
    rows = []
    for kind in KINDS:
        for k in rng.choice(len(originals), N_EACH, replace=False).tolist():
            image = Image.open(originals[k]).convert("RGB")
            w, h = image.size
            if kind == "crop":
                x, y = rng.integers(w - round(0.9 * w) + 1), rng.integers(h - round(0.9 * h) + 1)
                image = image.crop((x, y, x + round(0.9 * w), y + round(0.9 * h)))
            elif kind == "resize":
                times = 2 ** rng.uniform(-1.3, 1)
                image = image.resize(
                    (max(1, round(times * w)), max(1, round(times * h))), Image.Resampling.LANCZOS
                )
            elif kind == "mirror":
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            target = originals[k].with_name(f"{originals[k].stem}-{kind}.jpg")
            image.save(target, quality=40 if kind == "jpeg" else 90)
            rows.append(
                (kind, *(str(path.relative_to(folder / "photos")) for path in (originals[k], target)))
            )
    with (folder / "planted.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


class Truth:
    """Which paths show the same: each has an origin, the hash of the bytes it was made from."""

    def __init__(self, folder: Path) -> None:
        photos = folder / "photos"
        with (folder / "planted.csv").open(newline="") as file:
            self.planted = list(csv.reader(file))
        of = {copy: original for _, original, copy in self.planted}
        self.origin = {
            (path := str(file.relative_to(photos))): hashlib.sha256(
                (photos / of.get(path, path)).read_bytes()
            ).hexdigest()
            for file in sorted(photos.rglob("*"))
            if file.is_file()
        }

    def is_right(self, one: str, other: str) -> bool:
        return self.origin[one] == self.origin[other]

    def recalls(self, units: dict[str, int]) -> dict[str, float]:
        """Return the share of planted copies in one group with their original, by kind and in all."""
        hits = [(kind, units.get(one, -1) == units.get(other, -2)) for kind, one, other in self.planted]
        by_kind = {name: float(np.mean([hit for kind, hit in hits if kind == name])) for name in KINDS}
        return {**by_kind, "all": float(np.mean([hit for _, hit in hits]))}


def measure(folder: Path, truth: Truth, **network: object) -> dict[str, object]:
    """Search with fovea; judge its groups and its single claims (this is a copy of that)."""
    import fovea

    begun = time.perf_counter()
    found = fovea.duplicates(folder / "photos", html=folder / f"duplicates-{time.time_ns()}.html", **network)
    seconds = time.perf_counter() - begun
    units = {one.path: number for number, group in enumerate(found.groups) for one in group}
    claims = [(one.path, one.copy_of) for one in found.removable]
    wrong = [claim for claim in claims if not truth.is_right(*claim)]
    pairs = [pair for group in found.groups for pair in combinations([one.path for one in group], 2)]
    n_near = found.count("near")
    return {
        "recall": truth.recalls(units),
        "precision_of_claims": 1 - len(wrong) / len(claims),
        "precision_of_near_claims": 1 - len(wrong) / max(1, n_near),
        "precision_of_pairs_in_groups": float(np.mean([truth.is_right(*pair) for pair in pairs])),
        "n_claims": len(claims),
        "wrong": wrong,
        "limit": found.limit,
        "expected_strangers": found.n_strangers,
        "own_recalls": found.recalls,
        "seconds": seconds,
    }


def judge_limits(
    truth: Truth, paths: list[str], closeness: np.ndarray, pairs: np.ndarray, *, limits: tuple[float, ...]
) -> dict[str, object]:
    """Return a peer's recall at the loosest limit whose pairs are right at the precision, and both at some limits."""
    order = np.argsort(-closeness, kind="stable")
    right = np.array([truth.is_right(paths[a], paths[b]) for a, b in pairs[order].tolist()])
    value = closeness[order]
    share = np.cumsum(right) / np.arange(1, len(right) + 1)
    ends = np.flatnonzero(np.append(value[1:] != value[:-1], True))  # all pairs of one value are in, or none
    good = ends[share[ends] >= PRECISION]

    def recalls(n: int) -> dict[str, float]:
        taken = {frozenset((paths[a], paths[b])) for a, b in pairs[order[:n]].tolist()}
        hits = [(kind, frozenset((one, other)) in taken) for kind, one, other in truth.planted]
        by_kind = {name: float(np.mean([hit for kind, hit in hits if kind == name])) for name in KINDS}
        return {**by_kind, "all": float(np.mean([hit for _, hit in hits]))}

    n = int(good[-1]) + 1 if len(good) else 0
    at = {}
    for limit in limits:
        m = int((value >= limit).sum())
        at[str(limit)] = {
            "recall": recalls(m)["all"],
            "precision": float(share[m - 1]) if m else None,
            "n_pairs": m,
        }
    return {"recall": recalls(n), "limit": float(value[n - 1]) if n else None, "n_pairs": n, "at": at}


def measure_cosine(folder: Path, truth: Truth, weights: Path) -> dict[str, object]:
    """The way of a convolutional network with one limit on the cosine, on the same features."""
    from fovea.features import open_store
    from fovea.tasks.options import BackboneOptions, SourceOptions
    from fovea.tasks.stored import last_columns, open_network, read_pictures, read_stored

    manifest = read_pictures(folder / "photos", SourceOptions())
    encoder, _ = open_network(BackboneOptions(weights=weights))
    with open_store() as store:
        stored = read_stored(manifest, encoder=encoder, store=store, columns=last_columns)
    rows = stored.features / np.linalg.norm(stored.features, axis=1, keepdims=True)
    cosine = np.triu(rows @ rows.T, 1)
    pairs = np.argwhere(cosine >= 0.85)
    return judge_limits(
        truth, list(stored.paths), cosine[pairs[:, 0], pairs[:, 1]], pairs, limits=(0.99, 0.95, 0.9)
    )


def measure_peer(folder: Path, truth: Truth) -> dict[str, object]:
    """Return imagededup's hashes, each at its best limit."""
    import torch

    library = torch.library.Library(
        "torchvision", "DEF"
    )  # a torchvision without its operators cannot be imported
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from imagededup.methods import AHash, DHash, PHash, WHash

    photos, results = folder / "photos", {}
    paths = sorted(path for path in truth.origin if path.endswith(".jpg"))
    for method in (PHash(), DHash(), AHash(), WHash()):
        begun = time.perf_counter()
        hashes = [method.encode_image(image_file=str(photos / path)) for path in paths]
        known = [k for k, one in enumerate(hashes) if one]
        bits = np.array(
            [[int(digit, 16) >> bit & 1 for digit in hashes[k] for bit in range(4)] for k in known], np.int16
        )
        signs = 1 - 2 * bits
        distance = (64 - signs @ signs.T) // 2
        pairs = np.argwhere(np.triu(distance <= 24, 1))
        closeness = -distance[pairs[:, 0], pairs[:, 1]].astype(float)
        found = judge_limits(truth, [paths[k] for k in known], closeness, pairs, limits=(0, -2, -5, -10))
        results[type(method).__name__] = {**found, "seconds": time.perf_counter() - begun}
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--products", type=Path, default=Path("../shared/data/products"))
    parser.add_argument("--weights", type=Path, default=Path("../shared/weights/mobilenetv2_100.safetensors"))
    parser.add_argument("--peer", action="store_true")
    options = parser.parse_args()
    if not (options.folder / "photos").is_dir():
        options.folder.mkdir(parents=True, exist_ok=True)
        plant(options.products, options.folder)
    truth = Truth(options.folder)
    target = RESULTS / "duplicates.json"
    report = json.loads(target.read_text()) if target.exists() else {}
    if options.peer:
        report["imagededup"] = measure_peer(options.folder, truth)
    else:
        from machine import describe_machine

        report |= {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": describe_machine()}
        report["fovea, MobileNetV2"] = measure(options.folder, truth, weights=options.weights)
        report["fovea, fovea-tiny"] = measure(options.folder, truth)
        report["one cosine, MobileNetV2"] = measure_cosine(options.folder, truth, options.weights)
    target.write_text(json.dumps(report, indent=1) + "\n")
    for name, value in report.items():
        print(name, value)


if __name__ == "__main__":
    main()
