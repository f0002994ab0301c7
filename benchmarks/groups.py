"""Groups without labels are nearer to the classes than k-means is at the same number, on all four sets (adjusted Rand index).

    python benchmarks/groups.py ../shared/data --weights ../shared/weights/mobilenetv2_100.safetensors

Digits by the embedded network, the others by the weights named. Purity: the share of pictures in groups whose commonest class
they are of. ARI: the adjusted Rand index, 0 by chance, 1 the same division. k-means: `learn.cluster` on the same rows with the
true number; five seeds each, means. The map: of the 10 nearest by features, the share among the 10 nearest on it. Seconds are
those of this machine, busy or not, as the result says. Nothing is chosen here but what lab/LOG.md says was chosen on these sets.
"""

import argparse
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from machine import describe_machine
from sklearn.metrics import adjusted_rand_score

from fovea.features import open_store
from fovea.learn import cluster
from fovea.learn.groups import group
from fovea.learn.layout import LAYOUTS, lay_out, neighbours_kept
from fovea.learn.space import compare_in
from fovea.manifest import write_digits
from fovea.tasks.options import BackboneOptions, SourceOptions
from fovea.tasks.stored import last_columns, open_network, read_pictures, read_stored

SEEDS = range(5)


def purity(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of pictures that are of the commonest class of their group."""
    return sum(int(np.bincount(truth[found == k]).max()) for k in np.unique(found)) / len(truth)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    return work(), time.perf_counter() - begun


def judged(make: Callable[[int], np.ndarray], truth: np.ndarray) -> dict[str, Any]:
    """Return the means over the seeds of what a way of grouping reaches."""
    runs = [timed(lambda seed=seed: make(seed)) for seed in SEEDS]
    return {
        "n_groups": [int(found.max()) + 1 for found, _ in runs],
        "purity": float(np.mean([purity(found, truth) for found, _ in runs])),
        "ari": float(np.mean([adjusted_rand_score(truth, found) for found, _ in runs])),
        "seconds": float(np.median([seconds for _, seconds in runs])),
    }


def measure(folder: Path, network: BackboneOptions) -> dict[str, Any]:
    encoder, _ = open_network(network)
    with open_store() as store:
        manifest = read_pictures(folder, SourceOptions(), labelled=True)
        stored = read_stored(manifest, encoder=encoder, store=store, columns=last_columns)
    truth = np.unique([label or "" for label in stored.labels], return_inverse=True)[1]
    k = int(truth.max()) + 1
    rows = compare_in(stored.features)
    found: dict[str, Any] = {
        "network": encoder.name,
        "n_pictures": len(truth),
        "n_classes": k,
        "found": judged(lambda seed: group(rows, seed=seed), truth),
        "given": judged(lambda seed: group(rows, n_groups=k, seed=seed), truth),
        "k_means": judged(lambda seed: cluster(rows, k, seed=seed).assignment, truth),
    }
    for method in LAYOUTS if find_spec("openTSNE") else ("pca",):
        places, seconds = timed(lambda method=method: lay_out(rows, method=method))
        found[f"map_{method}"] = {"neighbours_kept": neighbours_kept(rows, places), "seconds": seconds}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    asked = parser.parse_args()
    results: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        write_digits(Path(folder) / "digits")
        results["digits"] = measure(Path(folder) / "digits", BackboneOptions())
        print("digits", json.dumps(results["digits"]), flush=True)
    for name in ("products", "flowers", "ants_bees"):
        results[name] = measure(asked.data / name, BackboneOptions(weights=asked.weights))
        print(name, json.dumps(results[name]), flush=True)
    target = Path(__file__).parent / "results" / f"groups-{datetime.now(UTC):%Y%m%d-%H%M}.json"
    target.write_text(json.dumps({"machine": describe_machine(), "results": results}, indent=1))
    print(target)


if __name__ == "__main__":
    main()
