"""What learning says of classes that it cannot learn."""

from collections.abc import Callable
from pathlib import Path

from fovea.tasks.train import train


def test_a_class_of_which_nothing_can_be_read_is_named_in_the_notes(
    tmp_path: Path, draw_class: Callable[..., Path]
) -> None:
    for kind in ("dots", "stripes"):
        for number in range(6):
            draw_class(tmp_path / "photos" / kind, kind, number)
    (tmp_path / "photos" / "plain").mkdir()
    for number in range(3):
        (tmp_path / "photos" / "plain" / f"{number}.jpg").write_bytes(b"")
    metrics = train(tmp_path / "photos", out=tmp_path / "run").metrics
    assert metrics["class_names"] == ["dots", "stripes"]
    assert metrics["notes"][0] == (
        "Class 'plain' is left out: 0 of 3 files to learn from could be read as a picture: 3 x an empty file (0 bytes)."
    )
