"""Keras's accuracy after so many seconds of training, on the torch backend; prints one JSON line.

    python keras_times.py tune PHOTOS WEIGHTS --times 60 180 600     its guide to transfer learning
    python keras_times.py cifar10 FOLDER --times 60 120 ...          its CIFAR-10 example CNN

`tune` wraps the same network in keras.layers.TorchModuleWrapper: body frozen and in inference mode, pooling, dropout 0.2,
one dense layer, Adam 1e-3 for two epochs; then everything with Adam 1e-5. Answering for the accuracy is not counted.
"""

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch
from at_times import Examiner, read_cifar10
from keras import layers
from safetensors import safe_open


class Examined(keras.callbacks.Callback):
    """Ticks after each training batch."""

    def __init__(self, examiner: Examiner) -> None:
        super().__init__()
        self.examiner = examiner

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.examiner.tick()


class Photos(keras.utils.PyDataset):
    """Pictures of class folders, decoded anew in each epoch, in batches of 32."""

    def __init__(self, folder: Path, side: int, *, shuffle: bool) -> None:
        super().__init__(workers=2)
        names = sorted(one.name for one in folder.iterdir() if one.is_dir())
        self.files = [(file, k) for k, name in enumerate(names) for file in sorted((folder / name).iterdir())]
        self.n_classes, self.side, self.shuffle, self.rng = (
            len(names),
            side,
            shuffle,
            np.random.default_rng(0),
        )
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self.order = self.rng.permutation(len(self.files)) if self.shuffle else np.arange(len(self.files))

    def __len__(self) -> int:
        return math.ceil(len(self.files) / 32)

    def __getitem__(self, at: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[32 * at : 32 * at + 32]
        x = [
            keras.utils.img_to_array(
                keras.utils.load_img(
                    self.files[k][0], target_size=(self.side, self.side), interpolation="bilinear"
                )
            )
            for k in rows
        ]
        return np.stack(x), np.array([self.files[k][1] for k in rows])


def right(model: keras.Model, batches: Any) -> float:
    """Return the accuracy over batches."""
    hits = n = 0
    for x, y in batches:
        with torch.no_grad():
            hits += int(
                (keras.ops.convert_to_numpy(model(torch.tensor(x), training=False)).argmax(1) == y).sum()
            )
        n += len(y)
    return hits / n


def tune(args: argparse.Namespace) -> Examiner:
    """Train a head on the frozen body, then everything at a low rate."""
    from safetensors.torch import load_file

    from fovea.nets.zoo import import_library

    with safe_open(str(args.weights), "pt") as file:
        about = json.loads(file.metadata()["backbone"])
    net = import_library("timm").create_model(about["architecture"], **about["kwargs"])
    net.load_state_dict(load_file(str(args.weights)))
    net.reset_classifier(0)
    side = about["preprocess"]["size"]
    train, valid = (Photos(args.folder / name, side, shuffle=name == "train") for name in ("train", "valid"))
    body = layers.TorchModuleWrapper(net, output_shape=(None, net.num_features))
    mean, std = (np.array(about["preprocess"][name]) for name in ("mean", "std"))
    x = inputs = keras.Input((side, side, 3))
    x = layers.RandomRotation(0.1)(layers.RandomFlip("horizontal")(x))
    x = layers.Permute((3, 1, 2))(layers.Normalization(mean=255 * mean, variance=(255 * std) ** 2)(x))
    x = layers.Dropout(0.2)(body(x, training=False))
    model = keras.Model(inputs, layers.Dense(train.n_classes)(x))
    examiner = Examiner(args.times, lambda: right(model, valid))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def training() -> None:
        for trains, rate, epochs in ((False, 1e-3, 2), (True, 1e-5, 100)):
            body.trainable = trains
            for weight in net.parameters():
                weight.requires_grad_(trains)
            model.compile(keras.optimizers.Adam(rate), loss)
            model.fit(train, epochs=epochs, verbose=0, callbacks=[Examined(examiner)])

    examiner.train(training)
    return examiner


def cifar10(args: argparse.Namespace) -> Examiner:
    """Train the CNN of examples/cifar10_cnn: four convolutions, RMSprop at 1e-4, batches of 32, moved and mirrored pictures."""
    (x, y), (test_x, test_y) = (
        (np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)).astype(np.float32) / 255, labels)
        for pixels, labels in read_cifar10(args.folder)
    )
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.RandomFlip("horizontal"),
            layers.RandomTranslation(0.1, 0.1),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(512, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.RMSprop(args.rate), loss)
    batches = [(test_x[k : k + 500], test_y[k : k + 500]) for k in range(0, len(test_x), 500)]
    examiner = Examiner(args.times, lambda: right(model, batches))
    examiner.train(
        lambda: model.fit(x, y, batch_size=32, epochs=1000, verbose=0, callbacks=[Examined(examiner)])
    )
    return examiner


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("tune", "cifar10"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("weights", type=Path, nargs="?")
    parser.add_argument("--times", type=float, nargs="+", required=True)
    parser.add_argument("--rate", type=float, default=1e-4)
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    print(json.dumps({"tune": tune, "cifar10": cifar10}[args.what](args).told))


if __name__ == "__main__":
    main()
