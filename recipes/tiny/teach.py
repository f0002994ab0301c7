"""Asks the teacher once: random crops of every picture, and what MobileNetV2 says of each, stored for training.

    teach.py PICTURES.zip TEACHER.safetensors OUT [--crops 16] [--seed 0]    after prune.py, which writes OUT/kept.npz

OUT gets views.npy, uint8 (n, 128, 128, 3), and targets.npy, float16 (n, d + 1000): the roots of the means of those
channels that fovea-tiny keeps, at each of its places, and the 1,000 answers, of the same view at 224 px. The first view of
a picture is the whole one as users' pictures go in; a share of the batches mixes two views (Beyer 2022).
"""

import argparse
import io
import json
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
from fovea.nets.tiny import SIZE_PX
from fovea.nets.zoo import import_torchvision

TEACHER_PX, BATCH = 224, 8
TAPS = ("blocks.3.3", "blocks.4.2", "blocks.5.0", "blocks.5.1", "blocks.5.2", "blocks.6.0")
"""Blocks whose widened maps are features; the last map is one too."""


def load_teacher(path: Path) -> nn.Module:
    """Return the network of a weights file that describes itself."""
    import_torchvision()
    import timm

    with safe_open(str(path), "pt") as file:
        about = json.loads(file.metadata()["backbone"])
    net = timm.create_model(about["architecture"], **about["kwargs"])
    net.load_state_dict(load_file(str(path)))
    return net.eval()


class Teacher(nn.Module):
    """MobileNetV2: uint8 (n, h, w, 3) -> the roots of its channels' means that are kept, and its answers (n, d + 1000)."""

    def __init__(self, net: nn.Module, kept: dict[str, Tensor]) -> None:
        super().__init__()
        self.net, self.kept, self.maps = net, kept, {}
        for name in (*TAPS, "head"):
            module = net.bn2 if name == "head" else net.get_submodule(name).bn2
            module.register_forward_hook(lambda _m, _i, y, name=name: self.maps.__setitem__(name, y))

    def forward(self, x: Tensor) -> Tensor:
        """Run and pool."""
        answers = self.net(x.permute(0, 3, 1, 2).float() / 127.5 - 1)
        roots = [self.maps[name].mean((2, 3))[:, self.kept[name]].sqrt() for name in (*TAPS, "head")]
        return torch.cat([*roots, answers], 1)


def whole(picture: Image.Image) -> np.ndarray:
    """Return the centre at the largest square, uint8 (224, 224, 3), as users' pictures go in."""
    side = min(picture.size)
    x, y = (picture.width - side) / 2, (picture.height - side) / 2
    box = (x, y, x + side, y + side)
    return np.asarray(picture.resize((TEACHER_PX, TEACHER_PX), Image.Resampling.BILINEAR, box=box))


def random_crop(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Return a crop as uint8 (224, 224, 3): 20 to 100 % of the picture, some light and colour changed, half mirrored."""
    area = picture.width * picture.height * rng.uniform(0.2, 1.0)
    ratio = np.exp(rng.uniform(-0.35, 0.35))
    w, h = min(picture.width, (area * ratio) ** 0.5), min(picture.height, (area / ratio) ** 0.5)
    x, y = rng.uniform(0, picture.width - w), rng.uniform(0, picture.height - h)
    size = (TEACHER_PX, TEACHER_PX)
    view = np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=(x, y, x + w, y + h)), np.float32)
    light, contrast, colour = rng.uniform(0.8, 1.2, 3)
    mean = view.mean()
    view = (view - mean) * contrast + mean * light
    grey = view.mean(axis=2, keepdims=True)
    view = grey + (view - grey) * colour
    return (view[:, ::-1] if rng.random() < 0.5 else view).clip(0, 255).round().astype(np.uint8)


def smaller(view: np.ndarray) -> np.ndarray:
    """Return the same view at the student's size."""
    return np.asarray(Image.fromarray(view).resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR))


def main() -> None:
    """Write views.npy and targets.npy."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--crops", type=int, default=16, help="of a photo; a picture under 64 px gets two")
    parser.add_argument("--mixed", type=float, default=0.25, help="share of the batches that mix two views")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino as ov

    rng = np.random.default_rng(args.seed)
    with np.load(args.out / "kept.npz") as held:
        kept = {
            name: torch.from_numpy(held[name if name == "head" else f"{name}.around"])
            for name in (*TAPS, "head")
        }
    n_columns = sum(len(index) for index in kept.values()) + 1000
    example = torch.zeros(BATCH, TEACHER_PX, TEACHER_PX, 3, dtype=torch.uint8)
    graph = ov.convert_model(Teacher(load_teacher(args.teacher), kept), example_input=example)
    graph.reshape([BATCH, TEACHER_PX, TEACHER_PX, 3])
    options = {"INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 2, "INFERENCE_PRECISION_HINT": "bf16"}
    queue = ov.AsyncInferQueue(ov.Core().compile_model(graph, "CPU", options), 4)
    with zipfile.ZipFile(args.pictures) as archive:
        pictures = [
            Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in sorted(archive.namelist())
        ]
    jobs = np.array(
        [(k, crop) for k, p in enumerate(pictures) for crop in range(args.crops if max(p.size) > 64 else 2)]
    )
    jobs = rng.permutation(jobs)[: len(jobs) // BATCH * BATCH]
    shape = (len(jobs), SIZE_PX, SIZE_PX, 3)
    views = np.lib.format.open_memmap(args.out / "views.npy", mode="w+", dtype=np.uint8, shape=shape)
    targets = np.lib.format.open_memmap(
        args.out / "targets.npy", mode="w+", dtype=np.float16, shape=(len(jobs), n_columns)
    )

    def keep(request: ov.InferRequest, at: int) -> None:
        targets[at : at + BATCH] = request.get_output_tensor(0).data

    queue.set_callback(keep)
    start = time.time()
    for at in range(0, len(jobs), BATCH):
        batch = np.stack(
            [
                random_crop(pictures[k], rng) if crop else whole(pictures[k])
                for k, crop in jobs[at : at + BATCH]
            ]
        )
        if at // BATCH % 100 < 100 * args.mixed:
            share = rng.uniform(0, 0.5, (BATCH, 1, 1, 1))
            batch = (batch * (1 - share) + batch[::-1] * share).astype(np.uint8)
        queue.start_async({0: batch}, at)
        views[at : at + BATCH] = [smaller(view) for view in batch]
        if at % 4000 == 0:
            print(f"{at} of {len(jobs)}, {at / (time.time() - start + 1e-9):.0f}/s", flush=True)
    queue.wait_all()
    views.flush()
    targets.flush()
    print(f"{len(jobs)} views in {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
