"""Which pictures are asked about: what is known taken out, the rule, copies never asked twice; then the list and the page."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fovea.errors import InputError
from fovea.features import Encoder, Stage, Store, open_store
from fovea.judge import softmax
from fovea.learn import Picks, fit_probe, is_early, labelling_space, pick_typical, pick_unsure
from fovea.manifest import Manifest, apply_fixes, fold_numbers, read_source
from fovea.manifest.folders import TABLE_SUFFIXES
from fovea.progress import Progress
from fovea.tasks.backbones import with_default
from fovea.tasks.copies import find_copies
from fovea.tasks.gather import last_average
from fovea.tasks.learning import MeasuredLearning, measure_learning
from fovea.tasks.lists import is_utf8
from fovea.tasks.next import Config, Question, Result
from fovea.tasks.next_known import Known, known_by_run, known_by_table
from fovea.tasks.stored import Stored, open_network, read_stored
from fovea.tasks.train.prepare import N_FOLDS
from fovea.tasks.train.taught import taught_by
from fovea.wording import count

if TYPE_CHECKING:
    from fovea.model import Classifier

N_ROUNDS = 5
"""Times that pictures are chosen anew in place of copies."""
_BLOCK = 2048


def choose_next(config: Config, *, progress: Progress) -> Result:
    """Choose as `config` says, and write what it asks for."""
    from fovea.tasks.next_write import notes_on_list, write_outputs

    begun = time.perf_counter()
    model, encoder, notes = _open(config, progress=progress)
    threads = config.backbone.threads
    manifest = _read(config, model)
    with open_store() as store:
        pool = read_stored(manifest, encoder=encoder, store=store, threads=threads, progress=progress)
        known = known_by_table(pool, store=store, threads=threads)
        if model is not None:
            by_run = known_by_run(
                model,
                photos=config.run_photos,
                pool=pool,
                store=store,
                threads=threads,
                progress=progress,
            )
            known = by_run.joined(known)
        free, left_out = _free(pool, known, photos=config.photos)
        asking = _prepare(config, pool, known, free=free, model=model)
        progress("choose", 0, 1)
        chosen, n_like, n_copies = _choose(asking, n=config.n, store=store)
        progress("choose", 1, 1)
    learning, no_curve = _learning(config, known, encoder=encoder, progress=progress)
    listed = (
        notes_on_list(config.csv, known, root=pool.manifest.root, private=config.private)
        if config.csv
        else ()
    )
    result = Result(
        questions=tuple(
            _question(asking, row, n_like=like) for row, like in zip(chosen, n_like, strict=True)
        ),
        rule=asking.rule,
        n_unlabelled=int(free.sum()),
        n_copies=n_copies,
        n_labelled=asking.n_labelled,
        class_names=asking.class_names,
        learning=learning,
        csv=None if config.csv is None else str(config.csv),
        html=None if config.html is None else str(config.html),
        quarantined=tuple((row.path, row.problem) for row in pool.manifest.rows if row.problem),
        seconds=time.perf_counter() - begun,
        notes=(*notes, *pool.notes, *known.notes, *left_out, *no_curve, *listed),
    )
    shown = [int(asking.used[row]) for row in chosen]
    write_outputs(config, result, pool=pool, known=known, shown=shown)
    return result


def _read(config: Config, model: "Classifier | None") -> Manifest:
    """Return the pictures to choose from, labels where a table or answers to fixes give them, groups as the run made them."""
    source = config.source
    if model is not None and source.group_by is None and source.group_pattern is None:
        told = model.document.settings.get("source")
        pattern = told.get("group_pattern") if isinstance(told, dict) else None
        source = replace(source, group_pattern=pattern if isinstance(pattern, str) else None)
    manifest = read_source(
        config.photos,
        labelled=False,
        label_by=source.label_by,
        group_by=source.group_by,
        group_pattern=source.group_pattern,
        strict=source.strict,
    )
    lists = tuple(set(TABLE_SUFFIXES) - {".parquet"})  # of earlier rounds, which may lie among the pictures
    manifest = manifest.with_rows(row for row in manifest.rows if not row.path.lower().endswith(lists))
    return manifest if source.fixes is None else apply_fixes(manifest, source.fixes)[0]


def _learning(
    config: Config, known: Known, *, encoder: Encoder, progress: Progress
) -> tuple[MeasuredLearning | None, tuple[str, ...]]:
    """Return the learning curve of what is labelled, or None; where the network was trained on it, a note that says so."""
    network = config.run or with_default(config.backbone)[0].backbone
    if not taught_by(network).isdisjoint(known.sha256s):
        return None, (
            f"{str(network)!r} was trained on labelled pictures itself, so a learning curve of them would be flat: none is "
            "drawn. For one take another network: fovea curve PHOTOS.",
        )
    measured = measure_learning(
        known.labelled,
        stages=encoder.stages,
        seed=config.seed,
        threads=config.backbone.threads,
        progress=progress,
    )
    return measured, ()


def _open(config: Config, *, progress: Progress) -> "tuple[Classifier | None, Encoder, tuple[str, ...]]":
    """Return the run, if one was named, and the network that tells pictures apart."""
    if config.run is None:
        encoder, notes = open_network(config.backbone, progress=progress)
        return None, encoder, notes
    from fovea.model import load_classifier

    compute = config.backbone.compute
    model = load_classifier(
        config.run,
        precision=None if compute == "auto" else compute,
        threads=config.backbone.threads,
        needed_by="fovea next",
    )
    return model, model.encoder, ()


def _free(pool: Stored, known: Known, *, photos: Path) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Return which rows may be asked about: one of each content, without a label; and notes. Raises InputError for none."""
    rows = [pool.manifest.rows[int(k)] for k in pool.rows]
    nameable = np.array([is_utf8(row.path) for row in rows], bool)
    free = np.array([row.label is None and row.sha256 not in known.asked for row in rows], bool)
    first = np.zeros(len(rows), bool)
    first[np.unique(pool.content, return_index=True)[1]] = True
    free &= first
    n_unnamed = int((free & ~nameable).sum())
    free &= nameable
    if not free.any():
        n_declined = sum(row.is_left_out for row in pool.manifest.rows)
        n_bad = sum(bool(row.problem) for row in pool.manifest.rows) - n_declined
        bad = f", {n_declined:,} belong to no class" if n_declined else ""
        bad += f", {n_bad:,} cannot be used" if n_bad else ""
        raise InputError(
            f"Nothing is left to ask about in {str(photos)!r}: of its {len(pool.manifest.rows):,} pictures "
            f"{len(rows) - n_unnamed:,} have a label or are copies of such{bad}. Name a folder with unlabelled pictures."
        )
    notes = []
    n_packed = sum(pool.manifest.pack(row) is not None for row in rows)
    if n_packed:
        notes.append(
            f"{count(n_packed, 'picture')} inside packed files, which a table for fovea train cannot name: write them out as "
            "files of their own before you label them."
        )
    if n_unnamed:
        notes.append(
            f"{count(n_unnamed, 'picture')} not asked about: names that are not UTF-8, which no table can hold. Rename them."
        )
    unread = [row for row in pool.manifest.rows if row.problem and not row.is_left_out]
    if unread:
        worst = f"the first is {unread[0].path!r}: {unread[0].problem}"
        notes.append(f"{count(len(unread), 'file')} left out; {worst}.")
    return free, tuple(notes)


@dataclass(frozen=True, slots=True)
class _Asking:
    """The pictures among which is chosen: free ones of the pool (`used`: their rows there), then the labelled ones.

    `space` (m, r), `labelled` (m,) bool: learned from; `probabilities` (n_free, k) or None where the rule is "typical".
    """

    config: Config
    pool: Stored
    known: Known
    used: NDArray[np.int64]
    space: NDArray[np.float32]
    labelled: NDArray[np.bool_]
    probabilities: NDArray[np.float64] | None
    class_names: tuple[str, ...]
    n_labelled: int

    @property
    def rule(self) -> str:
        return "typical" if self.probabilities is None else "unsure"

    def pick(self, n: int, *, free: NDArray[np.bool_], kept: list[int]) -> Picks:
        """Return the next n rows of the space among the free ones; those kept count as labelled."""
        seed, threads = self.config.seed, self.config.backbone.threads
        if self.probabilities is not None:
            n_free = len(self.used)
            return pick_unsure(
                self.space[:n_free], self.probabilities, n=n, free=free[:n_free], seed=seed, threads=threads
            )
        labelled = self.labelled.copy()
        labelled[kept] = True
        return pick_typical(self.space, n=n, labelled=labelled, free=free, seed=seed, threads=threads)


def _prepare(
    config: Config, pool: Stored, known: Known, *, free: NDArray[np.bool_], model: "Classifier | None"
) -> _Asking:
    """Return what is chosen from, and by which rule."""
    labelled, threads = known.labelled, config.backbone.threads
    used = np.flatnonzero(free)
    blocks = [pool.features, labelled.features] if len(labelled.names) else [pool.features]
    space = labelling_space(blocks, stages=pool.stages, seed=config.seed, threads=threads)
    n_labelled = int((~labelled.held_out).sum())
    class_names = tuple(sorted(set(labelled.names)))
    if model is not None:
        n_labelled, class_names = max(n_labelled, model.document.data.n_train), model.class_names
    probabilities = None
    if not is_early(n_labelled, n_classes=len(class_names)):
        probabilities = _answers(
            pool.features, used, known=known, model=model, config=config, stages=pool.stages
        )
    return _Asking(
        config=config,
        pool=pool,
        known=known,
        used=used,
        space=np.concatenate([space[used], space[len(pool.features) :]]),
        labelled=np.concatenate([np.zeros(len(used), bool), ~labelled.held_out]),
        probabilities=probabilities,
        class_names=class_names,
        n_labelled=n_labelled,
    )


def _answers(
    features: NDArray[np.float32],
    used: NDArray[np.int64],
    *,
    known: Known,
    model: "Classifier | None",
    config: Config,
    stages: "Sequence[Stage]",
) -> NDArray[np.float64] | None:
    """Return the probabilities (n, k) of the used rows, by the run or by a probe on what the table labels."""
    head, temperature = (None, 1.0) if model is None else (model.head, model.temperature)
    if head is None:
        labelled = known.labelled
        names, labels = np.unique(labelled.names, return_inverse=True)
        folds = fold_numbers(labels, units=labelled.units, n_folds=N_FOLDS, seed=config.seed)
        if len(np.unique(folds)) < 2:
            return None
        head = fit_probe(
            labelled.features,
            labels.astype(np.int64),
            folds=folds,
            class_names=names.tolist(),
            stages=stages,
            seed=config.seed,
            threads=config.backbone.threads,
        ).head  # of so few labels a temperature would say nothing, and make ties
    blocks = [used[start : start + _BLOCK] for start in range(0, len(used), _BLOCK)]
    return np.concatenate([softmax(head.logits(features[block]), temperature) for block in blocks]).astype(
        np.float64
    )


def _choose(asking: _Asking, *, n: int, store: Store) -> tuple[list[int], list[int], int]:
    """Return rows of the space, how many each stands for, and how many were passed over as copies."""
    free = np.arange(len(asking.space)) < len(asking.used)
    kept: list[int] = []
    n_like: list[int] = []
    n_copies = 0
    for _ in range(N_ROUNDS):
        picks = asking.pick(n - len(kept), free=free, kept=kept)
        if not len(picks.rows):
            break
        twice = _copies(asking, kept + picks.rows.tolist(), store=store)
        for row, like in zip(picks.rows.tolist(), picks.n_like.tolist(), strict=True):
            if row not in twice:
                kept.append(row)
                n_like.append(like)
        n_copies += len(twice)
        free[picks.rows] = False
        if len(kept) == n:
            break
    return kept, n_like, n_copies


def _copies(asking: _Asking, rows: list[int], *, store: Store) -> set[int]:
    """Return which of the rows show the same, or nearly, as a labelled picture or as one before them in the list."""
    pool, known = asking.pool, asking.known
    last = last_average(pool.encoder)
    places = asking.used[rows]
    manifest_rows = [pool.manifest.rows[int(pool.rows[k])] for k in places]
    columns = slice(last.start, last.stop)
    found = find_copies(
        np.concatenate([pool.features[places, columns], known.labelled.features[:, columns]]),
        sha256s=(*(row.sha256 for row in manifest_rows), *known.sha256s),
        read=lambda k: pool.read(int(places[k])) if k < len(rows) else known.reads[k - len(rows)](),
        store=store,
        threads=asking.config.backbone.threads,
    )
    twice: set[int] = set()
    for pair in sorted(tuple(sorted(pair)) for pair in (*found.same, *map(tuple, found.near.tolist()))):
        first, second = pair
        if second >= len(rows):  # a labelled one
            twice |= {rows[first]} if first < len(rows) else set()
        elif rows[first] not in twice:
            twice.add(rows[second])
    return twice


def _question(asking: _Asking, row: int, *, n_like: int) -> Question:
    path = asking.pool.manifest.rows[int(asking.pool.rows[asking.used[row]])].path
    if asking.probabilities is None:
        return Question(path, "typical", n_like)
    told = asking.probabilities[row]
    two = np.argsort(-told, kind="stable")[:2].tolist()
    names = tuple(asking.class_names[k] for k in two)
    return Question(path, "unsure", n_like, names, tuple(float(told[k]) for k in two))
