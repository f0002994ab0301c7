"""Fine-tuning: pictures a second beside fastai's, and accuracy beside the probe's within a budget.

    python finetune.py speed PHOTOS WEIGHTS --fastai-python /path/to/python [--pictures 320]
    python finetune.py accuracy PHOTOS WEIGHTS [--seconds 600] [--splits 5] [--unfreeze auto]

PHOTOS has a folder for training and one for validation, each with a folder a class. `speed` takes the first pictures of
each class and runs both programs in turn: all layers (2.5 times fastai's is wanted) and the last two blocks only
(10 times fastai's all layers). `accuracy` takes the given split, then seeded ones of the same sizes from the same pictures.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from machine import describe_machine

from fovea.features import open_backbone
from fovea.learn import fit_probe
from fovea.learn.finetune import Tuning, finetune, open_trainable
from fovea.learn.pixels import try_pixels
from fovea.learn.trained import Pictures

HERE = Path(__file__).parent


def read(photos: Path, weights: Path, *, most: int | None = None) -> tuple[Pictures, np.ndarray, list[str]]:
    """Return all readable pictures, which of them are of the validation part, and the class names."""
    sides = [photos / "train", next(photos / name for name in ("valid", "val") if (photos / name).is_dir())]
    names = sorted(one.name for one in sides[0].iterdir() if one.is_dir())
    found = [
        (file, k, side)
        for side, folder in enumerate(sides)
        for k, name in enumerate(names)
        for file in sorted((folder / name).iterdir())[:most]
    ]
    told = try_pixels([file.read_bytes for file, _, _ in found], preprocess=open_backbone(weights).preprocess)
    good = np.array([not problem for problem in told.problems])
    labels, side = (np.array([one[place] for one in found])[good] for place in (1, 2))
    return Pictures(told.pixels[good], labels), side == 1, names


def splits(labels: np.ndarray, valid: np.ndarray, *, n: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the given split, then n seeded ones with as large a share of each class."""
    yield "given", valid
    for seed in range(n):
        rng, drawn = np.random.default_rng(seed), np.zeros(len(labels), bool)
        for k in np.unique(labels):
            rows = rng.permutation(np.flatnonzero(labels == k))
            drawn[rows[: max(1, round(len(rows) * valid.mean()))]] = True
        yield f"seed {seed}", drawn


def tune(
    weights: Path,
    pictures: Pictures,
    *,
    features: np.ndarray,
    valid: np.ndarray,
    names: list[str],
    wish: Tuning,
) -> dict[str, object]:
    """Return both accuracies and times of one split."""
    encoder, begun = open_backbone(weights), time.perf_counter()
    folds = np.random.default_rng(0).permutation(int((~valid).sum())) % 5
    labels = pictures.labels
    probe = fit_probe(
        features[~valid], labels[~valid], folds=folds, class_names=names, stages=encoder.stages
    ).head
    before, middle = probe.logits(features[valid]), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        trained = finetune(
            open_trainable(weights=weights),
            Pictures(pictures.pixels[~valid], labels[~valid]),
            valid=Pictures(pictures.pixels[valid], labels[valid]),
            class_names=names,
            start=probe,
            wish=wish,
            workspace=Path(folder),
        )
    records = trained.history.records
    return {
        "probe": float((before.argmax(1) == labels[valid]).mean()),
        "tuned": float((trained.valid_logits.argmax(1) == labels[valid]).mean()),
        "probe_seconds": middle - begun,
        "seconds": time.perf_counter() - middle,
        "images_per_second": float(np.median([one.images_per_second for one in records])),
        "plan": trained.plan,
        "epochs": [[one.train_loss, one.valid_loss, one.valid_accuracy] for one in records],
    }


def speed(args: argparse.Namespace) -> dict[str, object]:
    """Return pictures a second: ours with all layers and with the last two blocks, fastai's in between."""
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder)
        for side in ("train", "valid"):
            source = args.photos / side if (args.photos / side).is_dir() else args.photos / "val"
            for one in sorted(one for one in source.iterdir() if one.is_dir()):
                (few / side / one.name).mkdir(parents=True)
                for file in sorted(one.iterdir())[: args.pictures]:
                    shutil.copy(file, few / side / one.name / file.name)
        pictures, valid, names = read(few, args.weights)
        features = open_backbone(args.weights).encode(pictures.pixels)
        command = [str(args.fastai_python), str(HERE / "fastai_speed.py"), str(few), str(args.weights)]
        told = []
        for _ in range(args.turns):
            row: dict[str, float] = {}
            for name, wish in (("all", "all"), ("two", 2)):
                given = {"epochs": 2, "augment": "standard"}
                found = tune(
                    args.weights,
                    pictures,
                    features=features,
                    valid=valid,
                    names=names,
                    wish=Tuning(unfreeze=wish, given=given),
                )
                row[name] = float(found["images_per_second"])  # type: ignore[arg-type]
            theirs = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            row |= {f"fastai_{key}": value for key, value in json.loads(theirs.splitlines()[-1]).items()}
            print({key: round(value, 1) for key, value in row.items()}, flush=True)
            told.append(row)
    middle = {key: float(np.median([row[key] for row in told])) for key in told[0]}
    ratios = {name: middle[name] / middle["fastai_all_layers"] for name in ("all", "two")}
    print(
        f"all layers {ratios['all']:.1f} times (2.5 wanted), last two {ratios['two']:.1f} times (10 wanted)"
    )
    return {"rows": told, "ratios": ratios, "wanted": {"all": 2.5, "two": 10.0}}


def accuracy(args: argparse.Namespace) -> dict[str, object]:
    """Return the probe's and the tuned accuracy of every split."""
    pictures, valid, names = read(args.photos, args.weights)
    features = open_backbone(args.weights).encode(pictures.pixels)
    unfreeze = int(args.unfreeze) if args.unfreeze.isdecimal() else args.unfreeze
    told = {}
    for name, side in splits(pictures.labels, valid, n=args.splits):
        wish = Tuning(unfreeze=unfreeze, given={"seconds": args.seconds})
        told[name] = tune(args.weights, pictures, features=features, valid=side, names=names, wish=wish)
        row = told[name]
        print(
            f"{name}: probe {row['probe']:.4f}, tuned {row['tuned']:.4f}, {row['seconds']:.0f} s", flush=True
        )
    return told


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("speed", "accuracy"))
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--fastai-python", type=Path)
    parser.add_argument("--pictures", type=int, default=36, help="of each class and side, for speed")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--unfreeze", default="auto")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    result = speed(args) if args.what == "speed" else accuracy(args)
    out = args.out or HERE / "results" / f"finetune_{args.what}_{args.photos.name}.json"
    out.write_text(json.dumps({"machine": describe_machine(), "result": result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
