"""`similar`: pictures in; the pictures of a catalogue that are most like each out, with how alike they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError, StoreError
from fovea.features import mean_around, open_store, unit_rows
from fovea.features.graph_folder import Searcher
from fovea.features.index_folder import COLUMNS, CatalogueIndex
from fovea.features.index_rows import Entry
from fovea.progress import Progress, silent
from fovea.tasks.index import Config as IndexConfig
from fovea.tasks.index import Refreshed, refresh
from fovea.tasks.index import Result as IndexResult
from fovea.tasks.options import configure
from fovea.tasks.similar_queries import Query, read_queries
from fovea.tasks.spaces import Space, open_space
from fovea.tasks.written import require_free
from fovea.wording import count

_CANDIDATES = 400
"""The most alike, whose surroundings are compared for `kind`."""
_DISLIKE = 0.5
"""How much the pictures that are not liked count against those that are (Rocchio, 1971)."""


@dataclass(frozen=True, slots=True)
class Config:
    """What to look for, and where: `fovea similar` has an option for each.

    `queries` are files and folders (in Python also bytes, PIL pictures and arrays), each searched for by itself. `like` and
    `unlike` are searched for as one, with the queries' help where there are any. `crop` is (x, y, width, height) in pixels of
    the upright query. `where` are columns of the catalogue and the values they must have. `k` is how many to find. With `kind` the
    pictures around a match count as much as itself: more of the same kind, less surely the very same thing. With `private` the
    page has no pictures and no absolute paths.
    """

    queries: tuple[Any, ...]
    index: IndexConfig
    k: int = 10
    like: tuple[Any, ...] = ()
    unlike: tuple[Any, ...] = ()
    crop: tuple[int, int, int, int] | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    kind: bool = False
    html: Path | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A picture of the catalogue, its path as that has it, and how like the query it is: higher is more."""

    path: str
    similarity: float
    label: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found for a query, the most alike first."""

    query: str
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """An answer for every query, and what the index is."""

    answers: tuple[Answer, ...]
    index: IndexResult
    html: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> list[dict[str, Any]]:
        """Return what `fovea similar --json` prints."""
        return [
            {
                "query": answer.query,
                "matches": [
                    {"path": one.path, "similarity": one.similarity, "label": one.label}
                    for one in answer.matches
                ],
            }
            for answer in self.answers
        ]

    def _repr_html_(self) -> str:
        from fovea.pages import render_facts_fragment

        rows = [
            (answer.query, ", ".join(f"{one.path} {one.similarity:.3f}" for one in answer.matches))
            for answer in self.answers[:20]
        ]
        return render_facts_fragment("The most alike first.", facts=rows, sentences=self.notes)


def similar(queries: Any, *, catalogue: str | Path, progress: Progress = silent, **settings: Any) -> Result:
    """Find the pictures of a folder or table that are most like some; see `Config` for the settings.

    `queries`: a path, folder, encoded picture (bytes), PIL picture or uint8 array, or any number of them.

    Raises:
        InputError: a query that is no picture, a column or value that is not there, an index by another network.
        StoreError: the index is damaged or cannot be written.
        OutputError: the page cannot be written, or something is there already.
    """
    from fovea.model.sources import as_sources

    given = {name: tuple(as_sources(settings.pop(name, ()))) for name in ("like", "unlike")}
    told = {"queries": tuple(as_sources(queries)), "catalogue": Path(catalogue), **given, **settings}
    return run(configure(Config, told), progress=progress)


def run(config: Config, *, progress: Progress = silent) -> Result:
    """Search as `config` says; see `similar`."""
    _check(config)
    require_free(config.html, option="--html")
    how = config.index
    space = open_space(how.network, metric=how.metric, tuned=how.tuned, progress=progress)
    with open_store() as store:
        queries = read_queries(config, space=space, store=store, progress=progress)
        refreshed = refresh(how, space=space, store=store, progress=progress)
    with refreshed.index:
        answers = _search(refreshed, queries, config=config, space=space)
    result = Result(answers, refreshed.result, notes=(*refreshed.result.notes, *_changes(refreshed)))
    if config.html is None:
        return result
    from fovea.tasks.similar_page import write_page

    write_page(config, result, queries=queries, manifest=refreshed.manifest, progress=progress)
    return Result(answers, result.index, html=str(config.html), notes=result.notes)


def _check(config: Config) -> None:
    if not config.queries and not config.like:
        raise InputError(
            "Nothing was given to look for. Name pictures: `fovea similar a.jpg --in photos`, or --like a.jpg."
        )
    if config.k < 1:
        raise InputError(f"k is {config.k!r}; it is how many pictures to find, such as 10.")
    if config.kind and config.index.metric != "cosine":
        raise InputError(
            f"--kind ranks by the cosine, and --metric is {config.index.metric!r}. Leave one out."
        )
    for column in config.where:
        if column not in COLUMNS:
            near = get_close_matches(column, COLUMNS, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise InputError(
                f"--where names the column {column!r}, which the index does not have{hint} There are: {', '.join(COLUMNS)}."
            )


def _changes(refreshed: Refreshed) -> list[str]:
    """Say what had to be done to the index first."""
    done = refreshed.result
    parts = [(done.n_new, "new"), (done.n_changed, "changed"), (done.n_gone, "gone")]
    told = ", ".join(f"{n:,} {what}" for n, what in parts if n)
    notes = [f"The index of {done.catalogue!r} was brought up to date first: {told}."] if told else []
    if done.quarantined:
        path, reason = done.quarantined[0]
        notes.append(
            f"{count(len(done.quarantined), 'file')} that cannot be read: not searched. The first is {path!r}: {reason}. `fovea "
            "index` lists them."
        )
    return notes


def _search(
    refreshed: Refreshed, queries: Sequence[Query], *, config: Config, space: Space
) -> tuple[Answer, ...]:
    index, root = refreshed.index, refreshed.manifest.root
    with index.reading():
        if index.read_meta("n_pictures") < refreshed.result.n_pictures:
            raise StoreError(
                f"Another process took pictures out of the index of {refreshed.result.catalogue!r} meanwhile, or makes it anew. "
                "Give the same command again."
            )
        if not (len(index.slots(config.where)) if config.where else index.read_meta("n_pictures")):
            raise InputError(_nobody(index, config.where))
        asked = np.stack([combine(one, is_unit=config.index.metric == "cosine") for one in queries])
        n_own = max(len(one.files) for one in queries)  # a query in the catalogue is no answer to itself
        most = n_own + (max(config.k, _CANDIDATES) if config.kind else config.k)
        searcher = Searcher(index, metric=space.metric, threads=config.index.network.threads)
        found, similarities = searcher.search(asked, k=most, where=config.where)
        entries = index.read(np.unique(found[found >= 0]).tolist())
        vectors = index.read_vectors()
    answers = []
    for query, slots, alike in zip(queries, found, similarities, strict=True):
        there = [k for k, slot in enumerate(slots.tolist()) if slot >= 0]
        own = [k for k in there if not _is_asked(entries[int(slots[k])], query, root=root)]
        ranked = _rank(slots[own], alike[own], vectors=vectors if config.kind else None)
        matches = [Match(entries[slot].path, round(value, 6), entries[slot].label) for slot, value in ranked]
        answers.append(Answer(query.name, tuple(matches[: config.k])))
    return tuple(answers)


def _rank(
    slots: NDArray[np.int64], alike: NDArray[np.float32], *, vectors: NDArray[np.float32] | None
) -> list[tuple[int, float]]:
    """Return slots and similarities as they are, or, with `vectors`, ranked anew by what is around each."""
    if vectors is not None and len(slots):
        alike = mean_around(alike, vectors[slots])
        order = np.argsort(-alike, kind="stable")
        slots, alike = slots[order], alike[order]
    return list(zip(slots.tolist(), alike.tolist(), strict=True))


def combine(query: Query, *, is_unit: bool) -> NDArray[np.float32]:
    """Return what is looked for, float32 (width,): the mean of what is liked less half of that of what is not."""
    wanted: NDArray[np.float32] = query.liked.mean(axis=0)
    if len(query.unliked):
        wanted = wanted - np.float32(_DISLIKE) * query.unliked.mean(axis=0)
    several = len(query.liked) + len(query.unliked) > 1
    return unit_rows(wanted[None])[0] if is_unit and several else wanted


def _is_asked(entry: Entry, query: Query, *, root: Path) -> bool:
    return bool(query.files) and (root / entry.path).resolve() in query.files


def _nobody(index: CatalogueIndex, where: Mapping[str, str]) -> str:
    """Say which value no picture has."""
    for column, value in where.items():
        values = index.values(column)
        if value not in values:
            near = get_close_matches(value, values, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            there = ", ".join(values[:10]) + (", ..." if len(values) > 10 else "")
            known = f" There are: {there}." if values else " None has any."
            return f"No picture of the catalogue has the {column} {value!r}.{hint}{known}"
    if where:
        told = " and ".join(f"{column}={value}" for column, value in where.items())
        return f"No picture of the catalogue has {told}. Leave one out."
    return "The catalogue holds no picture that can be read. Name a folder with pictures: --in FOLDER."
