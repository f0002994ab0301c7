"""Which features compare best: same-class precision at 10 of pictures in `valid` among those in `train`.

    python benchmarks/retrieval.py [--data ../shared/data/products ../shared/data/flowers] [--weights FILE] [--size 384x272]

Exact copies of a query are left out. Wanted on `products` with the shared MobileNetV2: at least 0.88 plain, at least 0.93 with the
space of a head fitted on `train` (`similar --tuned`). Single stages by cosine, centred, standardised, whitened, by dot product
and distance; several stages side by side; neighbours' means (database-side augmentation without its normalisation: Arandjelovic
and Zisserman, 2012), diffusion on the graph of neighbours (Iscen et al., 2017). Only `tuned` knows labels. Results go to
benchmarks/results/.
"""

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from machine import describe_machine

from fovea.features import Stage, mean_around, nearest, open_store, unit_rows
from fovea.judge import softmax
from fovea.learn import fit_probe
from fovea.tasks.backbones import open_encoder
from fovea.tasks.options import BackboneOptions, SourceOptions
from fovea.tasks.stored import Stored, read_pictures, read_stored

SHARED = Path(__file__).resolve().parents[2] / "shared"
K = 10


def compare(stored: Stored) -> Iterator[tuple[str, float]]:
    """Yield the name of each way of comparing, and its precision at 10."""
    rows = [stored.manifest.rows[k] for k in stored.rows]
    splits = np.array([row.split for row in rows])
    query, catalogue = np.flatnonzero(splits == "valid"), np.flatnonzero(splits == "train")
    labels = np.array([row.label for row in rows])
    is_copy = stored.content[query][:, None] == stored.content[catalogue][None]
    is_right = labels[query][:, None] == labels[catalogue][None]

    def precision(alike: np.ndarray) -> float:
        best = np.argsort(-np.where(is_copy, -np.inf, alike), axis=1, kind="stable")[:, :K]
        return float(np.take_along_axis(is_right, best, axis=1).mean())

    def cosine(features: np.ndarray) -> np.ndarray:
        unit = unit_rows(features)
        return unit[query] @ unit[catalogue].T

    parts = {one.name: _part(stored, one) for one in stored.stages}
    for name, part in parts.items():
        mean = part[catalogue].mean(0)
        yield f"{name}: cosine", precision(cosine(part))
        yield f"{name}: cosine, centred", precision(cosine(part - mean))
        spread = part[catalogue].std(0)
        yield (
            f"{name}: cosine, standardised",
            precision(cosine((part - mean) / (spread + 1e-3 * spread.mean()))),
        )
    name = [one for one in parts if not one.endswith(":softmax")][-1]
    last = parts[name]
    yield f"{name}: dot product", precision(last[query] @ last[catalogue].T)
    squares = (last**2).sum(1)
    yield f"{name}: distance", precision(2 * last[query] @ last[catalogue].T - squares[catalogue][None])
    for power in (0.5, 2.0):
        yield f"{name}: cosine of the values to the power {power}", precision(cosine(np.abs(last) ** power))
    for power in (0.25, 0.5, 1.0):
        yield (
            f"{name}: whitened by power {power}, 256 dimensions",
            precision(cosine(_whiten(last, catalogue, power))),
        )
    several = unit_rows(np.concatenate([unit_rows(part) for part in parts.values()], axis=1))
    yield "all stages, each of length 1: cosine", precision(cosine(several))
    for title, space in ((name, unit_rows(last)), ("all stages", several)):
        alike = cosine(space)
        around, _ = nearest(space[catalogue], space[catalogue], k=30, leave_out_self=True)
        own = np.arange(len(catalogue))[:, None]
        for n in (5, 10, 20, 30):
            yield (
                f"{title}: mean over a match and its {n} nearest",
                precision(alike[:, np.concatenate([own, around[:, :n]], axis=1)].mean(axis=2)),
            )
        yield (
            f"{title}: the 400 best ranked by the ten around each (similar --kind)",
            precision(_by_kind(space[catalogue], np.where(is_copy, -np.inf, alike))),
        )
        yield f"{title}: diffusion", precision(_diffuse(space, alike, is_copy, around[:, :20], catalogue))
    for title, value in _tuned(stored, labels, catalogue, unit_rows(last)):
        yield title, precision(value[query] @ value[catalogue].T)


def _part(stored: Stored, stage: Stage) -> np.ndarray:
    part = stored.features[:, stage.start : stage.stop]
    return np.sqrt(np.maximum(part, 0)) if stage.name.endswith(":softmax") else part


def _whiten(features: np.ndarray, catalogue: np.ndarray, power: float, *, n: int = 256) -> np.ndarray:
    unit = unit_rows(features)
    unit = unit - unit[catalogue].mean(0)
    values, axes = np.linalg.eigh(unit[catalogue].T @ unit[catalogue])
    return unit @ (axes[:, -n:] * np.maximum(values[-n:], values[-1] * 1e-6) ** (-power / 2))


def _by_kind(rows: np.ndarray, alike: np.ndarray, *, n: int = 400) -> np.ndarray:
    ranked = np.full_like(alike, -np.inf)
    for own, out in zip(alike, ranked, strict=True):
        best = np.argsort(-own)[: min(n, int(np.isfinite(own).sum()))]
        out[best] = mean_around(own[best], rows[best])
    return ranked


def _diffuse(
    space: np.ndarray, alike: np.ndarray, is_copy: np.ndarray, around: np.ndarray, catalogue: np.ndarray
) -> np.ndarray:
    """Return how much of each query's weight reaches each row of the catalogue along mutual neighbours."""
    n = len(catalogue)
    rows = space[catalogue]
    graph = np.zeros((n, n), np.float32)
    near = np.stack([rows[around[k]] @ rows[k] for k in range(n)])
    np.put_along_axis(graph, around, np.maximum(near, 0) ** 3, axis=1)
    graph = np.minimum(graph, graph.T)
    inverse = 1 / np.sqrt(np.maximum(graph.sum(1), 1e-6))
    graph *= inverse[:, None] * inverse[None]
    start = np.where(is_copy, -1, alike)
    best = np.argsort(-start, axis=1)[:, :20]
    begun = np.zeros_like(alike)
    np.put_along_axis(begun, best, np.maximum(np.take_along_axis(start, best, 1), 0) ** 3, axis=1)
    reached = np.zeros_like(begun)
    for _ in range(12):
        reached = 0.8 * reached @ graph + begun
    return reached + 1e-4 * alike


def _tuned(
    stored: Stored, labels: np.ndarray, catalogue: np.ndarray, last: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    names, numbers = np.unique(labels[catalogue].astype(str), return_inverse=True)
    fit = fit_probe(
        stored.features[catalogue],
        numbers.astype(np.int64),
        folds=np.random.default_rng(0).integers(0, 5, len(catalogue)),
        class_names=tuple(map(str, names)),
        stages=stored.stages,
    )
    logits = fit.head.logits(stored.features)
    shares = np.asarray(softmax(logits, 1.0), np.float32)
    yield "tuned: probabilities, dot product", shares
    yield "tuned: probabilities, cosine", unit_rows(shares)
    yield "tuned: logits, cosine", unit_rows(logits - logits.mean(1, keepdims=True))
    yield "tuned: roots of probabilities", np.sqrt(shares)
    for seen in (0.1, 0.3):
        parts = (np.sqrt(shares) * (1 - seen) ** 0.5, last * seen**0.5)
        yield f"tuned: roots of probabilities, {seen} of the last average", np.concatenate(parts, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--data", type=Path, nargs="+", default=[SHARED / "data" / one for one in ("products", "flowers")]
    )
    parser.add_argument("--weights", type=Path, default=SHARED / "weights" / "mobilenetv2_100.safetensors")
    parser.add_argument("--size", help="PX or HxW: of the network's input")
    options = parser.parse_args()
    encoder = open_encoder(BackboneOptions(weights=options.weights, size=options.size, offline=True))
    found = {}
    with open_store() as store:
        for data in options.data:
            stored = read_stored(
                read_pictures(data, SourceOptions(), labelled=True), encoder=encoder, store=store
            )
            found[data.name] = {}
            for title, value in compare(stored):
                found[data.name][title] = round(value, 4)
                print(f"{data.name}  {value:.4f}  {title}", flush=True)
    results = {
        "machine": describe_machine(),
        "backbone": encoder.name,
        "size": [encoder.preprocess.height_px, encoder.preprocess.width_px],
        "precision": encoder.precision,
        "precision_at_10": found,
    }
    file = Path(__file__).parent / "results" / f"retrieval-{datetime.now(UTC):%Y%m%d-%H%M}.json"
    file.write_text(json.dumps(results, indent=1))
    print(file)


if __name__ == "__main__":
    main()
