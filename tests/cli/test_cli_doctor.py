"""What `fovea doctor` says, and that a broken part cannot be overlooked."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from fovea.errors import BackboneError
from fovea.tasks import doctor

Fovea = Callable[..., Any]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_try_engine", lambda threads: f"{threads} threads")


def break_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(threads: int | None) -> str:
        raise BackboneError("The embedded network is gone.")

    monkeypatch.setattr(doctor, "_try_engine", broken)


def test_a_healthy_installation_ends_with_0(fovea: Fovea) -> None:
    said = fovea("doctor", "--threads", "2")
    assert (said.code, said.err) == (0, "")
    assert "ok   engine: 2 threads (" in said.out
    assert "FAIL" not in said.out


def test_a_broken_part_ends_with_1_and_stands_out(fovea: Fovea, monkeypatch: pytest.MonkeyPatch) -> None:
    break_engine(monkeypatch)
    said = fovea("doctor")
    assert said.code == 1
    assert "FAIL engine: BackboneError: The embedded network is gone. (0.00 s)" in said.out
    assert "ok   pictures: reading is exact" in said.out


def test_a_broken_part_ends_with_1_as_json_too(fovea: Fovea, monkeypatch: pytest.MonkeyPatch) -> None:
    break_engine(monkeypatch)
    said = fovea("doctor", "--json")
    found = json.loads(said.out)
    assert (said.code, found["is_fine"]) == (1, False)
    assert [trial["is_fine"] for trial in found["trials"]] == [False, True, True]
