"""fastai's accuracy after so many seconds of training; prints one JSON line.

    python fastai_times.py tune PHOTOS WEIGHTS --times 60 180 600     its fine_tune, the body frozen for one epoch
    python fastai_times.py cifar10 FOLDER --times 60 120 ... --total 900     ResNet-18 from scratch, one-cycle over the total

Needs fastai and timm. Answering for the accuracy is not counted. From scratch the pictures are given as arrays, on batches,
mirrored and cropped as in its own CIFAR examples: no decoding is held against it.
"""

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from at_times import Examiner, read_cifar10
from fastai_side import learner  # first: it puts torchvision's operators in place

# isort: split
from fastai.vision.all import Callback, CrossEntropyLossFlat, DataLoaders, Learner, accuracy


class Examined(Callback):
    """Ticks after each training batch."""

    examiner: Examiner

    def after_batch(self) -> None:
        if self.training:
            self.examiner.tick()


def right(made: Learner, batches: Any) -> float:
    """Return the accuracy over batches, leaving the learner as it was."""
    was, hits, n = made.model.training, 0, 0
    made.model.eval()
    with torch.no_grad():
        for x, y in batches:
            hits += int((made.model(x).argmax(1) == y).sum())
            n += len(y)
    made.model.train(was)
    return hits / n


def tune(args: argparse.Namespace) -> Examiner:
    """Train as `fine_tune` does: the head for one epoch, then everything at falling rates."""
    made = learner(args.folder, args.weights)
    examiner = Examiner(args.times, lambda: right(made, made.dls.valid))
    Examined.examiner = examiner
    made.add_cb(Examined())
    with made.no_bar():
        examiner.train(lambda: made.fine_tune(args.epochs))
    return examiner


class Batches:
    """Shuffled float32 batches of CIFAR-10, mirrored and moved by up to 4 pixels where they are for training."""

    def __init__(self, pixels: np.ndarray, labels: np.ndarray, *, size: int, train: bool) -> None:
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.491, 0.482, 0.447), (0.247, 0.243, 0.262)))
        self.x = (torch.from_numpy(pixels).float() / 255 - mean) / std
        self.y, self.size, self.train = torch.from_numpy(labels), size, train

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.size)

    def __iter__(self) -> Any:
        order = torch.randperm(len(self.x)) if self.train else torch.arange(len(self.x))
        for rows in order.split(self.size):
            x = self.x[rows]
            if self.train:
                x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
                x = torch.nn.functional.pad(x, (4, 4, 4, 4), mode="reflect")
                top, left = torch.randint(0, 9, (2,)).tolist()
                x = x[:, :, top : top + 32, left : left + 32]
            yield x, self.y[rows]


def cifar10(args: argparse.Namespace) -> Examiner:
    """Train torchvision's ResNet-18 from random weights by `fit_one_cycle` over about the total of seconds."""
    from torchvision.models import resnet18

    parts = read_cifar10(args.folder)
    train, test = Batches(*parts[0], size=args.batch, train=True), Batches(*parts[1], size=500, train=False)
    made = Learner(
        DataLoaders(train, test), resnet18(num_classes=10), loss_func=CrossEntropyLossFlat(), metrics=accuracy
    )
    begun = time.perf_counter()  # its speed, so that one cycle fits the total
    for k, (x, y) in enumerate(train):
        made.loss_func(made.model(x), y).backward()
        if k == 4:
            break
    made.model.zero_grad()
    each = (time.perf_counter() - begun) / 5
    epochs = max(1, round(args.total / each / len(train)))
    made = Learner(
        DataLoaders(train, test), resnet18(num_classes=10), loss_func=CrossEntropyLossFlat(), metrics=accuracy
    )
    examiner = Examiner(args.times, lambda: right(made, test))
    Examined.examiner = examiner
    made.add_cb(Examined())
    made.validate = lambda *_, **__: None  # ours are the only looks at the test pictures
    with made.no_bar(), made.no_logging():
        examiner.train(lambda: [made.fit_one_cycle(epochs, 3e-3) for _ in range(100)])
    return examiner


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("tune", "cifar10"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path, nargs="?")
    parser.add_argument("--times", type=float, nargs="+", required=True)
    parser.add_argument("--total", type=float, default=900)
    parser.add_argument("--epochs", type=int, default=1, help="of fine_tune after the frozen one")
    parser.add_argument("--batch", type=int, default=128)
    args = parser.parse_args()
    torch.manual_seed(0)
    print(json.dumps({"tune": tune, "cifar10": cifar10}[args.what](args).told))


if __name__ == "__main__":
    main()
