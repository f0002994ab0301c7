"""How the pictures of a training lie in memory."""

from pathlib import Path

import numpy as np
import pytest

from fovea.pictures import decode
from fovea.tasks.train.train import train

pytest.importorskip("torch")


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
