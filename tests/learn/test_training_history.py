"""The history of a training as JSON."""

import json
from dataclasses import replace

from fovea.learn.training import EpochRecord, History

RECORD = EpochRecord(0, 4, 1.5, 0.1, 0.7, 0.5, gradient_norms={"conv": 1.0}, dead_share={"relu": 0.25})
HISTORY = History((RECORD,), 0, "patience", ("a note",), 4, 64)


def test_a_history_is_plain_values() -> None:
    document = HISTORY.to_json()
    assert json.loads(json.dumps(document)) == document
    assert (document["stopped"], document["notes"], document["n_pictures_seen"]) == (
        "patience",
        ["a note"],
        64,
    )
    assert EpochRecord(**document["records"][0]) == RECORD


def test_numbers_that_are_not_finite_become_null() -> None:
    document = replace(HISTORY, records=(replace(RECORD, train_loss=float("nan")),)).to_json()
    assert document["records"][0]["train_loss"] is None
    json.dumps(document, allow_nan=False)
