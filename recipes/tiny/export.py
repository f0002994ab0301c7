"""Writes the embedded backbone from trained weights: half-precision network, and its card.

export.py OUT/tiny.safetensors [FOLDER]      FOLDER: src/fovea/features/tiny
"""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))
import torch
from safetensors.torch import load_file

from fovea.features.card import BackboneCard
from fovea.features.convert import write_backbone
from fovea.features.encoder import Preprocess
from fovea.nets import Place, pooled_network
from fovea.nets.tiny import SIZE_PX, STAGES, WIDTHS, Tiny

# Roots of the means of what the blocks compute before they narrow it, then the head's (lab/LOG.md says why).
PLACES = (
    *(Place(name, "root") for name in ("early.1.relu", "middle.0.relu", "middle.1.relu", "middle.2.relu")),
    *(Place(name, "root") for name in ("late.0.relu", "late.1.relu", "head")),
)
SOURCE = (
    "fovea's own network, distilled from MobileNetV2 (google-coral/test_data, Apache-2.0) on training parts of fashion product "
    "photos (repo alexcnwy/CTDL_CNN_TALK_20170620), ants and bees (PyTorch tutorial), tf_flowers (CC BY), "
    "imagenet-sample-images, Flickr8k, CIFAR-10 and MNIST; no labels were used, no picture is contained"
)


def main() -> None:
    """Load the averaged weights, drop the maps to the teacher, write the folder whole."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "src" / "fovea" / "features" / "tiny")
    args = parser.parse_args()
    state = {
        k.removeprefix("net."): v.float()
        for k, v in load_file(str(args.weights)).items()
        if k.startswith("net.")
    }
    net = Tiny()
    net.load_state_dict(state)
    content = b"".join(k.encode() + state[k].half().numpy().tobytes() for k in sorted(state))
    card = BackboneCard(
        name="fovea-tiny",
        structure=json.dumps({"version": 1, "stages": STAGES, "widths": WIDTHS, "mean": 0.5, "std": 0.5}),
        weights_sha256=hashlib.sha256(content).hexdigest(),
        stages=(),
        preprocess=Preprocess(height_px=SIZE_PX, width_px=SIZE_PX),
        licence="Apache-2.0",
        source=SOURCE,
    )
    temporary = args.folder.with_name(args.folder.name + ".new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    with torch.no_grad():
        pooled = pooled_network(net.eval(), places=PLACES, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        card = write_backbone(pooled, temporary, card=card, half=True)
    shutil.rmtree(args.folder, ignore_errors=True)
    temporary.rename(args.folder)
    n_bytes = sum(file.stat().st_size for file in args.folder.iterdir())
    print(
        f"{args.folder}: {n_bytes / 1e6:.2f} MB, {card.stages[-1].stop} features, difference {card.difference:.1e}"
    )


if __name__ == "__main__":
    main()
