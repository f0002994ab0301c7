"""Arrays for what is computed once: small ones in memory, large ones in a file that has its room from the start."""

from pathlib import Path

import numpy as np
import pytest

from fovea.errors import OutputError
from fovea.learn import arrays


def test_the_size_of_a_number_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "LARGE_BYTES", 100)
    small, large = (arrays.make_array((49 + more,), np.float16, folder=tmp_path, what="") for more in (0, 1))
    assert not isinstance(small, np.memmap) and isinstance(large, np.memmap)
    assert (large.dtype, large.shape, float(large.sum())) == (np.float16, (50,), 0.0)
    assert list(tmp_path.iterdir()) == []


def test_room_that_is_not_there_is_said_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(arrays.os, "posix_fallocate", full)
    with pytest.raises(OutputError) as caught:
        arrays.make_array((1 << 29,), np.float16, folder=tmp_path, what="The values of the frozen part")
    assert str(caught.value) == (
        f"The values of the frozen part take 1.1 GB, and there is no room for them in {str(tmp_path)!r}: No space left on "
        "device. Make room, or take smaller or fewer pictures."
    )
