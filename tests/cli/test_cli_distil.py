"""Who teaches, as `fovea distil` takes it: a run or a network before the pictures, or --weights alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fovea.tasks import distil as task

Fovea = Callable[..., Any]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[task.Config]:
    """Let the task only note what it was asked for, and stop."""
    configs: list[task.Config] = []

    def note(config: task.Config, **named: object) -> None:
        configs.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr(task, "run", note)
    return configs


@pytest.mark.parametrize(
    ("given", "teacher", "weights"),
    [
        (("runs/a", "photos"), "runs/a", None),
        (("mobilenetv2", "photos", "--weights", "w.safetensors"), "mobilenetv2", Path("w.safetensors")),
        (("photos", "--weights", "w.onnx"), None, Path("w.onnx")),
    ],
)
def test_a_teacher_stands_before_the_pictures_or_is_a_file_of_weights(
    fovea: Fovea, asked: list[task.Config], given: tuple[str, ...], teacher: str | None, weights: Path | None
) -> None:
    fovea("distil", *given, "--net", "mlp", "--out", "run", "--features", "2")
    (config,) = asked
    assert (config.teacher, config.backbone.weights, config.photos) == (teacher, weights, Path("photos"))
    assert config.teaching.features == 2.0


def test_two_teachers_are_refused(fovea: Fovea, asked: list[task.Config]) -> None:
    told = fovea("distil", "runs/a", "runs/b", "photos", "--net", "mlp", "--out", "run")
    assert told.code == 2 and not asked
    assert "one teacher and one place of pictures are taken, got 3." in told.err
