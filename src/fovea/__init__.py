"""A folder of pictures in; a checked, calibrated, saved classifier out.

run = fovea.train("photos", out="runs/first")
run.metrics["accuracy"], run.report
run.model.predict(["new.jpg"])
model = fovea.load("runs/first")
fovea.cluster("photos", html="groups.html"), fovea.map_pictures("photos", html="map.html")
fovea.duplicates("photos", csv="remove.csv", html="copies.html")
fovea.check("photos"), fovea.suspects("photos", fixes="fixes.csv"), fovea.evaluate("runs/first", "other_photos")
fovea.index("photos"), fovea.similar("a.jpg", catalogue="photos", k=10)
fovea.fit(module, fovea.torch.loaders("photos"), epochs=3)
fovea.filter_pictures("scraped", labels="labelled.csv", ask="more.csv")
fovea.pseudolabel("runs/first", "unlabelled", out="runs/second")
fovea.average(["runs/first", "runs/second"], out="runs/mean")
fovea.next_labels("photos", n=50, csv="first.csv"), fovea.curve("photos")
fovea.distil("runs/mean", "photos", net="lenet5", out="runs/small")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fovea import torch
    from fovea.model import load_model as load
    from fovea.tasks.average import average
    from fovea.tasks.check import check
    from fovea.tasks.cluster import cluster
    from fovea.tasks.curve import curve
    from fovea.tasks.distil import distil
    from fovea.tasks.duplicates import duplicates
    from fovea.tasks.evaluate import evaluate
    from fovea.tasks.filter import filter_pictures
    from fovea.tasks.index import index
    from fovea.tasks.map import map_pictures
    from fovea.tasks.next import next_labels
    from fovea.tasks.pseudolabel import pseudolabel
    from fovea.tasks.similar import similar
    from fovea.tasks.suspects import suspects
    from fovea.tasks.train.train import train
    from fovea.torch import fit

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "average",
    "check",
    "cluster",
    "curve",
    "distil",
    "duplicates",
    "evaluate",
    "filter_pictures",
    "fit",
    "index",
    "load",
    "map_pictures",
    "next_labels",
    "pseudolabel",
    "similar",
    "suspects",
    "torch",
    "train",
]

_PLACES = {
    "average": ("fovea.tasks.average", "average"),
    "check": ("fovea.tasks.check", "check"),
    "curve": ("fovea.tasks.curve", "curve"),
    "cluster": ("fovea.tasks.cluster", "cluster"),
    "distil": ("fovea.tasks.distil", "distil"),
    "duplicates": ("fovea.tasks.duplicates", "duplicates"),
    "evaluate": ("fovea.tasks.evaluate", "evaluate"),
    "filter_pictures": ("fovea.tasks.filter", "filter_pictures"),
    "fit": ("fovea.torch", "fit"),
    "index": ("fovea.tasks.index", "index"),
    "load": ("fovea.model", "load_model"),
    "next_labels": ("fovea.tasks.next", "next_labels"),
    "map_pictures": ("fovea.tasks.map", "map_pictures"),
    "pseudolabel": ("fovea.tasks.pseudolabel", "pseudolabel"),
    "similar": ("fovea.tasks.similar", "similar"),
    "suspects": ("fovea.tasks.suspects", "suspects"),
    "torch": ("fovea.torch", ""),
    "train": ("fovea.tasks.train.train", "train"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `import fovea` alone costs nothing."""
    if name not in _PLACES:
        raise AttributeError(f"module 'fovea' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _PLACES[name]
    found = import_module(module)
    return getattr(found, attribute) if attribute else found
