"""Training from scratch on MNIST, CIFAR-10 or the digits inside fovea: test accuracy, seconds, arithmetic, share of the
product rate.

    nohup python benchmarks/scratch.py cifar10 ../shared/data/cifar10 --net fast --seed 0 >log 2>&1 &

Wanted on two cores: LeNet-5 99.0 % on MNIST in 60 s, the fast network 99.5 % in 180 s; on CIFAR-10 94.0 % in 1,080 s without
AMX (720 with), the batch-norm CNN 88 % in 900 s. 2,000 training pictures are held out to choose the weights; the test is looked
at once, at the end. A killed run continues from its checkpoint. `--train 5000` takes fewer pictures, `--set epochs=2` overrides;
`--members 4` trains so many, seed after seed, and averages them as `fovea train --ensemble 4` does.
"""

import argparse
import ast
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe_machine
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from fovea.judge import fit_temperature
from fovea.learn.augment import normalise
from fovea.learn.scratch import Making, scratch
from fovea.learn.scratch.answers import answer
from fovea.learn.trained import Pictures, Trained
from fovea.learn.training import choose_machine
from fovea.manifest.idx import read_array
from fovea.manifest.named import digits
from fovea.manifest.unpickle import read_batch
from fovea.nets.classic import MultiView

N_HELD_OUT = 2000


def read_mnist(folder: Path) -> tuple[Pictures, Pictures]:
    """Return training and test pictures; grey ones have three equal channels, as everywhere in fovea."""
    parts = []
    for name in ("train", "t10k"):
        pixels = read_array(folder / f"{name}-images-idx3-ubyte.gz", n_dimensions=3)
        labels = read_array(folder / f"{name}-labels-idx1-ubyte.gz", n_dimensions=1)
        parts.append(Pictures(np.repeat(pixels[..., None], 3, axis=3), labels.astype(np.int64)))
    return parts[0], parts[1]


def read_cifar10(folder: Path) -> tuple[Pictures, Pictures]:
    """Return training and test pictures."""
    parts = []
    for names in ([f"data_batch_{number}" for number in range(1, 6)], ["test_batch"]):
        batches = [read_batch(next(folder.rglob(name))) for name in names]
        planes = np.concatenate([np.asarray(batch["data"]).reshape(-1, 3, 32, 32) for batch in batches])
        labels = np.concatenate([np.asarray(batch["labels"]) for batch in batches])
        parts.append(Pictures(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels.astype(np.int64)))
    return parts[0], parts[1]


def read_digits(_: Path) -> tuple[Pictures, Pictures]:
    """Return training and test pictures of the digits inside fovea, 32 px as `fovea data digits` writes them; the last 500 test."""
    ink, labels = digits()
    grey = [Image.fromarray(np.rint(255 - one * (255 / 16)).astype(np.uint8)) for one in ink]
    enlarged = np.stack([np.asarray(one.resize((32, 32), Image.Resampling.LANCZOS)) for one in grey])
    pixels = np.repeat(enlarged[..., None], 3, axis=3)
    return Pictures(pixels[:-500], labels[:-500]), Pictures(pixels[-500:], labels[-500:])


def product_rate() -> float:
    """Return the rate of bf16 matrix products on all threads, in FLOP/s, best of thirty."""
    a = torch.randn(2048, 2048, dtype=torch.bfloat16)
    seconds = []
    for _ in range(30):
        begun = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - begun)
    return float(2 * 2048**3 / min(seconds))


def forward_flop(trained: Trained) -> int:
    """Return the floating-point operations of the network for one view of one picture."""
    network = trained.network.network if isinstance(trained.network, MultiView) else trained.network
    side = trained.card.size_px
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, side, side))
    return int(counter.get_total_flops())


def split(pictures: Pictures, n_train: int | None, *, seed: int) -> tuple[Pictures, Pictures]:
    """Return those to train on and those by which weights are chosen."""
    n_held = min(N_HELD_OUT, len(pictures.labels) // 5)
    order = np.random.default_rng(seed).permutation(len(pictures.labels))
    held, rest = order[:n_held], order[n_held:][:n_train]
    return tuple(Pictures(pictures.pixels[rows], pictures.labels[rows]) for rows in (rest, held))  # type: ignore[return-value]


def shifted(pixels: np.ndarray, by: int) -> np.ndarray:
    """Return pictures (n, h, w, c) moved to the right by so many pixels, their first column repeated."""
    return np.concatenate([np.repeat(pixels[:, :, :1], by, axis=2), pixels[:, :, :-by]], axis=2)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=("mnist", "cifar10", "digits"))
    parser.add_argument("folder", type=Path, help="of digits anything")
    parser.add_argument("--net", default="fast")
    parser.add_argument("--train", type=int, help="training pictures (all but those held out)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--members", type=int, default=1, help="networks that are averaged")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a training setting")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the network")
    parser.add_argument("--out", type=Path, help="folder of the checkpoint (a new one)")
    return parser.parse_args()


def values(pairs: list[str]) -> dict[str, Any]:
    told = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            told[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            told[name] = text
    return told


def main() -> None:
    told = parse()
    if told.threads:
        torch.set_num_threads(told.threads)
    whole, test = {"mnist": read_mnist, "cifar10": read_cifar10, "digits": read_digits}[told.data](
        told.folder
    )
    train, valid = split(whole, told.train, seed=told.seed)
    rate, begun = product_rate(), time.perf_counter()

    def tell(stage: str, n_done: int, n_total: int) -> None:
        if n_done % 10 == 0:
            print(f"{time.perf_counter() - begun:.0f} s {stage} {n_done}/{n_total}", flush=True)

    out = told.out or Path(tempfile.mkdtemp())
    members, answers = [], []
    for seed in range(told.seed, told.seed + told.members):
        trained = scratch(
            told.net,
            train,
            valid=valid,
            class_names=tuple("0123456789"),
            wish=Making({"seed": seed, **values(told.set)}, values(told.option)),
            workspace=out / str(seed),
            progress=tell,
            announce=lambda sentence: print(sentence, flush=True),
        )
        logits, judged = judge(trained, test)
        answers.append(logits / fit_temperature(trained.valid_logits, valid.labels))
        np.save(out / f"logits-{seed}.npy", answers[-1])
        members.append({"seed": seed, **judged, **work(trained, rate=rate)})
    together = {
        "test_accuracy": float((np.mean(answers, 0).argmax(1) == test.labels).mean()),
        "pflop": sum(one["pflop"] for one in members),
        "members": members,
    }
    result = {
        "data": told.data,
        "net": told.net,
        "seed": told.seed,
        "n_train": len(train.labels),
        "seconds": time.perf_counter() - begun,
        **(members[0] if told.members == 1 else together),
        "machine": {**describe_machine(), "torch": torch.__version__},
    }
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M")
    file = Path(__file__).parent / "results" / f"scratch-{told.data}-{told.net}-{told.seed}-{stamp}.json"
    if told.train is None:
        file.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def judge(trained: Trained, test: Pictures) -> tuple[np.ndarray, dict[str, float]]:
    """Return the logits of the test pictures, and the accuracy on them: as it answers, by one view, and shifted."""
    n_channels = 1 if trained.card.kwargs.get("in_channels") == 1 else 3
    enter = normalise(trained.card.mean[:n_channels], trained.card.std[:n_channels])
    one_view: Any = trained.network
    if isinstance(trained.network, MultiView):
        one_view = torch.nn.Sequential(trained.network.network, trained.network.classifier).eval()

    def logits_of(network: Any, pixels: np.ndarray) -> np.ndarray:
        with choose_machine().autocast():
            return answer(network, pixels[..., :n_channels], normalise=enter)

    usual = logits_of(trained.network, test.pixels)
    asked = {
        "test_accuracy": usual,
        "test_accuracy_one_view": logits_of(one_view, test.pixels),
        "test_accuracy_shifted_3px": logits_of(trained.network, shifted(test.pixels, 3)),
    }
    return usual, {name: float((logits.argmax(1) == test.labels).mean()) for name, logits in asked.items()}


def work(trained: Trained, *, rate: float) -> dict[str, Any]:
    """Return the arithmetic, counted as three forward passes, and its share of the product rate."""
    records = trained.history.records
    flop = 3 * forward_flop(trained) * trained.history.n_pictures_seen
    training = sum(record.seconds for record in records)
    return {
        "n_weights": sum(weight.numel() for weight in trained.network.parameters()),
        "training_seconds": training,
        "pflop": flop / 1e15,
        "product_rate": rate,
        "share_of_product_rate": flop / training / rate,
        "threads": torch.get_num_threads(),
        "epochs": [
            [record.epoch, record.seconds, record.train_loss, record.train_accuracy, record.valid_accuracy]
            for record in records
        ],
    }


if __name__ == "__main__":
    main()
