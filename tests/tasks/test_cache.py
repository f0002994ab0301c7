"""What `cache` promises: it says what is stored, and throws away what it is told to and nothing else."""

import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import InputError
from fovea.features import Known, cache_folder, open_store
from fovea.features.store import StoredRow
from fovea.tasks.cache import Config, run

DAY_SECONDS = 86_400


def store_features(fingerprint: str, *, name: str, n_rows: int, unused_days: int = 0) -> None:
    """Store rows of 8 numbers (16 bytes) of an encoder, last used so many days ago."""
    rows = [StoredRow(f"{number:064x}", 0, np.ones(8, np.float16)) for number in range(n_rows)]
    with open_store() as store:
        store.write_features(
            fingerprint, rows, name=name, facts={row.sha256: Known(None, "broken") for row in rows}
        )
        path = store.path
    connection = sqlite3.connect(path)
    with connection:
        used_at = int(time.time()) - unused_days * DAY_SECONDS
        connection.execute("UPDATE encoder SET used_at = ? WHERE fingerprint = ?", (used_at, fingerprint))
    connection.close()


def stored() -> dict[str, int]:
    """Return how many rows each encoder has."""
    return {one["name"]: one["n_rows"] for one in run(Config()).to_json()["encoders"]}


def test_an_empty_cache_is_described_and_not_made() -> None:
    found = run(Config()).to_json()
    assert found == {
        "folder": str(cache_folder()),
        "store": str(cache_folder() / "features-1.sqlite"),
        "n_store_bytes": 0,
        "n_indexes": 0,
        "n_index_bytes": 0,
        "n_backbones": 0,
        "n_backbone_bytes": 0,
        "encoders": [],
        "n_freed_bytes": None,
        "notes": [],
    }
    assert not cache_folder().exists()


def test_what_is_stored_is_told_by_encoder() -> None:
    store_features("aa" * 32, name="small", n_rows=3, unused_days=2)
    found = run(Config()).to_json()
    (encoder,) = found["encoders"]
    assert (encoder["name"], encoder["n_rows"], encoder["n_bytes"]) == ("small", 3, 3 * 16)
    assert found["n_store_bytes"] == sum(path.stat().st_size for path in cache_folder().iterdir())
    assert time.time() - encoder["used_at"] == pytest.approx(2 * DAY_SECONDS, abs=60)


def test_nothing_is_cleared_unasked() -> None:
    store_features("aa" * 32, name="small", n_rows=3)
    assert run(Config(unused_days=0)).n_freed_bytes is None
    assert stored() == {"small": 3}


def test_clearing_frees_what_it_says() -> None:
    store_features("aa" * 32, name="small", n_rows=2_000)
    before = sum(path.stat().st_size for path in cache_folder().iterdir())
    result = run(Config(clear=True))
    after = sum(path.stat().st_size for path in cache_folder().iterdir())
    assert (stored(), result.n_freed_bytes) == ({}, before - after)
    assert result.n_freed_bytes > 2_000 * 16


def test_only_what_was_not_used_for_so_long_is_cleared() -> None:
    store_features("aa" * 32, name="old", n_rows=2, unused_days=31)
    store_features("bb" * 32, name="new", n_rows=3, unused_days=29)
    run(Config(clear=True, unused_days=30))
    assert stored() == {"new": 3}


def test_only_one_encoders_features_are_cleared() -> None:
    store_features("aa" * 32, name="one", n_rows=2)
    store_features("bb" * 32, name="other", n_rows=3)
    run(Config(clear=True, encoder="bbbb"))
    assert stored() == {"one": 2}


def test_a_fingerprint_that_is_none_is_refused_with_those_there() -> None:
    store_features("aa" * 32, name="one", n_rows=2)
    with pytest.raises(InputError) as caught:
        run(Config(clear=True, encoder="b"))
    assert str(caught.value) == (
        "No stored features are of an encoder whose fingerprint begins with 'b'. There are: aaaaaaaaaaaa. "
        "`fovea cache` lists them."
    )
    assert stored() == {"one": 2}


def test_converted_networks_go_only_when_they_are_named() -> None:
    network = cache_folder() / "backbones" / "one" / "network.bin"
    network.parent.mkdir(parents=True)
    network.write_bytes(b"x" * 1000)
    assert run(Config(clear=True)).to_json()["n_backbone_bytes"] == 1000
    assert run(Config(clear=True, backbones=True)).to_json()["n_backbones"] == 0
    assert not network.exists()


def test_files_of_the_users_in_the_cache_folder_are_left_alone() -> None:
    cache_folder().mkdir(parents=True)
    mine: Path = cache_folder() / "mine.txt"
    mine.write_text("mine")
    run(Config(clear=True, backbones=True))
    assert mine.read_text() == "mine"


def test_a_notebook_shows_what_is_stored_by_encoder() -> None:
    store_features("aa" * 32, name="<small>", n_rows=3)
    html = run(Config())._repr_html_()
    assert "&lt;small&gt;</th><td>3 rows, 0.0 MB</td>" in html
    assert f"MB in {cache_folder()}." in html
