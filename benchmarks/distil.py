"""MNIST: an ensemble, students distilled from it (answers; features too), the same without a teacher; all labels and few.

    OMP_NUM_THREADS=1 nice python benchmarks/distil.py ../shared/data/mnist --labels 1000 --unlabelled 19000 --seeds 1

All labels: the ensemble (`--ensemble 3` of `--teacher`) and the students learn from labels + unlabelled pictures, all with
their labels. Few: the ensemble learns from the labelled ones only, the student from its answers to all. Runs as a user makes
them (tasks.train, tasks.distil); a fifth of the labels, at most 2,000, is held out in each. The 10,000 test pictures are read
once a run, by the saved model without torch. Wanted: the student above the same network without a teacher.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
from PIL import Image

from fovea.manifest.idx import read_array
from fovea.tasks.distil import distil
from fovea.tasks.train.train import Run, train


def write_pictures(mnist: Path, folder: Path, *, n_labels: int, n_more: int, n_test: int, seed: int) -> None:
    """Write `few` and `all` (train/ and test/ folders of classes) and `more` (the same pictures without labels)."""
    arrays = {
        name: [
            read_array(mnist / f"{name}-{kind}.gz", n_dimensions=n)
            for kind, n in (("images-idx3-ubyte", 3), ("labels-idx1-ubyte", 1))
        ]
        for name in ("train", "t10k")
    }
    pixels, labels = arrays["train"]
    order = np.random.default_rng(seed).permutation(len(labels))[: n_labels + n_more]
    for at, k in enumerate(order.tolist()):
        picture = _write(pixels[k], folder / "all" / "train" / str(labels[k]) / f"{k:05d}.png")
        chosen = (
            folder / "few" / "train" / str(labels[k]) if at < n_labels else folder / "more"
        ) / picture.name
        chosen.parent.mkdir(parents=True, exist_ok=True)
        os.link(picture, chosen)
    pixels, labels = arrays["t10k"]
    for k in range(n_test):
        picture = _write(pixels[k], folder / "all" / "test" / str(labels[k]) / f"t{k:05d}.png")
        other = folder / "few" / "test" / str(labels[k]) / picture.name
        other.parent.mkdir(parents=True, exist_ok=True)
        os.link(picture, other)


def _write(pixels: np.ndarray, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)
    return file


def told(run: Run, *, seconds: float) -> dict[str, Any]:
    """Return a run's figures on the validation and the test pictures."""
    m = run.metrics
    return {
        "test_accuracy": m["test"]["accuracy"],
        "test_log_loss": m["test"]["log_loss"],
        "valid_accuracy": m["accuracy"],
        "n_valid": m["n_valid"],
        "n_train": m["n_train"],
        "seconds": round(seconds, 1),
        "standings": [(one["name"], one["accuracy"]) for one in m["training"]["standings"]],
    }


def measure(
    work: Path, photos: Path, *, more: Path | None, args: argparse.Namespace, seed: int
) -> dict[str, Any]:
    """Return the figures of ensemble, students, and the student without a teacher."""
    figures, shared = {}, {"seed": seed, "threads": 1}
    scratch = {"method": "scratch", **shared}

    def timed(name: str, make: Any, *given: Any, **settings: Any) -> Run:
        begun = time.perf_counter()
        run = make(*given, out=work / name, **settings)
        figures[name] = told(run, seconds=time.perf_counter() - begun)
        print(photos.name, seed, name, figures[name], flush=True)
        return run

    epochs = {} if args.epochs is None else {"epochs": args.epochs}
    own = epochs if more is None else {}  # few pictures need more epochs: the recipe's own
    teacher = timed("ensemble", train, photos, net=args.teacher, ensemble=args.ensemble, **scratch, **own)
    for name, weight in (("student", 0.0), ("student of features", args.features)):
        timed(
            name,
            distil,
            teacher.folder,
            photos,
            net=args.student,
            unlabelled=more,
            temperature=args.temperature,
            alpha=args.alpha,
            features=weight,
            **shared,
            **epochs,
        )
    timed("alone", train, photos, net=args.student, **scratch, **own)
    return figures


def main() -> None:
    """Measure and write benchmarks/results/distil-TIME.json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mnist", type=Path)
    for name, kind, usual in (
        ("labels", int, 1000),
        ("unlabelled", int, 59_000),
        ("test", int, 10_000),
        ("seeds", int, 1),
        ("ensemble", int, 3),
        ("epochs", int, None),
        ("temperature", float, 4.0),
        ("alpha", float, 0.9),
        ("features", float, 1.0),
        ("teacher", str, "lenet5"),
        ("student", str, "mlp"),
    ):
        parser.add_argument(f"--{name}", type=kind, default=usual)
    parser.add_argument("--only", choices=["all", "few"])
    args = parser.parse_args()
    rounds = []
    for seed in range(args.seeds):
        work = Path(tempfile.mkdtemp(prefix="distil."))
        os.environ["FOVEA_CACHE"] = str(work / "cache")
        write_pictures(
            args.mnist, work, n_labels=args.labels, n_more=args.unlabelled, n_test=args.test, seed=seed
        )
        one: dict[str, Any] = {"seed": seed}
        for name, more in (("few", work / "more"), ("all", None)):
            if args.only in (None, name):
                one[name] = measure(work / f"runs-{name}", work / name, more=more, args=args, seed=seed)
        rounds.append(one)
        shutil.rmtree(work)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M")
    settings = {name: str(value) for name, value in vars(args).items()}
    file = Path(__file__).parent / "results" / f"distil-{stamp}.json"
    body = {
        "machine": describe_machine(),
        "load": os.getloadavg(),
        "settings": settings,
        "rounds": rounds,
    }
    file.write_text(json.dumps(body, indent=1) + "\n")
    print(file)


if __name__ == "__main__":
    main()
