"""Extraction: every row right, nothing computed twice, nothing lost when stopped."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea import pictures
from fovea.features import Encoder, Item, Store, extract, load_encoder, open_store
from fovea.features.backbones import NetworkEncoder
from fovea.features.encoder import Features, Pixels
from fovea.features.views import make_views

MakeItems = Callable[..., list[Item]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


def encode_by_hand(encoder: Encoder, items: list[Item]) -> NDArray[np.float32]:
    """Decode and encode one picture after the other, without extraction; rounded to float16 as promised."""
    rows = [pictures.decode_to(item.read(), height_px=32, width_px=32).pixels for item in items]
    return encoder.encode(np.stack(rows)).astype(np.float16).astype(np.float32)


class Stopping(NetworkEncoder):
    """An encoder during whose third batch the user presses Ctrl-C."""

    __slots__ = ()

    def encode_batches(self, batches: Iterator[Pixels]) -> Iterator[Features]:  # type: ignore[override]
        for number, features in enumerate(super().encode_batches(batches)):
            if number == 2:
                raise KeyboardInterrupt
            yield features


def test_rows_are_the_pictures_features_in_order(
    encoder: Encoder, make_items: MakeItems, store: Store
) -> None:
    items = make_items(45)
    found = extract(encoder, items, store=store)
    np.testing.assert_array_equal(found.features, encode_by_hand(encoder, items))
    assert (found.features.shape, found.features.dtype, found.n_decoded) == ((45, 16), np.float32, 45)
    assert found.problems == ("",) * 45


def test_facts_are_those_of_the_original(encoder: Encoder, make_items: MakeItems) -> None:
    facts = extract(encoder, make_items(1), store=None).facts
    assert facts == (pictures.Facts(format="PNG", mode="RGB", width=40, height=36),)


def test_a_second_time_nothing_is_read_or_decoded(
    encoder: Encoder, make_items: MakeItems, store: Store
) -> None:
    reads: list[str] = []
    items = make_items(20, reads=reads)
    first = extract(encoder, items, store=store)
    reads.clear()
    second = extract(encoder, items[::-1], store=store)
    assert (reads, second.n_decoded, second.facts) == ([], 0, first.facts)
    np.testing.assert_array_equal(second.features, first.features[::-1])


def test_only_new_pictures_are_decoded(encoder: Encoder, make_items: MakeItems, store: Store) -> None:
    old, new = make_items(10), make_items(3, seed=1)
    extract(encoder, old, store=store)
    found = extract(encoder, old[:5] + new + old[5:], store=store)
    assert found.n_decoded == 3
    np.testing.assert_array_equal(found.features[5:8], encode_by_hand(encoder, new))


def test_copies_are_decoded_once(encoder: Encoder, make_items: MakeItems, store: Store) -> None:
    one, two = make_items(2)
    found = extract(encoder, [one, two, one, one], store=store)
    assert found.n_decoded == 2
    np.testing.assert_array_equal(found.features, encode_by_hand(encoder, [one, two, one, one]))


def test_no_pictures_give_no_rows(encoder: Encoder, store: Store) -> None:
    found = extract(encoder, [], store=store)
    assert (found.features.shape, found.problems) == ((0, 16), ())


def test_a_broken_picture_is_a_problem_and_a_row_of_zeros(
    encoder: Encoder, make_items: MakeItems, make_item: Callable[..., Item], store: Store
) -> None:
    one, two = make_items(2)
    found = extract(encoder, [one, make_item(b"no picture"), two], store=store)
    assert [bool(problem) for problem in found.problems] == [False, True, False]
    assert found.facts[1] is None
    assert not found.features[1].any()
    np.testing.assert_array_equal(found.features[[0, 2]], encode_by_hand(encoder, [one, two]))


def test_a_broken_picture_is_not_read_again(
    encoder: Encoder, make_item: Callable[..., Item], store: Store
) -> None:
    reads: list[str] = []
    items = [make_item(b"no picture", reads=reads)]
    first = extract(encoder, items, store=store)
    assert extract(encoder, items, store=store).problems == first.problems
    assert len(reads) == 1


def test_a_file_that_cannot_be_read_is_tried_again(
    encoder: Encoder, make_items: MakeItems, store: Store
) -> None:
    (item,) = make_items(1)

    def fail() -> bytes:
        raise PermissionError(13, "Permission denied")

    found = extract(encoder, [Item(item.sha256, fail)], store=store)
    assert found.problems == ("cannot be read: Permission denied",)
    assert extract(encoder, [item], store=store).problems == ("",)


def test_a_file_that_changed_since_it_was_hashed_is_a_problem(
    encoder: Encoder, make_items: MakeItems, store: Store
) -> None:
    one, two = make_items(2)
    assert extract(encoder, [Item(one.sha256, two.read)], store=store).problems == (
        "changed while it was being read",
    )
    assert extract(encoder, [one], store=store).problems == ("",)


def test_stored_and_fresh_features_are_the_same_without_a_store(
    encoder: Encoder, make_items: MakeItems, store: Store
) -> None:
    items = make_items(9)
    extract(encoder, items, store=store)
    stored, fresh = extract(encoder, items, store=store), extract(encoder, items, store=None)
    np.testing.assert_array_equal(stored.features, fresh.features)


def test_another_encoder_has_its_own_features(
    small_folder: Path, make_items: MakeItems, store: Store
) -> None:
    extract(load_encoder(small_folder), make_items(2), store=store)
    import dataclasses

    other = load_encoder(small_folder)
    other = dataclasses.replace(other, card=dataclasses.replace(other.card, weights_sha256="other"))
    assert extract(other, make_items(2), store=store).n_decoded == 2


def test_views_are_plain_mirrored_and_cropped(encoder: Encoder, make_items: MakeItems, store: Store) -> None:
    items = make_items(5)
    found = extract(encoder, items, store=store, views=4)
    assert found.features.shape == (5, 4, 16)
    np.testing.assert_array_equal(found.features[:, 0], encode_by_hand(encoder, items))
    mirrored = [pictures.decode_to(item.read(), height_px=32, width_px=32).pixels[:, ::-1] for item in items]
    expected = encoder.encode(np.stack(mirrored)).astype(np.float16)
    np.testing.assert_array_equal(found.features[:, 1], expected)
    assert len({row.tobytes() for row in found.features.reshape(20, 16)}) == 20


def test_more_views_compute_only_the_new_ones(encoder: Encoder, make_items: MakeItems, store: Store) -> None:
    items = make_items(5)
    two = extract(encoder, items, store=store, views=2)
    four = extract(encoder, items, store=store, views=4)
    np.testing.assert_array_equal(four.features[:, :2], two.features)
    fresh = extract(encoder, items[::-1], store=None, views=4)
    np.testing.assert_array_equal(four.features, fresh.features[::-1])
    assert extract(encoder, items, store=store, views=3).n_decoded == 0


def test_a_crop_depends_on_content_and_number_only(encoder: Encoder, make_items: MakeItems) -> None:
    (item,) = make_items(1)
    ask = encoder.preprocess
    both, _ = make_views(item.read(), ask, views=(2, 3), sha256=item.sha256)
    (third,), _ = make_views(item.read(), ask, views=(3,), sha256=item.sha256)
    (other,), _ = make_views(item.read(), ask, views=(3,), sha256=hashlib.sha256(b"").hexdigest())
    assert np.array_equal(both[1], third)
    assert not np.array_equal(both[0], both[1])
    assert not np.array_equal(other, third)


def test_ctrl_c_stores_what_is_computed_and_says_how_much(
    encoder: NetworkEncoder, make_items: MakeItems, store: Store
) -> None:
    items = make_items(80)
    stopping = Stopping(encoder.folder, encoder.card, encoder.network)
    with pytest.raises(KeyboardInterrupt) as raised:
        extract(stopping, items, store=store)
    assert str(raised.value) == (
        "stopped: the features of 16 of 80 pictures are stored. The same command continues from there."
    )
    found = extract(encoder, items, store=store)
    assert found.n_decoded == 64
    np.testing.assert_array_equal(found.features, encode_by_hand(encoder, items))


def test_ctrl_c_without_a_store_says_that_nothing_is_kept(
    encoder: NetworkEncoder, make_items: MakeItems
) -> None:
    stopping = Stopping(encoder.folder, encoder.card, encoder.network)
    with pytest.raises(KeyboardInterrupt) as raised:
        extract(stopping, make_items(80), store=None)
    assert str(raised.value) == "stopped after 16 of 80 pictures; none of them are stored."


def test_when_storing_fails_midway_all_features_come_back(
    encoder: Encoder, make_items: MakeItems, store: Store
) -> None:
    items = make_items(20)
    store._connection.execute("PRAGMA query_only = ON")
    found = extract(encoder, items, store=store)
    np.testing.assert_array_equal(found.features, encode_by_hand(encoder, items))
    assert len(store.notes) == 1


def test_values_beyond_float16_stay_finite(
    encoder: NetworkEncoder, make_items: MakeItems, store: Store
) -> None:
    class Large(NetworkEncoder):
        __slots__ = ()

        def encode_batches(self, batches: Iterator[Pixels]) -> Iterator[Features]:  # type: ignore[override]
            return (np.full((len(batch), 16), 1e30, np.float32) for batch in batches)

    large = Large(encoder.folder, encoder.card, encoder.network)
    assert extract(large, make_items(1), store=store).features.max() == 65504.0  # the largest of float16


def test_progress_counts_pictures_from_what_is_stored(
    encoder: Encoder, make_items: MakeItems, store: Store
) -> None:
    extract(encoder, make_items(10), store=store)
    said: list[tuple[str, int, int]] = []
    extract(
        encoder, make_items(10) + make_items(10, seed=1), store=store, progress=lambda *one: said.append(one)
    )
    assert (said[0], said[-1]) == (("extract", 10, 20), ("extract", 20, 20))
    assert [done for _, done, _ in said] == sorted(done for _, done, _ in said)
