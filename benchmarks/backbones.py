"""MobileNetV2 beside fovea-tiny: accuracy on every set, pictures a second, megabytes: the table of the README.

    python benchmarks/backbones.py ../shared --folders cifar10=/tmp/cifar mnist=/tmp/mnist     [--tiny FOLDER]

Given splits (digits: seed 0), the probe's defaults. boxes and scraped were kept out of fovea-tiny's training; scraped
learns from labelled.csv and is judged on the other 400 by precision at a recall of 0.9. Speed: the engine alone, batches of
8, both networks in turn, medians; decoding is in neither. Raw numbers: benchmarks/results/.
"""

import argparse
import csv
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from accuracy import measure, readable
from machine import describe_machine

from fovea.features import Encoder, Item, extract, load_encoder, open_backbone, open_store
from fovea.learn import fit_probe
from fovea.manifest import fold_numbers, write_data_set
from fovea.pictures import content_sha256
from fovea.tasks.train.learn import N_FOLDS

SETS = ("products", "flowers", "ants_bees", "boxes/boxes.csv")
GOALS = {
    "products": 0.915,
    "ants_bees": 0.89,
    "flowers": 0.86,
    "digits": 0.97,
    "boxes": 0.93,
    "scraped": 0.95,
}


def accuracy(source: Path, encoder: Encoder) -> dict[str, float]:
    """Return the validation accuracy of the given split (digits and others without one: seed 0)."""
    manifest, features, shas = readable(source, encoder)
    units = np.unique(shas, return_inverse=True)[1]
    return measure(manifest, features, units=units, seed=0, encoder=encoder)


def precision_at_recall(folder: Path, encoder: Encoder, *, recall: float = 0.9) -> dict[str, float]:
    """Return the precision among the unlabelled pictures of `scraped` when so many of the wanted ones are taken."""
    with (folder / "truth.csv").open(encoding="utf-8") as lines:
        truth = {row["path"]: row["label"] for row in csv.DictReader(lines)}
    with (folder / "labelled.csv").open(encoding="utf-8") as lines:
        told = {row["path"] for row in csv.DictReader(lines)}
    files = [folder / path for path in truth]
    contents = [file.read_bytes() for file in files]
    with open_store() as store:
        items = [
            Item(content_sha256(content), file.read_bytes)
            for content, file in zip(contents, files, strict=True)
        ]
        found = extract(encoder, items, store=store)
    labels = np.array([label == "wanted" for label in truth.values()]).astype(np.int64)
    known = np.array([path in told for path in truth])
    folds = fold_numbers(labels[known], units=np.arange(known.sum()), n_folds=N_FOLDS, seed=0)
    fit = fit_probe(
        found.features[known],
        labels[known],
        folds=folds,
        class_names=["junk", "wanted"],
        stages=encoder.stages,
    )
    logits = fit.head.logits(found.features[~known])
    order = np.argsort(logits[:, 0] - logits[:, 1], kind="stable")
    hits = np.cumsum(labels[~known][order])
    n_taken = int(np.searchsorted(hits, np.ceil(recall * hits[-1]))) + 1
    return {"precision_at_recall_0.9": float(hits[n_taken - 1] / n_taken), "n_judged": int((~known).sum())}


def speeds(encoders: dict[str, Encoder], *, n_pictures: int = 1024, repeats: int = 5) -> dict[str, float]:
    """Return the pictures a second of each engine, measured in turn."""
    rng = np.random.default_rng(0)
    pixels = {
        name: rng.integers(
            0, 256, (n_pictures, one.preprocess.height_px, one.preprocess.width_px, 3), np.uint8
        )
        for name, one in encoders.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in encoders}
    for name, one in encoders.items():
        one.encode(pixels[name][:64])
    for _ in range(repeats):
        for name, one in encoders.items():
            begun = time.perf_counter()
            one.encode(pixels[name])
            rates[name].append(n_pictures / (time.perf_counter() - begun))
    return {name: round(statistics.median(each), 1) for name, each in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shared", type=Path, help="holds data/ and weights/")
    parser.add_argument("--tiny", type=Path, help="a backbone's folder instead of the embedded one")
    parser.add_argument("--folders", nargs="*", default=[], help="further sets, NAME=FOLDER")
    parser.add_argument("--no-speed", action="store_true")
    told = parser.parse_args()
    encoders: dict[str, Encoder] = {
        "fovea-tiny": load_encoder(told.tiny) if told.tiny else open_backbone(),
        "mobilenetv2": open_backbone(told.shared / "weights" / "mobilenetv2_100.safetensors"),
    }
    report: dict[str, object] = {"machine": describe_machine(), "goals_of_tiny": GOALS}
    rates = {} if told.no_speed else speeds(encoders)
    further = dict(text.split("=", 1) for text in told.folders)
    with tempfile.TemporaryDirectory() as folder:
        write_data_set("digits", Path(folder) / "digits")
        sources = {name.split("/")[0]: told.shared / "data" / name for name in SETS}
        sources |= {"digits": Path(folder) / "digits"} | {k: Path(v) for k, v in further.items()}
        for name, encoder in encoders.items():
            found: dict[str, object] = {"pictures_per_second": rates.get(name)}
            for key, source in sources.items():
                found[key] = accuracy(source, encoder)
                print(f"{name} {key}: {found[key]['accuracy']:.4f}", flush=True)  # type: ignore[index]
            found["scraped"] = precision_at_recall(told.shared / "data" / "scraped", encoder)
            print(f"{name} scraped: {found['scraped']}", flush=True)
            report[name] = found
    print(f"pictures a second, engine alone: {rates}")
    now = datetime.now(UTC)
    path = Path(__file__).parent / "results" / f"backbones-{now:%Y%m%d-%H%M}.json"
    path.write_text(json.dumps(report | {"when": now.isoformat(timespec="seconds")}, indent=1) + "\n")


if __name__ == "__main__":
    main()
