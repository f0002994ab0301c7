"""Peak memory under 1.2 GiB on `products`; with 4 and 16 times the pictures it grows by at most twice the features.

    python benchmarks/memory.py ../shared/data/products --weights ../shared/weights/mobilenetv2_100.safetensors

Each size is trained in a process of its own, first with an empty store, then with a full one. More pictures are the
same ones with a few bytes appended to each file, so that each is content of its own. Raw numbers: benchmarks/results/.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

CHILD = """
import json, resource, sys
from pathlib import Path
what, source, weights, out = sys.argv[1], Path(sys.argv[2]), sys.argv[3] or None, Path(sys.argv[4])
if what == "train":
    import fovea
    from safetensors.numpy import load_file
    run = fovea.train(source, out=out, weights=weights)
    columns = load_file(out / "head.safetensors")["head.weights"].shape[1]
    n_feature_bytes = 4 * columns * (run.metrics["n_train"] + run.metrics["n_valid"])
else:
    from fovea import pictures
    from fovea.features import Item, extract, open_backbone, open_store, read_hashes
    encoder = open_backbone(Path(weights) if weights else None)
    files = [found.path for found in pictures.scan_folder(source).files]
    with open_store() as store:
        hashes = read_hashes(files, store)
        items = [Item(one.sha256, file.read_bytes) for one, file in zip(hashes, files, strict=True)]
        found = extract(encoder, items, store=store)
        n_feature_bytes = found.features.nbytes
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"peak_bytes": peak, "n_feature_bytes": n_feature_bytes}))
"""


def multiply(source: Path, into: Path, *, times: int) -> None:
    """Write every file of `source` so many times, each with content of its own, in the same folders."""
    for file in sorted(source.rglob("*")):
        if file.is_file():
            content = file.read_bytes()
            folder = into / file.relative_to(source).parent
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(times):
                extra = number.to_bytes(4, "big") if number else b""
                (folder / f"{number}_{file.name}").write_bytes(content + extra)


def measure(told: argparse.Namespace, source: Path, *, folder: Path) -> dict[str, dict[str, int]]:
    """Run once with an empty store and once with the full one; return what the child says of each."""
    environment = {**os.environ, "FOVEA_CACHE": str(folder / "cache")}
    if (
        told.weights
    ):  # converting needs torch, whose memory is not what is measured: in a process of its own, before
        convert = "import sys; from pathlib import Path; from fovea.features import open_backbone; open_backbone(Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", convert, str(told.weights)], env=environment, check=True)
    said = {}
    for name in ("empty store", "full store"):
        arguments = [told.what, str(source), str(told.weights or ""), str(folder / name.replace(" ", "-"))]
        command = [sys.executable, "-c", CHILD, *arguments]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        said[name] = json.loads(done.stdout.splitlines()[-1])
    return said


def growth_of(results: dict[int, dict[str, dict[str, int]]], name: str) -> float | None:
    """Return how much the peak grew from the smallest size to the largest, as a share of what the features grew."""
    first, last = (results[times][name] for times in (min(results), max(results)))
    features = last["n_feature_bytes"] - first["n_feature_bytes"]
    return round((last["peak_bytes"] - first["peak_bytes"]) / features, 2) if features else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--what", choices=("train", "extract"), default="train")
    parser.add_argument("--times", type=int, nargs="*", default=[1, 4, 16])
    told = parser.parse_args()
    results = {}
    for times in told.times:
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary) / "pictures"
            multiply(told.source, source, times=times)
            results[times] = measure(told, source, folder=Path(temporary))
        print(f"{times}x: {json.dumps(results[times])}", flush=True)
        growth = {name: growth_of(results, name) for name in ("empty store", "full store")}
        print(f"growth of the peak over that of the float32 features: {growth}, at most 2 wanted", flush=True)
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    text = json.dumps(
        {"date": now.isoformat(), "commit": commit, "what": told.what, "results": results}, indent=1
    )
    (folder / f"memory-{told.what}-{now:%Y%m%d-%H%M}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
