"""`next`: unlabelled pictures in; those whose labels would teach most out, as a list to fill in and a page to look at.

Typical ones while labels are few (or none), doubtful and different ones later. With a run or a table that is filled in part
also the learning curve of what is labelled, and whether more labels pay.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fovea.errors import InputError
from fovea.progress import Progress, silent
from fovea.tasks.options import BackboneOptions, SourceOptions, configure
from fovea.tasks.written import require_free

if TYPE_CHECKING:
    from fovea.tasks.learning import MeasuredLearning


@dataclass(frozen=True, slots=True)
class Config:
    """What to choose from, how many, and where the list and the page go; `run` says what is known already.

    `run_photos` is where the run's pictures lie now, None: where they lay, or among `photos`. With `private` the page shows no
    pictures and names no absolute path, and the list has paths as seen from its own folder.
    """

    photos: Path
    run: Path | None = None
    run_photos: Path | None = None
    n: int = 50
    csv: Path | None = None
    html: Path | None = None
    private: bool = False
    source: SourceOptions = field(default_factory=SourceOptions)
    backbone: BackboneOptions = field(default_factory=BackboneOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """One picture to label: why it was chosen, how many it stands for, and the classes it lies between with their probabilities."""

    path: str
    rule: str
    n_like: int
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()

    @property
    def why(self) -> str:
        """Return why it was chosen, in words."""
        if self.rule == "typical":
            return f"typical of {self.n_like:,} pictures" if self.n_like > 1 else "unlike the others"
        return f"unsure between {self.classes[0]} and {self.classes[1]}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "path": self.path,
            "why": self.why,
            "rule": self.rule,
            "n_like": self.n_like,
            "classes": list(self.classes),
            "probabilities": list(self.probabilities),
        }


@dataclass(frozen=True, slots=True)
class Result:
    """The questions, the most useful first, out of how many; what is labelled already, and what more labels would bring."""

    questions: tuple[Question, ...]
    rule: str
    n_unlabelled: int
    n_copies: int
    n_labelled: int
    class_names: tuple[str, ...]
    learning: "MeasuredLearning | None" = None
    csv: str | None = None
    html: str | None = None
    quarantined: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what `fovea next --json` prints."""
        return {
            "rule": self.rule,
            "n_unlabelled": self.n_unlabelled,
            "n_copies": self.n_copies,
            "n_labelled": self.n_labelled,
            "classes": list(self.class_names),
            "questions": [one.to_json() for one in self.questions],
            "learning": None if self.learning is None else self.learning.to_json(),
            "csv": self.csv,
            "html": self.html,
            "n_quarantined": len(self.quarantined),
            "quarantined": [{"path": path, "reason": reason} for path, reason in self.quarantined],
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }

    @property
    def opening(self) -> str:
        """Return what was chosen by which rule, in a sentence."""
        n, of = len(self.questions), f"{self.n_unlabelled:,} unlabelled pictures"
        if self.rule == "typical":
            known = f"{self.n_labelled:,} are labelled" if self.n_labelled else "none is labelled yet"
            return f"{n:,} of {of} to label next: typical ones, since {known}."
        return f"{n:,} of {of} to label next: those it is least sure of, each of another kind; {self.n_labelled:,} are labelled."

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><td>{escape(q.path)}</td><td>{escape(q.why)}</td></tr>" for q in self.questions)
        return f"<p>{escape(self.opening)}</p><table>{rows}</table>"


def next_labels(
    photos: str | Path, *, run: str | Path | None = None, progress: Progress = silent, **settings: Any
) -> Result:
    """Choose the pictures whose labels would teach most.

    Args:
        photos: a folder of unlabelled pictures (its sub-folders are no classes), or a table whose empty labels are asked for.
        run: a saved run of classes; what it learned from is known and not asked for.
        progress: is told how far each stage is.
        settings: any field of `Config` or of its groups by name, such as `n`, `csv`, `html`, `backbone`.

    Raises:
        InputError: nothing is left to ask about, or the pictures or the run cannot be used.
        OutputError: the list or the page is there already, or cannot be written.
    """
    config = configure(Config, {"photos": photos, "run": run, **settings})
    return _run(config, progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Choose as `config` says; see `next_labels`."""
    return _run(config, progress=progress)


def _run(config: Config, *, progress: Progress) -> Result:
    from fovea.tasks.next_choose import choose_next

    if config.n < 1:
        raise InputError(f"-n is {config.n}; ask for 1 picture or more, for example -n 50.")
    network = config.backbone
    if config.run is not None and replace(network, threads=None, offline=False) != BackboneOptions():
        raise InputError(
            f"The run {str(config.run)!r} has a network of its own and its own way to use it: leave --backbone, --weights, "
            "--stage, --compute, --fit and --size out, or leave the run out."
        )
    _check_run_photos(config)
    require_free(config.csv, option="--csv")
    require_free(config.html, option="--html")
    return choose_next(config, progress=progress)


def _check_run_photos(config: Config) -> None:
    place = config.run_photos
    if place is not None and config.run is None:
        raise InputError(
            "--photos says where the pictures of a run lie now: name the run too, as in fovea next RUN UNLABELLED --photos FOLDER."
        )
    if place is not None and not place.exists():
        raise InputError(
            f"--photos: there is nothing at {str(place)!r}. Name the folder or table where the run's pictures lie now."
        )
