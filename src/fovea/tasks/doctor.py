"""What this installation is and whether it works: versions, processor, engine, weights on disk, a self-test."""

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fovea import __version__
from fovea.errors import FoveaError
from fovea.features import (
    KNOWN,
    available_cores,
    describe_cache,
    has_native_bf16,
    on_disk,
    open_backbone,
    read_card,
    read_default,
)
from fovea.progress import Progress, silent
from fovea.wording import percent

CORE = ("numpy", "scipy", "pillow", "openvino", "safetensors", "threadpoolctl", "click", "rich", "jinja2")
EXTRAS = {
    "torch": ("torch", "other backbones' weights, and training networks"),
    "keras": ("keras", "Keras 3 models"),
    "heic": ("pillow_heif", "reading HEIC pictures"),
    "parquet": ("pyarrow", "pictures inside parquet files"),
    "search": ("usearch", "searching hundreds of thousands of pictures in milliseconds"),
    "map": ("openTSNE", "maps by t-SNE"),
    "track": ("tensorboard", "curves in TensorBoard"),
}
"""Each extra with a module that it brings, and what it is for."""
TORCH_LINE = (
    'pip install torch --index-url https://download.pytorch.org/whl/cpu && pip install "fovea-vision[torch]"'
)
"""The CPU build first: the default one on Linux brings some 3 GB of CUDA, the CPU build 754 MB (measured on disk)."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One part of the self-test: what was tried, whether it went well, what came out, and how long it took."""

    name: str
    is_fine: bool
    said: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    """Everything the doctor found."""

    versions: dict[str, str]
    extras: dict[str, bool]
    system: str
    processor: str
    n_cores: int
    has_bf16: bool
    cache: str
    weights_on_disk: tuple[str, ...]
    trials: tuple[Trial, ...]
    advice: tuple[str, ...]

    @property
    def is_fine(self) -> bool:
        """Whether every part of the self-test went well."""
        return all(trial.is_fine for trial in self.trials)

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {**asdict(self), "is_fine": self.is_fine}

    def _repr_html_(self) -> str:
        from fovea.pages import render_facts_fragment

        trials = [(t.name, f"{'fine' if t.is_fine else 'FAILED'}: {t.said}") for t in self.trials]
        return render_facts_fragment(
            "Every part of the self-test went well." if self.is_fine else "A part of the self-test failed.",
            facts=[
                *trials,
                ("versions", ", ".join(f"{name} {number}" for name, number in self.versions.items())),
                ("system", f"{self.system}; {self.processor}; {self.n_cores} cores to use"),
                ("cache", self.cache),
                ("weights on disk", "; ".join(self.weights_on_disk)),
            ],
            sentences=self.advice,
        )


def run(*, threads: int | None = None, progress: Progress = silent) -> Result:
    """Look at the installation and try its parts, in a few seconds; nothing is written and no connection opened."""
    extras = {name: find_spec(module) is not None for name, (module, _) in EXTRAS.items()}
    facts = describe_cache()
    downloaded = ((name, on_disk(known)) for name, known in KNOWN.items())
    weights = ["fovea-tiny (embedded)", *(f"{name} ({file})" for name, file in downloaded if file)]
    weights += _converted(facts.folder / "backbones")
    tests = {
        "engine": lambda: _try_engine(threads),
        "pictures": _try_pictures,
        "probe": _try_probe,
    }
    trials = []
    for number, (name, test) in enumerate(tests.items()):
        progress("self-test", number, len(tests))
        trials.append(_tried(name, test))
    progress("self-test", len(tests), len(tests))
    advice = [*_about_extras(extras), *_about_default()]
    return Result(
        versions={"fovea": __version__, "python": platform.python_version()} | _versions(),
        extras=extras,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=_processor(),
        n_cores=available_cores(),
        has_bf16=has_native_bf16(),
        cache=str(facts.folder),
        weights_on_disk=tuple(weights),
        trials=tuple(trials),
        advice=tuple(advice),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in CORE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def _about_extras(extras: dict[str, bool]) -> list[str]:
    """Say what the missing ones are for and how to install them."""
    said = [] if extras["torch"] else [f"For {EXTRAS['torch'][1]}: {TORCH_LINE}"]
    missing = [name for name, there in extras.items() if not there and name != "torch"]
    if missing:
        purposes = "; ".join(f"{EXTRAS[name][1]} ({name})" for name in missing)
        said.append(f'For {purposes}: pip install "fovea-vision[{",".join(missing)}]"')
    return said


def _about_default() -> list[str]:
    try:
        name = read_default()
    except FoveaError as error:
        return [str(error)]
    return [f"Default backbone: {name}, chosen with `fovea backbones use`"] if name else []


def _processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()


def _converted(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    found = []
    for one in sorted(folder.iterdir()):
        try:
            found.append(f"{read_card(one).name} ({one})")
        except FoveaError:
            continue
    return found


def _tried(name: str, test: Callable[[], str]) -> Trial:
    begun = time.perf_counter()
    try:
        said, is_fine = test(), True
    except Exception as error:  # a doctor reports whatever is wrong
        said, is_fine = f"{type(error).__name__}: {error}", False
    return Trial(name, is_fine, said, round(time.perf_counter() - begun, 3))


def _try_engine(threads: int | None) -> str:
    """Encode some noise twice with the embedded backbone: same answer, and how fast."""
    encoder = open_backbone(threads=threads)
    size = encoder.preprocess
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (64, size.height_px, size.width_px, 3), dtype=np.uint8)
    first = encoder.encode(pixels)
    begun = time.perf_counter()
    again = encoder.encode(pixels)
    rate = len(pixels) / (time.perf_counter() - begun)
    if not np.array_equal(first, again) or not np.isfinite(first).all():
        raise ValueError("the same pictures gave different features")
    return f"{encoder.name} on {encoder.engine} in {encoder.precision}, {encoder.threads} threads: {rate:.0f} pictures/s"


def _try_pictures() -> str:
    """Read a drawn picture back from bytes."""
    from fovea.pictures import decode, load_source

    drawn = np.zeros((8, 8, 3), np.uint8)
    drawn[:4] = (200, 30, 90)
    _, content = load_source(drawn)
    if not np.array_equal(decode(content).pixels, drawn):
        raise ValueError("a picture came back changed")
    return "reading is exact"


def _try_probe() -> str:
    """Fit a head on points that a line separates."""
    from fovea.learn import fit_probe

    rng = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.int64) % 2
    points = (rng.normal(size=(60, 8)) + 3 * labels[:, None]).astype(np.float32)
    fit = fit_probe(points, labels, folds=np.arange(60) // 2 % 3, class_names=("a", "b"), stages=())
    right = float((fit.oof_logits.argmax(axis=1) == labels).mean())
    if right < 0.9:
        raise ValueError(f"only {percent(right, 0)} of separable points were told apart")
    return f"{percent(right, 0)} of separable points told apart"
