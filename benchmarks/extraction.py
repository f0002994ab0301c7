"""Folder to features at 0.85 or more of what the cores could do if decoding and inference never waited.

    python benchmarks/extraction.py ../shared/data/products --weights ../shared/weights/mobilenetv2_100.safetensors

The limit is cores / (decode + resize + engine core-seconds a picture), the three measured alone, in turn with the whole
(scan, hash, decode, infer, store), in the same run. Raw numbers go to benchmarks/results/. Run it on a quiet machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fovea import pictures
from fovea.errors import PictureError
from fovea.features import Encoder, Item, available_cores, extract, open_backbone, open_store, read_hashes


def core_seconds(work: Callable[[], object], *, n: int) -> dict[str, float]:
    """Return the processor time and the wall time of `work` over `n` pictures, per picture."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"core_seconds": (time.process_time() - cpu) / n, "wall_seconds": (time.perf_counter() - wall) / n}


def measure_alone(encoder: Encoder, contents: Sequence[bytes]) -> dict[str, dict[str, float]]:
    """Measure decoding, resizing and the engine, each alone, on the same pictures."""
    shape = {"height_px": encoder.preprocess.height_px, "width_px": encoder.preprocess.width_px}
    cover_px = (shape["height_px"], shape["width_px"])
    decoded: list[pictures.Picture] = []
    resized: list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]] = []
    fit = encoder.preprocess.fit
    n = len(contents)
    decode = core_seconds(
        lambda: decoded.extend(pictures.decode(content, cover_px=cover_px) for content in contents), n=n
    )
    resize = core_seconds(
        lambda: resized.extend(pictures.resize(one.pixels, **shape, fit=fit) for one in decoded), n=n
    )
    batches = np.stack(resized)
    engine = core_seconds(lambda: encoder.encode(batches), n=n)
    return {"decode": decode, "resize": resize, "engine": engine}


def measure_whole(encoder: Encoder, root: Path) -> dict[str, float]:
    """Measure from the folder to stored features, in a store of its own."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store.sqlite") as store:
        wall, cpu = time.perf_counter(), time.process_time()
        files = [found.path for found in pictures.scan_folder(root).files]
        hashed = read_hashes(files, store)
        scanned = time.perf_counter()
        items = [Item(one.sha256, file.read_bytes) for one, file in zip(hashed, files, strict=True)]
        found = extract(encoder, items, store=store)
        end = time.perf_counter()
        return {
            "n_pictures": found.n_decoded,
            "scan_and_hash_seconds": scanned - wall,
            "extract_seconds": end - scanned,
            "wall_seconds": end - wall,
            "core_seconds": time.process_time() - cpu,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", type=int, default=1000, help="pictures for the parts measured alone")
    told = parser.parse_args()
    encoder = open_backbone(told.weights)
    encoder.encode(np.zeros((64, encoder.preprocess.height_px, encoder.preprocess.width_px, 3), np.uint8))
    contents = []
    for found in pictures.scan_folder(told.folder).files[::4][: told.alone]:
        content = found.path.read_bytes()
        try:
            pictures.decode(content)
        except PictureError:
            continue
        contents.append(content)
    cores = available_cores()
    repeats = []
    for _ in range(told.repeats):
        parts = measure_alone(encoder, contents)
        whole = measure_whole(encoder, told.folder)
        limit = cores / sum(part["core_seconds"] for part in parts.values())
        rate = whole["n_pictures"] / whole["wall_seconds"]
        repeats.append({"alone": parts, "whole": whole, "limit": limit, "rate": rate, "ratio": rate / limit})
        print(json.dumps(repeats[-1]))
    ratio = statistics.median(one["ratio"] for one in repeats)
    rate = statistics.median(one["rate"] for one in repeats)
    print(
        f"{rate:.0f} pictures/s on {cores} cores in {encoder.precision}: {ratio:.2f} of the limit (0.85 promised)"
    )
    write_result(
        encoder, {"cores": cores, "load": os.getloadavg(), "ratio": ratio, "rate": rate, "repeats": repeats}
    )


def write_result(encoder: Encoder, result: dict[str, object]) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    now = datetime.now(UTC)
    told = {
        "date": now.isoformat(),
        "commit": commit,
        "backbone": encoder.name,
        "precision": encoder.precision,
    }
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    file = folder / f"extraction-{encoder.name}-{now:%Y%m%d-%H%M}.json"
    file.write_text(json.dumps({**told, **result}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
