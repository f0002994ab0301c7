"""What the cache holds is told, and cleared as asked."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fovea.features import (
    Encoder,
    Item,
    Store,
    cache_folder,
    clear_cache,
    describe_cache,
    extract,
    open_store,
    store,
)
from fovea.features.index_folder import list_indexes, open_index
from fovea.features.index_rows import Entry, Made

MakeItems = Callable[..., list[Item]]


@pytest.fixture
def _filled(encoder: Encoder, make_items: MakeItems) -> None:
    with open_store() as opened:
        extract(encoder, make_items(5), store=opened)
    converted = cache_folder() / "backbones" / "abc"
    converted.mkdir(parents=True)
    (converted / "network.bin").write_bytes(bytes(1000))


def test_an_empty_cache_is_told_and_not_made() -> None:
    facts = describe_cache()
    assert (facts.folder, facts.encoders, facts.n_store_bytes) == (cache_folder(), (), 0)
    assert (facts.n_backbones, facts.n_backbone_bytes) == (0, 0)
    assert not cache_folder().exists()


@pytest.mark.usefixtures("_filled")
def test_features_and_networks_are_counted(encoder: Encoder) -> None:
    facts = describe_cache()
    (one,) = facts.encoders
    assert (one.name, one.fingerprint, one.n_rows, one.n_bytes) == (
        "small",
        encoder.fingerprint,
        5,
        5 * 16 * 2,
    )
    assert facts.n_store_bytes == facts.store.stat().st_size
    assert (facts.n_backbones, facts.n_backbone_bytes, facts.notes) == (1, 1000, ())


@pytest.mark.usefixtures("_filled")
def test_clearing_all_features_leaves_networks() -> None:
    assert clear_cache() >= 0
    facts = describe_cache()
    assert (facts.encoders, facts.n_backbones) == ((), 1)


@pytest.mark.usefixtures("_filled")
def test_clearing_networks_too_leaves_nothing_but_an_empty_store() -> None:
    assert clear_cache(backbones=True) >= 1000
    assert describe_cache().n_backbones == 0


@pytest.mark.usefixtures("_filled")
def test_what_was_used_today_is_not_cleared_as_unused() -> None:
    clear_cache(unused_days=1)
    assert len(describe_cache().encoders) == 1


def test_what_was_not_used_for_days_is_cleared(
    encoder: Encoder, make_items: MakeItems, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.time.time
    with monkeypatch.context() as patch, open_store() as opened:
        patch.setattr(store.time, "time", lambda: real() - 3 * 86_400)
        extract(encoder, make_items(2), store=opened)
    clear_cache(unused_days=2)
    assert describe_cache().encoders == ()


@pytest.mark.usefixtures("_filled")
def test_clearing_by_fingerprint_takes_its_first_digits(encoder: Encoder) -> None:
    clear_cache(fingerprint="no")
    assert len(describe_cache().encoders) == 1
    clear_cache(fingerprint=encoder.fingerprint[:8])
    assert describe_cache().encoders == ()


@pytest.mark.usefixtures("_filled")
def test_stores_set_aside_as_damaged_are_cleared_with_the_networks() -> None:
    aside = cache_folder() / "features-1.sqlite.damaged-1"
    aside.write_bytes(b"x")
    clear_cache()
    assert aside.exists()
    clear_cache(backbones=True)
    assert not aside.exists()


def test_a_cleared_store_can_be_used_again(encoder: Encoder, make_items: MakeItems) -> None:
    def fill(opened: Store) -> int:
        return extract(encoder, make_items(3), store=opened).n_decoded

    with open_store() as opened:
        fill(opened)
        clear_cache()
        assert (fill(opened), opened.is_storing) == (3, True)
    assert Path(describe_cache().store).is_file()


def make_index(fingerprint: str) -> None:
    with open_index(Made("/photos", "net", "f32", fingerprint, "default", 4)) as index:
        index.append([Entry("a", None, "", "sha")], np.ones((1, 4), np.float32))


def test_indexes_are_counted_and_go_with_the_features_they_are_of() -> None:
    for fingerprint in ("aa", "bb"):
        make_index(fingerprint)
    broken = cache_folder() / "indexes" / "x" / "y"
    broken.mkdir(parents=True)
    (broken / "index-1.sqlite").write_bytes(b"damaged" * 1000)
    facts = describe_cache()
    assert facts.n_indexes == 3
    assert facts.n_index_bytes == sum(
        one.stat().st_size for one in (cache_folder() / "indexes").rglob("*") if one.is_file()
    )
    clear_cache(unused_days=1)
    assert describe_cache().n_indexes == 3
    clear_cache(fingerprint="a")
    assert [one.fingerprint for one in list_indexes("/photos")] == ["bb"]
    clear_cache()
    assert describe_cache().n_indexes == 0
