"""`index`: what is new, changed or gone is followed; a second time nothing is read again."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fovea
from fovea.errors import InputError, StoreError
from fovea.features import index_folder, open_store
from fovea.features.index_folder import delete_index, open_folder, open_index
from fovea.features.index_rows import Made
from fovea.tasks import index as index_module
from fovea.tasks.index import Result, index


@pytest.fixture
def photos(tmp_path: Path, draw_class: Callable[..., Path]) -> Path:
    """Return a folder of 2 x 3 drawn pictures that are old enough to be remembered, and a broken one."""
    folder = tmp_path / "photos"
    for kind in ("stripes", "dots"):
        for number in range(3):
            age(draw_class(folder / kind, kind, number))
    (folder / "dots" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def age(file: str | Path) -> Path:
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return Path(file)


def counts(result: Result) -> tuple[int, int, int, int]:
    return result.n_new, result.n_changed, result.n_unchanged, result.n_gone


def paths(result: Result) -> list[str]:
    with open_folder(Path(result.folder)) as opened:
        return sorted(opened.entries())


def test_all_that_can_be_read_is_indexed_and_the_rest_named(photos: Path) -> None:
    result = fovea.index(photos)
    assert counts(result) == (6, 0, 0, 0)
    assert [path for path, _ in result.quarantined] == ["dots/broken.png"]
    assert paths(result) == [f"{kind}/{kind}_{n:03d}.png" for kind in ("dots", "stripes") for n in range(3)]


def test_vectors_are_the_features_of_the_last_average_at_length_1(photos: Path) -> None:
    from fovea.features import open_backbone
    from fovea.tasks.options import SourceOptions
    from fovea.tasks.stored import last_columns, read_pictures, read_stored

    result = index(photos)
    with open_store() as store:
        stored = read_stored(
            read_pictures(photos, SourceOptions()), encoder=open_backbone(), store=store, columns=last_columns
        )
    with open_folder(Path(result.folder)) as opened:
        entries, vectors = opened.entries(), opened.read_vectors()
        slots = {path: int(opened.slots({"path": path})[0]) for path in entries}
    for path, features in zip(stored.paths, stored.features, strict=True):
        np.testing.assert_allclose(vectors[slots[path]], features / np.linalg.norm(features), atol=1e-6)


def test_a_second_time_nothing_is_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index(photos)
    (photos / "dots" / "broken.png").unlink()
    monkeypatch.setattr(index_module, "read_stored", None)
    assert counts(index(photos)) == (0, 0, 6, 0)


def test_what_is_new_changed_or_gone_is_followed(photos: Path, draw_class: Callable[..., Path]) -> None:
    index(photos)
    age(draw_class(photos / "dots", "dots", 7))
    shutil.copy(photos / "dots" / "dots_000.png", photos / "dots" / "dots_001.png")
    (photos / "stripes" / "stripes_002.png").unlink()
    result = index(photos)
    assert counts(result) == (1, 1, 4, 1)
    assert result.n_pictures == 6
    assert "stripes/stripes_002.png" not in paths(result)


def test_vectors_of_what_changed_are_let_go(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_folder, "_SLACK", 0)
    changing = photos / "dots" / "dots_000.png"
    for number in range(30):
        Image.new("RGB", (20, 20), (8 * number, 0, 0)).save(changing)
        result = index(photos)
    with open_folder(Path(result.folder)) as opened:
        assert len(opened.entries()) == 6
        assert len(opened.read_vectors()) <= 13  # twice as many and the last one


def test_an_index_that_was_only_begun_binds_nobody(photos: Path) -> None:
    result = index(photos)
    with open_folder(Path(result.folder)) as opened:
        made = opened.made
    delete_index(made)
    open_index(
        replace(made, backbone="other", fingerprint="b" * 64)
    ).close()  # as one that was ended in its first pictures
    assert index(photos).n_pictures == 6


def test_a_file_that_is_only_touched_is_unchanged(photos: Path) -> None:
    index(photos)
    os.utime(photos / "dots" / "dots_000.png", (1_700_000_001, 1_700_000_001))
    assert counts(index(photos)) == (0, 0, 6, 0)


def test_a_picture_that_broke_is_taken_out_and_named(photos: Path) -> None:
    index(photos)
    (photos / "dots" / "dots_000.png").write_bytes(b"no picture")
    result = index(photos)
    assert counts(result) == (0, 0, 5, 1)
    assert [path for path, _ in result.quarantined] == ["dots/broken.png", "dots/dots_000.png"]


def test_what_is_gone_stays_in_the_shared_store(photos: Path) -> None:
    index(photos)
    with open_store() as store:
        before = [row[2] for row in store.encoders()]
    shutil.rmtree(photos / "stripes")
    shutil.copytree(photos / "dots", photos / "more")
    index(photos)
    with open_store() as store:
        assert [row[2] for row in store.encoders()] == before == [6]


def test_a_picture_that_moved_gets_its_new_label(photos: Path) -> None:
    index(photos)
    (photos / "dots" / "dots_000.png").rename(photos / "stripes" / "moved.png")
    with open_folder(Path(index(photos).folder)) as opened:
        assert opened.entries()["stripes/moved.png"].label == "stripes"


def test_a_file_that_changes_while_it_is_read_is_named_and_read_the_next_time(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = photos / "dots" / "dots_000.png"
    real = index_module.read_stored

    def change(manifest, **named):  # type: ignore[no-untyped-def]
        from fovea.tasks.gather import add_hashes

        hashed = add_hashes(manifest, None)
        shutil.copy(photos / "dots" / "dots_001.png", chosen)
        return real(hashed, **named)

    with monkeypatch.context() as patch:
        patch.setattr(index_module, "read_stored", change)
        result = index(photos)
    assert ("dots/dots_000.png", "changed while it was being read") in result.quarantined
    assert counts(index(photos)) == (1, 0, 5, 0)


def test_pictures_are_indexed_in_bounded_chunks(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = index(photos)
    monkeypatch.setattr(index_module, "_CHUNK", 2)
    parts = index(photos, reindex=True)
    assert counts(parts) == counts(whole)
    assert paths(parts) == paths(whole)


@pytest.mark.parametrize(
    ("option", "first", "other"), [("fit", "crop", "squash"), ("size", "128x128", "160x128")]
)
def test_an_index_by_another_network_is_refused_and_both_are_named(
    photos: Path, option: str, first: str, other: str
) -> None:
    index(photos, compute="f32")
    with pytest.raises(InputError) as caught:
        index(photos, compute="f32", **{option: other})
    assert str(caught.value) == (
        f"The index of {str(photos)!r} was made by 'fovea-tiny' in f32 with --{option} {first}, and what is asked for now is "
        f"'fovea-tiny' in f32 with --{option} {other}; their numbers cannot be compared. Search with the first (--{option} "
        f"{first}), or give --reindex to index the pictures with the second."
    )
    assert counts(index(photos, compute="f32", **{option: other}, reindex=True)) == (6, 0, 0, 0)
    assert counts(index(photos, compute="f32")) == (0, 0, 6, 0)


MADE = Made("/photos", "net", "f32", "a" * 64, "default", 4, "crop")


@pytest.mark.parametrize(
    ("first", "now", "named"),
    [
        (MADE, replace(MADE, backbone="other", fingerprint="b" * 64),
         ("'net' in f32", "'other' in f32", "--backbone or --weights")),
        (MADE, replace(MADE, precision="bf16", fingerprint="b" * 64), ("'net' in f32", "'net' in bf16", "--compute f32")),
        (replace(MADE, fit=""), replace(MADE, fingerprint="b" * 64),
         ("'net' in f32 (aaaaaaaa)", "'net' in f32 (bbbbbbbb)", "--backbone or --weights")),
    ],
)  # fmt: skip
def test_what_differs_is_named(
    first: Made, now: Made, named: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "list_indexes", lambda catalogue: [first])
    with pytest.raises(InputError) as caught:
        index_module._refuse_other(now)
    assert str(caught.value) == (
        f"The index of '/photos' was made by {named[0]}, and what is asked for now is {named[1]}; their numbers cannot be "
        f"compared. Search with the first ({named[2]}), or give --reindex to index the pictures with the second."
    )


def test_a_row_that_contradicts_an_earlier_one_is_named_and_the_picture_is_there(photos: Path) -> None:
    rows = ("path,label", "dots/dots_000.png,dots", "dots/dots_000.png,stripes", "dots/dots_001.png,")
    (photos / "table.csv").write_text("\n".join(rows))
    result = index(photos / "table.csv")
    assert paths(result) == ["dots/dots_000.png", "dots/dots_001.png"]
    with open_folder(Path(result.folder)) as opened:
        assert [one.label for one in opened.entries().values()] == ["dots", None]
    assert result.quarantined == (
        (
            "dots/dots_000.png",
            "row 3 of table.csv: 'dots/dots_000.png' has the label 'stripes' here and 'dots' in row 2; keep one of them",
        ),
    )


def test_pictures_beside_class_folders_are_indexed_without_a_label(
    photos: Path, draw_class: Callable[..., Path]
) -> None:
    draw_class(photos, "plain", 1)
    with open_folder(Path(index(photos).folder)) as opened:
        assert opened.entries()["plain_001.png"].label is None
        assert opened.entries()["dots/dots_000.png"].label == "dots"


def test_json_counts_and_names_what_cannot_be_read(photos: Path) -> None:
    told = json.loads(json.dumps(index(photos).to_json()))
    assert told["n_quarantined"] == 1
    assert [one["path"] for one in told["quarantined"]] == ["dots/broken.png"]
    assert told["seconds"] == round(told["seconds"], 3)


def test_other_metrics_of_the_same_numbers_have_an_index_of_their_own(photos: Path) -> None:
    folders = {index(photos, metric=metric).folder for metric in ("cosine", "dot", "euclidean")}
    assert len(folders) == 3


def test_an_index_begins_anew_where_its_vectors_are_gone(photos: Path) -> None:
    (vectors,) = Path(index(photos).folder).glob("*.f32")
    vectors.unlink()
    age(shutil.copy(photos / "dots" / "dots_000.png", photos / "dots" / "more.png"))
    with pytest.raises(StoreError, match=r"No such file or directory.*Give --reindex"):
        index(photos)
    assert counts(index(photos, reindex=True)) == (7, 0, 0, 0)


def test_a_damaged_index_is_told_and_made_again(photos: Path) -> None:
    result = index(photos)
    (Path(result.folder) / "index-1.sqlite").write_bytes(b"damaged" * 1000)
    with pytest.raises(StoreError, match=r"cannot be used: file is not a database\. Give --reindex"):
        index(photos)
    assert counts(index(photos, reindex=True)) == (6, 0, 0, 0)


def test_stages_of_the_network_are_chosen_by_name(photos: Path) -> None:
    result = index(photos, stages=("blocks.6.0.around", "head"), metric="dot")
    assert result.compares == "fovea-tiny, blocks.6.0.around:root, head:root"
    with pytest.raises(InputError, match="'fovea-tiny' has no stage 'fc7'; it has blocks"):
        index(photos, stages="fc7")


def test_a_run_has_its_own_network(photos: Path) -> None:
    with pytest.raises(InputError) as caught:
        index(photos, tuned="run", backbone="fovea-tiny")
    assert str(caught.value) == (
        "--tuned compares by the answers of a run, which has its own network. Leave out --backbone."
    )
    with pytest.raises(InputError, match=r"Leave out --weights, --stage, --compute and --fit\.$"):
        index(photos, tuned="run", weights="net.onnx", stages="fc7", compute="f32", fit="pad")
