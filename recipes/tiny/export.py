"""Writes the embedded backbone from trained weights: half-precision network, and its card.

export.py OUT/tiny.safetensors ... [--into FOLDER]      FOLDER: src/fovea/features/tiny

The weights of several files are averaged (Wortsman 2022).
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
from teach import TAPS

from fovea.features.card import BackboneCard
from fovea.features.convert import write_backbone
from fovea.features.encoder import Preprocess
from fovea.nets import Place, pooled_network
from fovea.nets.tiny import BLOCKS, HEAD, SIZE_PX, STEM, Tiny

# Roots of the means of what the blocks compute before they narrow it, and of the last map's; then the 1,000 answers.
PLACES = (
    *(Place(f"{tap}.around", "root") for tap in TAPS),
    Place("head", "root"),
    Place("classifier", "softmax"),
)
SOURCE = (
    "MobileNetV2 (google-coral/test_data, Apache-2.0) without a fifth of its channels, taught by the whole of it at 224 px on "
    "training parts of fashion product photos (repo alexcnwy/CTDL_CNN_TALK_20170620), ants and bees (PyTorch tutorial), "
    "tf_flowers (CC BY), imagenet-sample-images, Flickr8k, CIFAR-10 and MNIST; no labels were used, no picture is contained"
)


def main() -> None:
    """Average the weights, write the folder whole."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument(
        "--into", dest="folder", type=Path, default=ROOT / "src" / "fovea" / "features" / "tiny"
    )
    args = parser.parse_args()
    loaded = [load_file(str(file)) for file in args.weights]
    state = {name: torch.stack([one[name].double() for one in loaded]).mean(0).float() for name in loaded[0]}
    net = Tiny()
    net.load_state_dict(state)
    content = b"".join(k.encode() + state[k].half().numpy().tobytes() for k in sorted(state))
    card = BackboneCard(
        name="fovea-tiny",
        structure=json.dumps(
            {"version": 2, "stem": STEM, "blocks": BLOCKS, "head": HEAD, "mean": 0.5, "std": 0.5}
        ),
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
