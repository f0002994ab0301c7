"""fastai's fine_tune(3) on class folders with the weights of a self-describing file; prints one JSON line.

python fastai_side.py PHOTOS WEIGHTS [--epochs 3]      run by versus_fastai.py, in an environment that has fastai and timm
"""

import argparse
import json
import time
from pathlib import Path

import torch

operators = torch.library.Library(
    "torchvision", "DEF"
)  # torchvision's own cannot load beside a CPU build of torch
for name in ("nms", "qnms"):
    try:
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    except RuntimeError:
        break

import fastai
import timm
from fastai.vision.all import (
    ImageDataLoaders,
    Learner,
    Normalize,
    Resize,
    accuracy,
    aug_transforms,
    default_split,
    params,
)
from fastai.vision.learner import TimmBody, add_head
from safetensors import safe_open
from safetensors.torch import load_file


def learner(photos: Path, weights: Path) -> Learner:
    """Return what `vision_learner` would make of this network: its body, fastai's own head, frozen body groups."""
    with safe_open(str(weights), "pt") as file:
        about = json.loads(file.metadata()["backbone"])
    size = about["preprocess"]["size"]
    loaders = ImageDataLoaders.from_folder(
        photos,
        train="train",
        valid="valid",
        item_tfms=Resize(size),
        batch_tfms=[
            *aug_transforms(),
            Normalize.from_stats(about["preprocess"]["mean"], about["preprocess"]["std"]),
        ],
        seed=0,
    )
    net = timm.create_model(about["architecture"], **about["kwargs"])
    net.load_state_dict(load_file(str(weights)))
    net.reset_classifier(0, "")
    model = add_head(TimmBody(net), net.num_features, loaders.c)
    made = Learner(loaders, model, splitter=default_split, metrics=accuracy)
    made.freeze()
    assert sum(p.requires_grad for p in params(model)) < len(list(model.parameters()))
    return made


def main() -> None:
    """Time from reading the folder to the last epoch's end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(0)
    begun = time.perf_counter()
    made = learner(args.photos, args.weights)
    with made.no_bar():
        made.fine_tune(args.epochs)
    seconds = time.perf_counter() - begun
    rows = [[float(value) for value in row] for row in made.recorder.values]
    versions = {"fastai": fastai.__version__, "torch": torch.__version__, "timm": timm.__version__}
    print(json.dumps({"seconds": seconds, "accuracy": rows[-1][-1], "epochs": rows, "versions": versions}))


if __name__ == "__main__":
    main()
