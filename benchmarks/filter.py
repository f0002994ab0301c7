"""Scraped pictures filtered by 120 labels: how many of the wanted are found at precision 0.97, and after 40 more labels asked for.

    python benchmarks/filter.py ../shared/data/scraped --weights ../shared/weights/mobilenetv2_100.safetensors

The folder holds the 120 training pictures of labelled.csv, with their labels, and the 400 that it does not name, by which it is
judged with truth.csv: the largest recall of `wanted` at which 97 % of those taken are right. Then two rounds of 20 questions,
answered by truth.csv; answered pictures count as their answers say (`rest`: only those never asked about). Also what the verdicts
come to as the command gives them. Wanted: 0.96, then 0.98.
"""

import argparse
import csv
import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from machine import describe_machine

from fovea.tasks.filter import Result, filter_pictures

PRECISION = 0.97


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def find_recall(scores: np.ndarray, is_wanted: np.ndarray) -> float:
    """Return the largest share of the wanted that can be taken, the likeliest first, with PRECISION of the taken right."""
    right = np.cumsum(is_wanted[np.argsort(-scores, kind="stable")])
    enough = right >= PRECISION * np.arange(1, len(right) + 1)
    return float(right[enough].max() / is_wanted.sum()) if enough.any() else 0.0


def judge(result: Result, truth: dict[str, str], *, of: set[str], asked: set[str]) -> dict[str, object]:
    ones = [one for one in result.verdicts if one.path in of]
    told: dict[str, object] = {"n_labels": result.n_labelled}
    for name, some in (("all", ones), ("rest", [one for one in ones if one.path not in asked])):
        is_wanted = np.array([truth[one.path] == "wanted" for one in some])
        told[f"recall_{name}"] = find_recall(np.array([one.probability for one in some]), is_wanted)
    for verdict in ("wanted", "junk"):
        given = [one for one in ones if one.verdict == verdict]
        n_right = sum(truth[one.path] == verdict for one in given)
        n_there = sum(truth[one.path] == verdict for one in ones)
        told[verdict] = {
            "n": len(given),
            "precision": n_right / max(len(given), 1),
            "recall": n_right / n_there,
        }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scraped", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--size", help="PX or HxW: of the network's input")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    labelled = read(options.scraped / "labelled.csv")
    truth = {row["path"]: row["label"] for row in read(options.scraped / "truth.csv")}
    of = set(truth) - {row["path"] for row in labelled}
    steps = []
    with tempfile.TemporaryDirectory() as folder:
        known = [(row["path"], row["label"]) for row in labelled if row["split"] == "train"]
        photos = Path(folder) / "photos"
        for path in (*(path for path, _ in known), *of):
            (photos / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(options.scraped / path, photos / path)
        tables, asked = [write(Path(folder) / "labels.csv", known)], set()
        for number in range(options.rounds + 1):
            result = filter_pictures(photos, labels=tuple(tables), weights=options.weights, size=options.size)
            steps.append(judge(result, truth, of=of, asked=asked))
            print(json.dumps(steps[-1]), flush=True)
            answers = [(path, truth[path]) for path in result.questions]
            tables.append(write(Path(folder) / f"answers{number}.csv", answers))
            asked |= {path for path, _ in answers}
    place = Path(__file__).parent / "results" / f"filter-{datetime.now(UTC):%Y%m%d-%H%M}.json"
    place.write_text(
        json.dumps({"machine": describe_machine(), "size": options.size, "steps": steps}, indent=1) + "\n"
    )


def write(file: Path, rows: list[tuple[str, str]]) -> Path:
    file.write_text("\n".join(["path,label", *(f"{path},{label}" for path, label in rows)]))
    return file


if __name__ == "__main__":
    main()
