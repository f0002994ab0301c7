"""How the pictures of a training lie in memory, and what of the settings reaches a network from scratch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from fovea.learn.scratch import Making
from fovea.pictures import decode
from fovea.progress import silent, unheard
from fovea.tasks.options import configure
from fovea.tasks.train.attempt import Room
from fovea.tasks.train.train import Config, train


class _SeenError(Exception):
    pass


def test_pictures_in_a_file_are_not_copied_into_memory(tmp_path: Path, draw_class, monkeypatch) -> None:
    taken = {}

    def look(net, train, *, valid, **named):
        taken.update(train=train, valid=valid)
        raise _SeenError

    files = [
        draw_class(tmp_path / "set" / kind, kind, k)
        for kind in ("dots", "plain", "stripes")
        for k in range(40)
    ]
    files[3].write_bytes(b"no picture")
    monkeypatch.setattr("fovea.learn.arrays.LARGE_BYTES", 0)
    monkeypatch.setattr("fovea.learn.scratch.scratch", look)
    with pytest.raises(_SeenError):
        train(tmp_path / "set", out=tmp_path / "run", method="scratch", net="lenet5", threads=1)
    expected = {
        decode(file.read_bytes()).pixels.tobytes(): number // 40
        for number, file in enumerate(files)
        if number != 3
    }
    for side in taken.values():
        assert type(side.pixels) is np.memmap
        assert [expected.pop(one.tobytes()) for one in side.pixels] == side.labels.tolist()
    assert not expected


def making(tmp_path: Path, *, seconds: float | None = None, **settings: Any) -> Making:
    config = configure(Config, {"photos": tmp_path, "out": tmp_path / "run", **settings})
    return Room(config, tmp_path, None, 0.0, silent, unheard).making(seconds)  # type: ignore[arg-type]


def test_what_was_said_of_layers_reaches_the_network(tmp_path: Path) -> None:
    made = making(tmp_path, method="scratch", net="mlp", hidden="7,5", activation="tanh", dropout=0.3)
    assert made.options == {"hidden": (7, 5), "activation": "tanh"}
    assert made.given["dropout"] == 0.3


def test_dropout_of_the_head_is_not_for_the_network_that_auto_tries_by_itself(tmp_path: Path) -> None:
    assert "dropout" not in making(tmp_path, method="auto", head="mlp:64", dropout=0.3).given


@pytest.mark.parametrize(("seconds", "given", "short"), [(30.0, 30.0, 0.0), (-17.0, 1.0, 18.0)])
def test_what_lacks_of_a_budget_is_told_with_the_members_that_share_it(
    tmp_path: Path, seconds: float, given: float, short: float
) -> None:
    made = making(tmp_path, seconds=seconds, method="scratch", net="mlp", budget=40.0, ensemble=3)
    assert (made.given["seconds"], made.short, made.n_sharing) == (given, short, 3)
