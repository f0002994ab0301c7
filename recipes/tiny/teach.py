"""Asks the teacher once: random crops of every picture, and what MobileNetV2 says of each, stored for training.

    teach.py PICTURES.zip TEACHER.safetensors OUT [--crops 8]

OUT gets views.npy, uint8 (n, 128, 128, 3), and targets.npz: the teacher's last maps and those of its middle averaged
over a 2 x 2 grid, and its 1,000 answers, float16. A third of the crops are mixed with another one (Beyer 2022).
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
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
from fovea.nets.tiny import SIZE_PX

TEACHER_PX, BATCH = 224, 8


def load_teacher(path: Path) -> nn.Module:
    """Return the network of a weights file that describes itself."""
    operators = torch.library.Library(
        "torchvision", "DEF"
    )  # torchvision's own cannot load beside a CPU build
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm

    with safe_open(str(path), "pt") as file:
        about = json.loads(file.metadata()["backbone"])
    net = timm.create_model(about["architecture"], **about["kwargs"])
    net.load_state_dict(load_file(str(path)))
    return net.eval()


class Teacher(nn.Module):
    """MobileNetV2: (n, h, w, 3) in 0..255 -> its middle (n, 96, 2, 2), its end (n, 1280, 2, 2), its answers (n, 1000)."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Average both maps over a 2 x 2 grid."""
        y = self.net.bn1(self.net.conv_stem(x.permute(0, 3, 1, 2).float() / 127.5 - 1))
        middle = y
        for k, block in enumerate(self.net.blocks):
            y = block(y)
            middle = y if k == 4 else middle
        last = self.net.bn2(self.net.conv_head(y))
        grid = F.avg_pool2d(last, 4, stride=3)
        return F.avg_pool2d(middle, 7), grid, self.net.classifier(last.mean((2, 3)))


def random_crop(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Return a crop as uint8 (224, 224, 3): 20 to 100 % of the picture, some light and colour changed, half mirrored."""
    area = picture.width * picture.height * rng.uniform(0.2, 1.0)
    ratio = np.exp(rng.uniform(-0.35, 0.35))
    w, h = min(picture.width, (area * ratio) ** 0.5), min(picture.height, (area / ratio) ** 0.5)
    x, y = rng.uniform(0, picture.width - w), rng.uniform(0, picture.height - h)
    size = (TEACHER_PX, TEACHER_PX)
    view = np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=(x, y, x + w, y + h)), np.float32)
    light, contrast, colour = rng.uniform(0.75, 1.25, 3)
    mean = view.mean()
    view = (view - mean) * contrast + mean * light
    grey = view.mean(axis=2, keepdims=True)
    view = grey + (view - grey) * colour
    return (view[:, ::-1] if rng.random() < 0.5 else view).clip(0, 255).round().astype(np.uint8)


def smaller(view: np.ndarray) -> np.ndarray:
    """Return the same view at the student's size."""
    return np.asarray(Image.fromarray(view).resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR))


def main() -> None:
    """Write views.npy and targets.npz."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--crops", type=int, default=8, help="crops of a photo; a picture under 64 px gets one"
    )
    args = parser.parse_args()
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino as ov

    rng = np.random.default_rng(0)
    example = torch.zeros(BATCH, TEACHER_PX, TEACHER_PX, 3, dtype=torch.uint8)
    graph = ov.convert_model(Teacher(load_teacher(args.teacher)), example_input=example)
    graph.reshape([BATCH, TEACHER_PX, TEACHER_PX, 3])
    options = {"INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 2, "INFERENCE_PRECISION_HINT": "f32"}
    queue = ov.AsyncInferQueue(ov.Core().compile_model(graph, "CPU", options), 2)
    with zipfile.ZipFile(args.pictures) as archive:
        pictures = [
            Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in sorted(archive.namelist())
        ]
    jobs = np.array([k for k, p in enumerate(pictures) for _ in range(args.crops if max(p.size) > 64 else 1)])
    jobs = rng.permutation(jobs)[: len(jobs) // BATCH * BATCH]
    args.out.mkdir(parents=True, exist_ok=True)
    shape = (len(jobs), SIZE_PX, SIZE_PX, 3)
    views = np.lib.format.open_memmap(args.out / "views.npy", mode="w+", dtype=np.uint8, shape=shape)
    targets = [np.empty((len(jobs), *d), np.float16) for d in ((96, 2, 2), (1280, 2, 2), (1000,))]

    def keep(request: ov.InferRequest, at: int) -> None:
        for k, target in enumerate(targets):
            target[at : at + BATCH] = request.get_output_tensor(k).data

    queue.set_callback(keep)
    start = time.time()
    for at in range(0, len(jobs), BATCH):
        batch = np.stack([random_crop(pictures[k], rng) for k in jobs[at : at + BATCH]])
        if at // BATCH % 3 == 0:
            share = rng.uniform(0, 0.5, (BATCH, 1, 1, 1))
            batch = (batch * (1 - share) + batch[::-1] * share).astype(np.uint8)
        queue.start_async({0: batch}, at)
        views[at : at + BATCH] = [smaller(view) for view in batch]
        if at % 4000 == 0:
            print(f"{at} of {len(jobs)}, {at / (time.time() - start + 1e-9):.0f}/s", flush=True)
    queue.wait_all()
    views.flush()
    np.savez(args.out / "targets.npz", middle=targets[0], last=targets[1], answers=targets[2])
    np.savez(
        args.out / "classifier.npz",
        weight=graph_classifier(args.teacher)[0],
        bias=graph_classifier(args.teacher)[1],
    )
    print(f"{len(jobs)} views in {time.time() - start:.0f} s")


def graph_classifier(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the teacher's last layer: weights (1000, 1280) and bias (1000,)."""
    state = load_file(str(path))
    return state["classifier.weight"].numpy(), state["classifier.bias"].numpy()


if __name__ == "__main__":
    main()
