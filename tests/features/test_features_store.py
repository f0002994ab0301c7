"""The store: what is written is read back, exactly, by whom it is for; damage is said."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import StoreError
from fovea.features import Look, Store, open_store
from fovea.features import store as store_module
from fovea.features.store import Known, Stamp, StoredRow
from fovea.pictures import Facts

FACTS = Facts(format="JPEG", mode="CMYK", width=300, height=432, conversions=("turned", "cmyk"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "store.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    with open_store(file) as opened:
        yield opened


def vector(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    return np.random.default_rng(seed).normal(size=12).astype(np.float16)


def write(store: Store, *sha256s: str, fingerprint: str = "f", view: int = 0) -> None:
    rows = [StoredRow(sha256, view, vector(seed)) for seed, sha256 in enumerate(sha256s)]
    store.write_features(fingerprint, rows, name="net", facts=dict.fromkeys(sha256s, Known(FACTS, "")))


def test_features_are_read_back_to_the_bit(store: Store) -> None:
    write(store, "a", "b")
    found = dict(store.features("f", ["b", "missing", "a"]))
    assert {key: value.tobytes() for key, value in found.items()} == {
        "a": vector(0).tobytes(),
        "b": vector(1).tobytes(),
    }


def test_features_survive_closing(file: Path) -> None:
    with open_store(file) as store:
        write(store, "a")
    with open_store(file) as store:
        assert [sha256 for sha256, _ in store.features("f", ["a"])] == ["a"]


def test_features_of_another_encoder_or_view_are_others(store: Store) -> None:
    write(store, "a")
    assert list(store.features("g", ["a"])) == []
    assert list(store.features("f", ["a"], view=1)) == []


def test_more_pictures_than_sqlite_takes_at_once_are_found(store: Store) -> None:
    names = [f"{number}" for number in range(2500)]
    write(store, *names)
    assert sorted(sha256 for sha256, _ in store.features("f", names)) == sorted(names)


def test_facts_are_read_back(store: Store) -> None:
    write(store, "a")
    assert store.known(["a", "b"]) == {"a": Known(FACTS, "")}


def test_a_problem_is_remembered(store: Store) -> None:
    store.write_features("f", [], name="net", facts={"a": Known(None, "is cut")})
    assert store.known(["a"]) == {"a": Known(None, "is cut")}


def test_a_problem_counts_only_for_the_same_decoders(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_features("f", [], name="net", facts={"a": Known(None, "HEIC"), "b": Known(FACTS, "")})
    monkeypatch.setattr(store_module, "_decoder", lambda: "pillow-heif 9")
    assert store.known(["a", "b"]) == {"b": Known(FACTS, "")}


def test_the_first_features_of_a_picture_stay(store: Store) -> None:
    write(store, "a")
    store.write_features("f", [StoredRow("a", 0, vector(5))], name="net", facts={})
    ((_, found),) = store.features("f", ["a"])
    assert found.tobytes() == vector(0).tobytes()


def test_looks_are_read_back(store: Store) -> None:
    store.write_looks({"a": Look("hash", b"\x00\xff")})
    assert store.looks(["a", "b"]) == {"a": Look("hash", b"\x00\xff")}


def test_a_hash_is_known_only_for_the_same_stamp(store: Store) -> None:
    stamp = Stamp("/a", 10, 20, 30)
    store.write_hashes([(stamp, "sha")])
    assert store.hashes([stamp]) == {"/a": "sha"}
    for other in (
        Stamp("/b", 10, 20, 30),
        Stamp("/a", 11, 20, 30),
        Stamp("/a", 10, 21, 30),
        Stamp("/a", 10, 20, 31),
    ):
        assert store.hashes([other]) == {}


def test_encoders_are_counted(store: Store) -> None:
    write(store, "a", "b")
    ((name, fingerprint, n_rows, n_bytes, used_at),) = store.encoders()
    assert (name, fingerprint, n_rows, n_bytes) == ("net", "f", 2, 2 * 12 * 2)
    assert abs(used_at - time.time()) < 60


def test_forgetting_by_fingerprint_leaves_the_others(store: Store) -> None:
    write(store, "a", fingerprint="f1")
    write(store, "a", fingerprint="g1")
    store.forget(before=int(time.time()) + 9, fingerprint="f")
    assert [fingerprint for _, fingerprint, *_ in store.encoders()] == ["g1"]
    assert list(store.features("f1", ["a"])) == []
    assert store.known(["a"])


def test_forgetting_the_last_encoder_forgets_the_pictures(store: Store) -> None:
    write(store, "a")
    store.forget(before=int(time.time()) + 9)
    assert store.known(["a"]) == {}


def test_what_was_used_lately_is_not_forgotten(store: Store) -> None:
    write(store, "a")
    store.forget(before=int(time.time()) - 9)
    assert [sha256 for sha256, _ in store.features("f", ["a"])] == ["a"]


def test_using_features_puts_off_their_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 1000.0)
        write(store, "a")
    store.touch("f")
    store.forget(before=int(time.time()) - 9)
    assert len(store.encoders()) == 1


def test_forgetting_makes_the_file_smaller(store: Store, file: Path) -> None:
    rows = [StoredRow(f"{number}", 0, np.ones(5000, np.float16)) for number in range(100)]
    store.write_features("f", rows, name="net", facts={})
    store.forget(before=int(time.time()) + 9)
    assert file.stat().st_size < 100_000


def test_damage_found_while_reading_names_the_file(file: Path) -> None:
    with open_store(file) as store:
        write(store, *[f"{number}" for number in range(3000)])
    content = bytearray(file.read_bytes())
    content[3 * 4096 :] = b"\x5a" * (len(content) - 3 * 4096)
    file.write_bytes(content)
    with open_store(file) as store, pytest.raises(StoreError) as raised:
        store.known([f"{number}" for number in range(3000)])
    assert str(raised.value) == (
        f"The store of features {str(file)!r} cannot be read: database disk image is malformed. Delete "
        "this file and those beside it that begin with its name; it holds only what can be computed again."
    )


def test_a_failed_write_stores_nothing_of_it_and_says_so(store: Store, file: Path) -> None:
    write(store, "a")
    store._connection.execute("PRAGMA query_only = ON")
    write(store, "b")
    assert store.is_storing is False
    assert store.notes == [
        f"Features are no longer stored: attempt to write a readonly database ({str(file)!r}). What was "
        "stored before stays, this run goes on, and the next one computes the rest again."
    ]
    assert [sha256 for sha256, _ in store.features("f", ["a", "b"])] == ["a"]


def test_after_a_failed_write_no_more_is_tried(store: Store) -> None:
    store._connection.execute("PRAGMA query_only = ON")
    write(store, "a")
    write(store, "b")
    assert len(store.notes) == 1


def test_an_interruption_of_a_write_leaves_nothing_of_it(store: Store) -> None:
    def interrupt(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO look VALUES ('a', 'b', x'00')")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store._write(interrupt)
    assert store.looks(["a"]) == {}
    assert store.is_storing
