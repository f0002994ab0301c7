"""The history of a training as JSON and back."""

import json
from dataclasses import replace

import pytest

from fovea.errors import ModelError
from fovea.learn.training import EpochRecord, History, read_history

RECORD = EpochRecord(0, 4, 1.5, 0.1, 0.7, 0.5, gradient_norms={"conv": 1.0}, dead_share={"relu": 0.25})
HISTORY = History((RECORD,), 0, "patience", ("a note",), 4, 64)


def test_a_history_survives_json() -> None:
    assert read_history(json.loads(json.dumps(HISTORY.to_json()))) == HISTORY


def test_numbers_that_are_not_finite_become_null() -> None:
    document = replace(HISTORY, records=(replace(RECORD, train_loss=float("nan")),)).to_json()
    assert document["records"][0]["train_loss"] is None
    json.dumps(document, allow_nan=False)


def test_another_document_is_refused() -> None:
    with pytest.raises(ModelError, match="This is not the history of a training"):
        read_history({"records": [{"x": 1}]})
