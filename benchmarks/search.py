"""Searching, exactly and by the graph, beside faiss and LanceDB, each in a process of its own.

    python benchmarks/search.py [--rows 10000 1000000] [--peers PYTHON] [--folder SCRATCH]

Wanted: 10,000 x 1,280 within 1.5 times one pass over that memory (the quickest of a sum, a maximum and a product by one
vector in as many threads, in the same process) and not slower than faiss's flat index; a million rows: recall at 10 of at
least 0.95 at under 1/20 of the exact scan's time, less than 4 GiB at query time. `--peers` is an interpreter with numpy,
faiss-cpu and lancedb. The extra `search` is needed from some 65,000 rows on.

The rows are clustered: a centre for every 100 rows and each row's own part (0.7 of a centre's size) are normal in 64
dimensions, turned into 1,280 by a normal matrix, with noise of 5 % of a row's size, then brought to length 1. Queries are
drawn likewise and are no rows. A time is the median over single queries, warm. Results go to benchmarks/results/.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

WIDTH, HIDDEN, K, N_QUERIES = 1280, 64, 10, 200
BLOCK = 20_000


def write_rows(file: Path, n: int) -> None:
    """Write float32 (n + N_QUERIES, WIDTH) to an .npy file; the last are the queries."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(max(1, n // 100), HIDDEN)).astype(np.float32)
    turn = generator.normal(size=(HIDDEN, WIDTH)).astype(np.float32)
    total = n + N_QUERIES
    rows = np.lib.format.open_memmap(file, "w+", np.float32, (total, WIDTH))
    for start in range(0, total, BLOCK):
        size = min(BLOCK, total - start)
        hidden = centres[generator.integers(0, len(centres), size)]
        hidden = hidden + 0.7 * generator.normal(size=hidden.shape).astype(np.float32)
        block = hidden @ turn
        length = np.linalg.norm(block, axis=1, keepdims=True)
        block += 0.05 * length / WIDTH**0.5 * generator.standard_normal(block.shape, np.float32)
        rows[start : start + size] = block / np.linalg.norm(block, axis=1, keepdims=True)
    rows.flush()


def median_ms(action: Callable[[int], object], n: int) -> float:
    """Return the median milliseconds of calls with 0 to n - 1, after one that warms up."""
    action(0)
    took = []
    for number in range(n):
        begun = time.perf_counter()
        action(number)
        took.append(time.perf_counter() - begun)
    return round(1000 * statistics.median(took), 4)


def peak_mib() -> float:
    """Return the most memory this process held (not ru_maxrss: that begins with what the parent held)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024, 1)


def recall(found: np.ndarray, folder: Path) -> float:
    true = np.load(folder / "true.npy")
    return round(
        float(
            np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), true.tolist(), strict=True)])
        ),
        4,
    )


def split(folder: Path, *, mapped: bool) -> tuple[np.ndarray, np.ndarray]:
    rows = np.load(folder / "rows.npy", mmap_mode="r" if mapped else None)
    return rows[:-N_QUERIES], np.asarray(rows[-N_QUERIES:])


def run_exact(folder: Path, threads: int) -> dict[str, float]:
    """Ours, exactly, and one pass over the memory; writes what is true for the others."""
    from fovea.features import nearest

    rows, queries = split(folder, mapped=(folder / "rows.npy").stat().st_size > 2**30)
    n = 50 if len(rows) <= 100_000 else 7
    told = {
        "query_ms": median_ms(
            lambda k: nearest(queries[k : k + 1], rows, k=K, metric="dot", threads=threads), n
        )
    }
    told["cosine_query_ms"] = median_ms(lambda k: nearest(queries[k : k + 1], rows, k=K, threads=threads), n)
    told["batch_of_64_ms"] = median_ms(
        lambda k: nearest(queries[:64], rows, k=K, metric="dot", threads=threads), 5
    )
    np.save(folder / "true.npy", nearest(queries, rows, k=K, metric="dot", threads=threads)[0])
    blocks = np.array_split(rows, 4 * threads)
    with ThreadPoolExecutor(threads) as pool:
        passes = {
            "sum": lambda k: list(pool.map(np.sum, blocks)),
            "maximum": lambda k: list(pool.map(np.max, blocks)),
            "product": lambda k: list(pool.map(lambda block: block @ queries[0], blocks)),
        }
        told |= {f"pass_by_{name}_ms": median_ms(action, n) for name, action in passes.items()}
    told["pass_ms"] = min(value for key, value in told.items() if key.startswith("pass_by"))
    return told


def run_graph(folder: Path, threads: int) -> dict[str, float]:
    """Build our index and graph; searching is measured in a process of its own (`ask`)."""
    from fovea.features import graph_folder
    from fovea.features.index_folder import open_index
    from fovea.features.index_rows import Entry

    graph_folder.WORTH_BYTES, graph_folder.SLOW_MS = 0, -1.0
    os.environ["FOVEA_CACHE"] = str(folder / "cache")
    rows, _ = split(folder, mapped=True)
    told: dict[str, float] = {}
    with open_index(made()) as index:
        begun = time.perf_counter()
        parts = []
        for start in range(0, len(rows), 4096):
            part = time.perf_counter()
            block = np.asarray(rows[start : start + 4096])
            index.append(
                [Entry(f"{k:09d}.jpg", None, "", f"{k:064d}") for k in range(start, start + len(block))],
                block,
            )
            parts.append((time.perf_counter() - part) / len(block))
        told["append_seconds"] = round(time.perf_counter() - begun, 2)
        tenth = max(1, len(parts) // 10)
        told["append_row_us_first_tenth"] = round(1e6 * statistics.median(parts[:tenth]), 2)
        told["append_row_us_last_tenth"] = round(1e6 * statistics.median(parts[-tenth:]), 2)
        begun = time.perf_counter()
        graph, _ = graph_folder.refresh_graph(index, metric="dot", threads=threads)
        told["build_seconds"] = round(time.perf_counter() - begun, 1)
        told["build_peak_mib"] = peak_mib()
        if graph is not None:
            told |= {
                "stated_recall": graph.recall,
                "expansion": graph.expansion,
                "exact_ms_at_build": graph.exact_ms,
            }
            told["graph_mib"] = round((index.folder / graph.file).stat().st_size / 2**20, 1)
    return told


def run_ask(folder: Path, threads: int) -> dict[str, float]:
    from fovea.features.graph_folder import Searcher
    from fovea.features.index_folder import open_index

    os.environ["FOVEA_CACHE"] = str(folder / "cache")
    _, queries = split(folder, mapped=True)
    with open_index(made()) as index:
        begun = time.perf_counter()
        searcher = Searcher(index, metric="dot", threads=threads)
        searcher.search(queries[:1], k=K)
        opened = round(1000 * (time.perf_counter() - begun), 2)

        def ask(k: int) -> np.ndarray:
            return searcher.search(queries[k : k + 1], k=K)[0][0]

        found = np.stack([ask(k) for k in range(N_QUERIES)])
        told = {"query_ms": median_ms(ask, N_QUERIES), "recall": recall(found, folder)}
    return {**told, "open_and_first_query_ms": opened, "peak_mib": peak_mib()}


def made():  # type: ignore[no-untyped-def]
    from fovea.features.index_rows import Made

    return Made("/benchmark", "drawn", "f32", "0" * 64, "default", WIDTH)


def run_faiss_flat(folder: Path, threads: int) -> dict[str, float]:
    import faiss

    faiss.omp_set_num_threads(threads)
    rows, queries = split(folder, mapped=True)
    index = faiss.IndexFlatIP(WIDTH)
    for start in range(0, len(rows), BLOCK):
        index.add(np.ascontiguousarray(rows[start : start + BLOCK]))
    n = 50 if len(rows) <= 100_000 else 7
    told = {"query_ms": median_ms(lambda k: index.search(queries[k : k + 1], K), n)}
    told["batch_of_64_ms"] = median_ms(lambda k: index.search(queries[:64], K), 5)
    return {**told, "recall": recall(index.search(queries, K)[1], folder), "peak_mib": peak_mib()}


def run_faiss_hnsw(folder: Path, threads: int) -> dict[str, float]:
    import faiss

    faiss.omp_set_num_threads(threads)
    rows, queries = split(folder, mapped=True)
    index = faiss.IndexHNSWSQ(WIDTH, faiss.ScalarQuantizer.QT_8bit, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 128
    begun = time.perf_counter()
    index.train(np.ascontiguousarray(rows[:BLOCK]))
    for start in range(0, len(rows), BLOCK):
        index.add(np.ascontiguousarray(rows[start : start + BLOCK]))
    told: dict[str, float] = {"build_seconds": round(time.perf_counter() - begun, 1)}
    for expansion in (64, 128, 256, 512):
        index.hnsw.efSearch = expansion
        found = np.concatenate([index.search(queries[k : k + 1], K)[1] for k in range(N_QUERIES)])
        told |= {"expansion": expansion, "recall": recall(found, folder)}
        if told["recall"] >= 0.95:
            break
    told["query_ms"] = median_ms(lambda k: index.search(queries[k : k + 1], K), N_QUERIES)
    return {**told, "peak_mib": peak_mib()}


def run_lancedb(folder: Path, threads: int) -> dict[str, float]:
    os.environ |= {"LANCE_CPU_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
    import lancedb
    import pyarrow as pa

    rows, queries = split(folder, mapped=True)
    kind = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), WIDTH))])

    def batches():  # type: ignore[no-untyped-def]
        for start in range(0, len(rows), BLOCK):
            block = np.ascontiguousarray(rows[start : start + BLOCK])
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), WIDTH)
            yield pa.record_batch([pa.array(np.arange(start, start + len(block))), vectors], schema=kind)

    begun = time.perf_counter()
    table = lancedb.connect(str(folder / "lance")).create_table("rows", batches(), schema=kind)
    told: dict[str, float] = {"append_seconds": round(time.perf_counter() - begun, 1)}

    def ask(k: int) -> list[int]:
        search = table.search(queries[k]).distance_type("dot").limit(K)
        return [
            row["id"]
            for row in (search.nprobes(20).refine_factor(5) if is_built else search).select(["id"]).to_list()
        ]

    is_built = False
    told["exact_ms"] = median_ms(ask, 7)
    begun = time.perf_counter()
    table.create_index(metric="dot", index_type="IVF_HNSW_SQ", vector_column_name="vector")
    is_built = True
    told["build_seconds"] = round(time.perf_counter() - begun, 1)
    told["recall"] = recall(np.array([ask(k) for k in range(N_QUERIES)]), folder)
    told["query_ms"] = median_ms(ask, N_QUERIES)
    return {**told, "peak_mib": peak_mib()}


PARTS = {
    "exact": run_exact,
    "graph": run_graph,
    "ask": run_ask,
    "faiss_flat": run_faiss_flat,
    "faiss_hnsw_8bit": run_faiss_hnsw,
    "lancedb_hnsw_8bit": run_lancedb,
}
OURS = ("exact", "graph", "ask")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument(
        "--peers", help="an interpreter with numpy, faiss-cpu and lancedb; without it only ours"
    )
    parser.add_argument("--folder", type=Path, help="where some 12 GB of scratch files may lie")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](options.folder, options.threads)))
        return
    from machine import describe_machine

    results: dict[str, object] = {"machine": describe_machine(), "threads": options.threads}
    for n in options.rows:
        folder = Path(tempfile.mkdtemp(prefix="search-", dir=options.folder))
        try:
            write_rows(folder / "rows.npy", n)
            results[f"rows_{n}"] = measure(folder, peers=options.peers, threads=options.threads)
        finally:
            shutil.rmtree(folder)
    file = Path(__file__).parent / "results" / f"search-{datetime.now(UTC):%Y%m%d-%H%M}.json"
    file.write_text(json.dumps(results, indent=1))
    print(file)


def measure(folder: Path, *, peers: str | None, threads: int) -> dict[str, object]:
    """Run every part in a process of its own and return what it printed."""
    told: dict[str, object] = {}
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": str(threads)}
    for part in PARTS:
        interpreter = sys.executable if part in OURS else peers
        if interpreter is None:
            continue
        command = [interpreter, __file__, "--part", part, "--folder", str(folder), "--threads", str(threads)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        lines = done.stdout.strip().splitlines()
        told[part] = (
            json.loads(lines[-1]) if done.returncode == 0 and lines else {"failed": done.stderr[-500:]}
        )
        print(part, told[part], flush=True)
    return told


if __name__ == "__main__":
    main()
