"""Fine-tuning: pictures a second beside fastai's, in turn on the same few pictures.

    python finetune.py PHOTOS WEIGHTS --fastai-python /path/to/python [--pictures 320] [--turns 3]

PHOTOS has a folder for training and one for validation, each with a folder a class; the first pictures of each class are
taken. Wanted: 2.5 times fastai's with all layers, 10 times with the last two blocks. Accuracy within a budget is budgets.py's.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from machine import describe_machine

from fovea.features import open_backbone
from fovea.learn import fit_probe
from fovea.learn.finetune import Tuning, finetune, open_trainable
from fovea.learn.pixels import try_pixels
from fovea.learn.trained import Pictures

HERE = Path(__file__).parent


def read(photos: Path, weights: Path) -> tuple[Pictures, np.ndarray, list[str]]:
    """Return all readable pictures, which of them are of the validation part, and the class names."""
    sides = [photos / "train", next(photos / name for name in ("valid", "val") if (photos / name).is_dir())]
    names = sorted(one.name for one in sides[0].iterdir() if one.is_dir())
    found = [
        (file, k, side)
        for side, folder in enumerate(sides)
        for k, name in enumerate(names)
        for file in sorted((folder / name).iterdir())
    ]
    told = try_pixels([file.read_bytes for file, _, _ in found], preprocess=open_backbone(weights).preprocess)
    good = np.array([not problem for problem in told.problems])
    labels, side = (np.array([one[place] for one in found])[good] for place in (1, 2))
    return Pictures(told.pixels[good], labels), side == 1, names


def tune(weights: Path, pictures: Pictures, *, valid: np.ndarray, names: list[str], wish: Tuning) -> float:
    """Return the pictures a second of training, the median of the epochs, begun at a probe."""
    encoder, labels = open_backbone(weights), pictures.labels
    features = encoder.encode(pictures.pixels[~valid])
    folds = np.random.default_rng(0).permutation(len(features)) % 5
    probe = fit_probe(features, labels[~valid], folds=folds, class_names=names, stages=encoder.stages).head
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
    return float(np.median([one.images_per_second for one in trained.history.records]))


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
        command = [str(args.fastai_python), str(HERE / "fastai_speed.py"), str(few), str(args.weights)]
        told = []
        for _ in range(args.turns):
            row: dict[str, float] = {}
            for name, wish in (("all", "all"), ("two", 2)):
                given = {"epochs": 2, "augment": "standard"}
                row[name] = tune(
                    args.weights,
                    pictures,
                    valid=valid,
                    names=names,
                    wish=Tuning(unfreeze=wish, given=given),
                )
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--fastai-python", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=36, help="of each class and side")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    result = speed(args)
    out = args.out or HERE / "results" / f"finetune_speed_{args.photos.name}.json"
    out.write_text(json.dumps({"machine": describe_machine(), "result": result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
