"""Every network of the courses, trained a few steps on real pictures: its loss falls, it is saved, loaded, predicts the same.

    python benchmarks/every_net.py ../shared/data/ants_bees --log lab.md

16 training and 8 validation pictures, 5 epochs of 2 steps, no augmentation. Every network is then answered for by three: the
model folder, the same in a process in which torch cannot be imported, and torch with the saved weights, read back by their
card; all in float32. Numbers go to benchmarks/results/. Some ten minutes on two cores.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe_machine
from numpy.typing import NDArray

import fovea
from fovea.judge import softmax
from fovea.learn.pixels import read_pixels
from fovea.nets.state import fit_tensors, read_tensors
from fovea.nets.weights import read_weights_card
from fovea.nets.zoo import build_network

NETWORKS = {
    "AlexNet": "alexnet",
    "VGG-16": "vgg16",
    "GoogLeNet": "googlenet",
    "Inception v3": "inception_v3",
    "ResNet-18": "resnet18",
    "ResNet-50": "resnet50",
    "DenseNet-121": "densenet121",
    "highway": "highway",
    "Keras": "keras",
}
SETTINGS = {
    "epochs": 5,
    "batch_size": 8,
    "optimizer": "adamw",
    "lr": 2e-4,
    "schedule": "constant",
    "warmup": 0.0,
}
SETTINGS |= {"dropout": 0.0, "smoothing": 0.0, "augment": "none", "compute": "f32", "method": "scratch"}
SAME = 1e-3  # between two probabilities
WITHOUT_TORCH = """
import json, sys
for name in ("torch", "torchvision", "timm", "keras", "accelerate"):
    sys.modules[name] = None
import fovea
told = fovea.load(sys.argv[1]).predict(sys.argv[2:])
print(json.dumps([list(one.probabilities.values()) for one in told]))
"""


def choose_pictures(source: Path, folder: Path, *, n_train: int, n_valid: int) -> Path:
    for split, n in (("train", n_train), ("val", n_valid)):
        for kind in sorted(path for path in (source / split).iterdir() if path.is_dir()):
            target = folder / split / kind.name
            target.mkdir(parents=True)
            for file in sorted(kind.iterdir())[:n]:
                shutil.copy(file, target)
    return folder


def keras_file(folder: Path) -> Path:
    """Save a small functional model of keras', its first convolution frozen."""
    from fovea.nets.keras_start import import_keras

    keras = import_keras()
    layers = keras.layers
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64, 64, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(16, 3, activation="relu", trainable=False, name="frozen")(x)
    for width in (16, 32, 64):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.MaxPooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    x = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
    model.save(folder / "small.keras")
    return folder / "small.keras"


def answers_of_torch(run: Path, pictures: list[Path]) -> NDArray[np.float32]:
    """Return the probabilities (n, k) by torch, with the network built again from its card and the saved weights.

    Its logits are rounded to float16, as all features are.
    """
    model, file = fovea.load(run), run / "backbone" / "weights.safetensors"
    card = read_weights_card(file)
    network = build_network(card).eval()
    wrong = fit_tensors(network, read_tensors(file))
    if wrong:
        raise SystemExit(f"{file}: {wrong}")
    entry = model.encoder.preprocess
    pixels = read_pixels(
        [partial(path.read_bytes) for path in pictures],
        height_px=entry.height_px,
        width_px=entry.width_px,
        fit=entry.fit,
        crop=entry.crop,
    )
    mean, std = (torch.tensor(one).reshape(1, 3, 1, 1) for one in (card.mean, card.std))
    with torch.inference_mode():
        logits = network((torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std).numpy()
    logits = logits.astype(np.float16).astype(np.float32)
    return softmax(logits / model.temperature)


def try_one(name: str, net: str, photos: Path, folder: Path) -> dict[str, Any]:
    clock = time.perf_counter()
    settings = dict(SETTINGS)
    if net == "keras":
        net = str(keras_file(folder))
        del settings["dropout"]  # its layers are as they are
    run = fovea.train(photos, out=folder / name, net=net, **settings)
    attempt = run.metrics["training"]["attempts"][0]
    losses = [record["train_loss"] for record in attempt["history"]["records"]]
    pictures = sorted((photos / "val").rglob("*.jpg"))
    told = np.array([list(one.probabilities.values()) for one in run.model.predict(list(map(str, pictures)))])
    command = [sys.executable, "-c", WITHOUT_TORCH, str(run.folder), *map(str, pictures)]
    apart = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shutil.rmtree(folder / f".{name}.training", ignore_errors=True)
    result = {
        "size_px": run.model.encoder.preprocess.height_px,
        "losses": [round(loss, 4) for loss in losses],
        "without_torch": float(np.abs(np.array(json.loads(apart)) - told).max()),
        "by_torch": float(np.abs(answers_of_torch(run.folder, pictures) - told).max()),
        "export": attempt["export"],
        "seconds": round(time.perf_counter() - clock, 1),
    }
    shutil.rmtree(run.folder)
    fine = losses[-1] < losses[0] and max(result["without_torch"], result["by_torch"]) <= SAME
    return {**result, "holds": bool(fine)}


def sentence(name: str, one: dict[str, Any]) -> str:
    return (
        f"{name} at {one['size_px']} px: training loss {one['losses'][0]:.3f} -> {one['losses'][-1]:.3f}; largest difference of a "
        f"probability without torch {one['without_torch']:.1e}, to torch with the weights read back {one['by_torch']:.1e}; "
        f"{one['seconds']:.0f} s{'' if one['holds'] else ' (DOES NOT HOLD)'}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="train/CLASS and val/CLASS")
    parser.add_argument("--only", nargs="*", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--log", type=Path, help="append the sentences here")
    arguments = parser.parse_args()
    lines, results = [], {}
    with tempfile.TemporaryDirectory(prefix="fovea-every-") as place:
        photos = choose_pictures(arguments.photos, Path(place) / "photos", n_train=8, n_valid=4)
        for name in arguments.only:
            results[name] = try_one(name, NETWORKS[name], photos, Path(place))
            lines.append(sentence(name, results[name]))
            print(lines[-1], flush=True)
    now = datetime.now(UTC)
    told = {
        "machine": describe_machine(),
        "torch": torch.__version__,
        "settings": SETTINGS,
        "networks": results,
    }
    file = Path(__file__).parent / "results" / f"every_net-{now:%Y%m%d-%H%M}.json"
    file.write_text(json.dumps(told, indent=1) + "\n")
    print(file)
    if arguments.log:
        with arguments.log.open("a") as log:
            log.write("\n".join(f"- {line}" for line in lines) + "\n")
    sys.exit(not all(one["holds"] for one in results.values()))


if __name__ == "__main__":
    main()
