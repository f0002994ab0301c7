"""What `fovea cache` says, and that it clears nothing that was not asked for."""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fovea.features import cache_folder, open_store
from fovea.features.store import StoredRow

Fovea = Callable[..., Any]


@pytest.fixture
def stored() -> str:
    """Store 1,000 rows of an encoder; return its fingerprint."""
    rows = [StoredRow(f"{number:064x}", 0, np.ones(500, np.float16)) for number in range(1000)]
    with open_store() as store:
        store.write_features("ab" * 32, rows, name="small", facts={})
    return "ab" * 32


def test_what_is_stored_is_listed(fovea: Fovea, stored: str) -> None:
    said = fovea("cache")
    today = time.strftime("%Y-%m-%d")
    assert said.code == 0
    assert said.out.splitlines()[0].startswith(f"Stored features: {cache_folder() / 'features-1.sqlite'} (")
    assert said.out.splitlines()[1:] == [
        "Indexes of catalogues: 0 (0.0 MB)",
        "Converted networks: 0 (0.0 MB)",
        f"  {stored[:12]}  small: 1,000 rows, 1.0 MB, last used {today}",
    ]


def test_clearing_says_what_became_free(fovea: Fovea, stored: str) -> None:
    freed = json.loads(fovea("cache", "--clear", "--json").out)["n_freed_bytes"]
    assert freed > 1_000_000
    assert fovea("cache", "--clear").out.splitlines()[0] == "0.0 MB became free."


def test_what_was_used_lately_is_kept(fovea: Fovea, stored: str) -> None:
    found = json.loads(fovea("cache", "--clear", "--unused-days", "30", "--json").out)
    assert found["encoders"][0]["n_rows"] == 1000
    assert found["n_freed_bytes"] < 20_000  # the file's own slack


@pytest.mark.parametrize("days", ["-1", "nan", "soon"])
def test_days_that_are_none_are_wrong_usage(fovea: Fovea, stored: str, days: str) -> None:
    assert fovea("cache", "--clear", "--unused-days", days).code == 2
    assert json.loads(fovea("cache", "--json").out)["encoders"][0]["n_rows"] == 1000


def test_the_help_says_that_an_encoders_features_go_together(fovea: Fovea) -> None:
    said = " ".join(fovea("cache", "--help").out.split())
    told = "With --clear: only of encoders not used for so long; an encoder's features go together."
    assert told in said


@pytest.mark.parametrize("option", [["--unused-days", "3"], ["--encoder", "ab"], ["--backbones"]])
def test_what_to_clear_without_clearing_is_wrong_usage(fovea: Fovea, option: list[str]) -> None:
    said = fovea("cache", *option)
    assert said.code == 2
    assert said.err.endswith("Error: --unused-days, --encoder and --backbones say what to --clear.\n")


def test_an_unknown_encoder_is_a_mistake(fovea: Fovea, stored: str) -> None:
    said = fovea("cache", "--clear", "--encoder", "ff")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(
        "fovea: No stored features are of an encoder whose fingerprint begins with 'ff'."
    )
