"""Twelve networks with random weights: OpenVINO's features are torch's to 1e-3 in float32, in bf16 as near as torch's own.

    python benchmarks/zoo.py ../shared/data/imagenet --docs docs/backbones.md

Differences in float32 are of 64 pictures, largest over a stage's largest value, the worst stage; in bf16 the length of
all differences over that of all values, beside that of torch's own bf16 (8 pictures): untrained networks amplify what
rounding does, so what counts is that both round alike. Batch statistics are measured on some of the pictures first, so
that activations are of ordinary size. Rates are of the network alone, both engines on the same cores, one after the
other. Raw numbers go to benchmarks/results/; with --docs, the table in that file is written again. Within 6 minutes on
two quiet cores.
"""

import argparse
import gc
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from machine import describe_machine
from numpy.typing import NDArray

from fovea import nets, pictures
from fovea.features import available_cores, has_native_bf16, load_encoder
from fovea.features.convert import card_of, stage_differences, write_backbone
from fovea.nets.official import describe_official
from fovea.nets.zoo import build_network

NETWORKS = {
    "AlexNet": "torchvision:alexnet",
    "VGG-16": "torchvision:vgg16",
    "GoogLeNet": "torchvision:googlenet",
    "Inception v3": "torchvision:inception_v3",
    "ResNet-18": "torchvision:resnet18",
    "ResNet-50": "torchvision:resnet50",
    "DenseNet-121": "torchvision:densenet121",
    "SqueezeNet 1.1": "torchvision:squeezenet1_1",
    "MobileNetV2": "timm:mobilenetv2_100",
    "EfficientNet-B0": "torchvision:efficientnet_b0",
    "ConvNeXt-tiny": "torchvision:convnext_tiny",
    "ViT-small": "timm:vit_small_patch16_224",
}
# Of the worst stage's largest value; of all features' length; of that of torch's own bf16.
BOUNDS = {"f32": 1e-3, "bf16": 0.25, "bf16_ratio": 1.25}
BEGIN, END = "<!-- benchmarks/zoo.py writes from here -->", "<!-- to here -->"
Pixels = NDArray[np.uint8]


def read_pictures(folder: Path, *, n: int) -> list[bytes]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in {".jpg", ".jpeg"})
    return [file.read_bytes() for file in files[:: max(1, len(files) // n)][:n]]


def random_network(spec: str, pixels: Pixels) -> nets.NamedNetwork:
    """Return a network of random weights, its batch statistics measured on some pictures, pooled at its own stages."""
    torch.manual_seed(0)
    card = describe_official(spec).card
    network = build_network(card)
    norms = [one for one in network.modules() if isinstance(one, torch.nn.modules.batchnorm._BatchNorm)]
    if norms:
        for norm in norms:
            norm.momentum = None  # the mean of all batches
        planes = torch.from_numpy(pixels[:16]).permute(0, 3, 1, 2).float() / 255
        with torch.no_grad():
            network.train()((planes - 0.45) / 0.23)
    network.eval()
    architecture = {"library": card.library, "architecture": card.architecture, "size_px": card.size_px}
    places = nets.places_of(network, **architecture)
    pooled = nets.pooled_network(network, places=places, mean=card.mean, std=card.std)
    return nets.NamedNetwork(pooled, card, weights_sha256="0" * 64)


def measure(spec: str, contents: list[bytes], folder: Path) -> dict[str, object]:
    """Convert one network, and compare features and rates."""
    size_px = describe_official(spec).card.size_px
    pixels = np.stack(
        [pictures.decode_to(one, height_px=size_px, width_px=size_px).pixels for one in contents]
    )
    named = random_network(spec, pixels)
    began = time.perf_counter()
    card = write_backbone(named.pooled, folder, card=card_of(named, name=spec))
    told: dict[str, object] = {
        "network": spec,
        "size_px": size_px,
        "convert_seconds": time.perf_counter() - began,
        "n_features": card.stages[-1].stop,
        "stages": [stage.name for stage in card.stages],
        "megabytes": sum(file.stat().st_size for file in folder.iterdir()) / 1e6,
        "any_shape": card.any_shape,
    }
    cores = available_cores()
    runner = nets.TorchRunner(named.pooled, device="cpu", precision="f32", threads=cores)
    batches = [pixels[start : start + 8] for start in range(0, len(pixels), 8)]
    list(runner.run_batches(batches[:1]))
    began = time.perf_counter()
    expected = np.concatenate(list(runner.run_batches(batches)))
    told["torch_f32_rate"] = len(pixels) / (time.perf_counter() - began)
    for precision in ("f32", "bf16") if has_native_bf16() else ("f32",):
        encoder = load_encoder(folder, precision=precision, threads=cores)
        encoder.encode(pixels[:16])
        began = time.perf_counter()
        found = encoder.encode(pixels)
        told[f"openvino_{precision}_rate"] = len(pixels) / (time.perf_counter() - began)
        by_stage = stage_differences(found, expected, stages=card.stages)
        told[f"openvino_{precision}_by_stage"] = by_stage
        told[f"openvino_{precision}_worst_stage"] = max(by_stage.values())
        told[f"openvino_{precision}_length"] = length(found, expected)
    if has_native_bf16():
        runner = nets.TorchRunner(named.pooled, device="cpu", precision="bf16", threads=cores)
        (half,) = runner.run_batches(batches[:1])
        told["torch_bf16_length"] = length(half, expected[: len(half)])
        told["bf16_ratio"] = length(found[: len(half)], expected[: len(half)]) / length(
            half, expected[: len(half)]
        )
    return told


def length(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def table(results: dict[str, dict[str, object]], machine: dict[str, str], *, now: datetime, n: int) -> str:
    lines = [
        BEGIN,
        f"{machine['processor']} ({machine['flags']}), {available_cores()} cores, openvino {machine['openvino']}, torch "
        f"{torch.__version__}, {now:%Y-%m-%d}, commit {machine['commit']}; {n} pictures, batches of 8.",
        "",
        "| network | px | features | MB | OpenVINO f32, img/s | bf16 | torch f32 | f32 / torch | difference f32 | bf16 | torch's |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in results.items():
        ours, bf16, torchs = (
            float(one.get(f"{key}_rate", float("nan")))
            for key in ("openvino_f32", "openvino_bf16", "torch_f32")
        )
        half, own = (one.get(f"{key}_bf16_length", float("nan")) for key in ("openvino", "torch"))
        lines.append(
            f"| {name} (`{one['network']}`) | {one['size_px']} | {one['n_features']:,} | {one['megabytes']:.0f} | {ours:.0f} | "
            f"{bf16:.0f} | {torchs:.1f} | {ours / torchs:.1f} | {one['openvino_f32_worst_stage']:.0e} | {half:.3f} | {own:.3f} |"
        )
    return "\n".join([*lines, END])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--only", nargs="*", default=list(NETWORKS))
    parser.add_argument("--docs", type=Path, help="write the table into this file, between its marks")
    told = parser.parse_args()
    contents = read_pictures(told.folder, n=told.pictures)
    results: dict[str, dict[str, object]] = {}
    began = time.perf_counter()
    for name in told.only:
        with tempfile.TemporaryDirectory() as folder:
            results[name] = measure(NETWORKS[name], contents, Path(folder))
        gc.collect()
        print(
            json.dumps({key: value for key, value in results[name].items() if "stages" not in key}),
            flush=True,
        )
    now, machine = datetime.now(UTC), describe_machine()
    keys = {"f32": "openvino_f32_worst_stage", "bf16": "openvino_bf16_length", "bf16_ratio": "bf16_ratio"}
    worst = {name: max(float(one.get(key, 0.0)) for one in results.values()) for name, key in keys.items()}  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    print(f"worst: {worst}, promised: {BOUNDS}; {seconds:.0f} s")
    body = {"date": now.isoformat(), "machine": machine, "torch": torch.__version__, "load": os.getloadavg()}
    body |= {
        "n_pictures": len(contents),
        "seconds": seconds,
        "worst": worst,
        "bounds": BOUNDS,
        "results": results,
    }
    file = Path(__file__).parent / "results" / f"zoo-{now:%Y%m%d-%H%M}.json"
    file.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    if told.docs:
        before, _, rest = told.docs.read_text(encoding="utf-8").partition(BEGIN)
        told.docs.write_text(
            before + table(results, machine, now=now, n=len(contents)) + rest.partition(END)[2],
            encoding="utf-8",
        )
    if any(worst[key] > bound for key, bound in BOUNDS.items()):
        raise SystemExit("a bound is broken")


if __name__ == "__main__":
    main()
