"""ImageNet's classes as they are: top-1 of the shared MobileNetV2 at least 0.80 on 500 photos, SqueezeNet's beside it.

    python benchmarks/imagenet.py ../shared/data/imagenet ../shared/weights/{mobilenetv2_100,squeezenet1_1}.safetensors

Each network answers `fovea predict NETWORK FOLDER --top 5`; the truth is the folder's pictures.csv (path, label: the class's
number). Then the same with --sure 0.9: how often the hedged answer is right (the true class is one of its kinds), and how
many classes it leaves open. Raw numbers go to benchmarks/results/.
"""

import argparse
import csv
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from machine import describe_machine

from fovea.judge import expected_calibration_error, wilson_interval
from fovea.manifest import ancestors, imagenet_classes, plain_names, synsets
from fovea.tasks.predict import Config, run

SURE = (0.5, 0.8, 0.9, 0.95)


def read_truth(folder: Path) -> dict[str, int]:
    """Return the number of every picture's class by its path."""
    with (folder / "pictures.csv").open(newline="") as file:
        return {str(folder / row["path"]): int(row["index"]) for row in csv.DictReader(file)}


def measure(network: str, folder: Path) -> dict[str, object]:
    """Answer every picture plainly and hedged; return the shares that are right."""
    truth = read_truth(folder)
    names = plain_names(imagenet_classes())
    begun = time.perf_counter()
    answers = [
        one for one in run(Config(network, [folder / "pictures"], top=1000)).predictions if one.path in truth
    ]
    seconds = time.perf_counter() - begun
    labels = np.array([truth[one.path] for one in answers])
    number = {name: k for k, name in enumerate(names)}
    probabilities = np.zeros((len(answers), len(names)))
    for row, one in zip(probabilities, answers, strict=True):
        for name, p in one.probabilities.items():
            row[number[name]] = p
    order = np.argsort(-probabilities, axis=1)
    n_first = int((order[:, 0] == labels).sum())
    n_five = int((order[:, :5] == labels[:, None]).any(axis=1).sum())
    return {
        "network": network,
        "n": len(answers),
        "top1": n_first / len(answers),
        "top1_interval": wilson_interval(n_first, len(answers)),
        "top5": n_five / len(answers),
        "top5_interval": wilson_interval(n_five, len(answers)),
        "ece": expected_calibration_error(probabilities.max(axis=1), order[:, 0] == labels),
        "seconds": seconds,
        "hedged": {str(sure): hedge(network, folder, truth, sure=sure) for sure in SURE},
    }


def hedge(network: str, folder: Path, truth: dict[str, int], *, sure: float) -> dict[str, float]:
    """Return the share that is answered, of these how many rightly and by one class, and how many classes are left open."""
    classes = imagenet_classes()
    names = plain_names(classes)
    kinds: dict[str, set[int]] = {}
    for k, one in enumerate(classes):
        for wnid in ancestors(one.wnid):
            kinds.setdefault(names[k] if wnid == one.wnid else synsets()[wnid].words[0], set()).add(k)
    answers = [
        one for one in run(Config(network, [folder / "pictures"], sure=sure)).predictions if one.path in truth
    ]
    sure_ones = [one for one in answers if one.sure_class]
    right = [truth[one.path] in kinds[one.sure_class] for one in sure_ones]
    n_open = [len(kinds[one.sure_class]) for one in sure_ones]
    return {
        "answered": len(sure_ones) / len(answers),
        "right": float(np.mean(right)),
        "single_class": float(np.mean(np.array(n_open) == 1)),
        "median_classes": float(np.median(n_open)),
        # Deng 2012: what an answer is worth in bits, of the log2(1000) that a class is worth
        "information": float(1 - np.mean(np.log2(n_open)) / np.log2(len(classes))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("networks", nargs="+")
    options = parser.parse_args()
    found = []
    for network in options.networks:
        one = measure(network, options.folder)
        found.append(one)
        print(
            f"{Path(network).stem}: top-1 {one['top1']:.3f}, top-5 {one['top5']:.3f} of {one['n']}, "
            f"calibration error {one['ece']:.3f}, {one['seconds']:.1f} s"
        )
        for sure, told in one["hedged"].items():
            print(
                f"  --sure {sure}: answered {told['answered']:.3f}, of these right {told['right']:.3f}, "
                f"one class {told['single_class']:.2f}, "
                f"information {told['information']:.2f}",
                flush=True,
            )
    now = datetime.now(UTC)
    report = {"networks": found, "machine": describe_machine(), "when": now.isoformat(timespec="seconds")}
    place = Path(__file__).parent / "results" / f"imagenet-{now:%Y%m%d-%H%M}.json"
    place.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
