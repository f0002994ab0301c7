"""Distilling: the loss by hand, what a picture without a label teaches, and that the student comes nearer to its teacher."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.learn.distil import Distilling, Taught, distil
from fovea.learn.distil.teaching import criterion_of, divergence, targets_of
from fovea.learn.scratch import Making
from fovea.learn.trained import Pictures

GIVEN = {"epochs": 6, "batch_size": 16, "lr": 0.01, "augment": "none", "precision": "f32", "dropout": 0.0}


def log_softmax(z: np.ndarray) -> np.ndarray:
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def two_pictures() -> tuple[np.ndarray, Taught]:
    """Return outputs (2, 3) of a student, and what is taught: the first picture has the class 2, the other none."""
    answers = log_softmax(np.array([[2.0, 0.0, 1.0], [0.0, 3.0, -1.0]]))
    taught = Taught(np.zeros((2, 4, 4, 3), np.uint8), np.array([2, -1], np.int64), answers.astype(np.float16))
    return np.array([[1.0, 0.5, 0.0], [0.2, 0.1, 0.0]]), taught


def losses(wish: Distilling, outputs: np.ndarray, taught: Taught) -> np.ndarray:
    found: Any = criterion_of(wish)(torch.from_numpy(outputs), torch.from_numpy(targets_of(taught)))
    return np.asarray(found)


def test_the_loss_is_hintons_by_hand() -> None:
    outputs, taught = two_pictures()
    teacher = log_softmax(taught.answers.astype(np.float64) / 4)
    student = log_softmax(outputs / 4)
    soft = 16 * (np.exp(teacher) * (teacher - student)).sum(axis=1)
    hard = -log_softmax(outputs)[0, 2]
    found = losses(Distilling(temperature=4.0, alpha=0.7), outputs, taught)
    assert np.allclose(found, [0.7 * soft[0] + 0.3 * hard, soft[1]], atol=1e-5)


def test_the_teacher_alone_or_the_labels_alone() -> None:
    outputs, taught = two_pictures()
    labels_only = losses(Distilling(alpha=0.0), outputs, taught)
    assert np.isclose(labels_only[0], -log_softmax(outputs)[0, 2], atol=1e-6)
    teacher_only = losses(Distilling(temperature=1.0, alpha=1.0), outputs, taught)
    unlabelled = dataclasses.replace(taught, labels=np.array([-1, -1]))
    assert np.allclose(teacher_only, losses(Distilling(temperature=1.0), outputs, unlabelled), atol=1e-6)


def test_a_student_that_answers_as_its_teacher_has_no_divergence() -> None:
    _, taught = two_pictures()
    answers = torch.from_numpy(taught.answers.astype(np.float32))
    found: Any = divergence(answers + 3.0, answers, temperature=2.0)
    assert np.allclose(found, 0, atol=1e-6)


def test_the_largest_target_is_the_teachers_answer_with_and_without_a_label() -> None:
    _, taught = two_pictures()
    assert targets_of(taught).argmax(axis=1).tolist() == [0, 1]
    assert targets_of(taught).shape == (2, 4)


@pytest.fixture
def drawn() -> tuple[Taught, Pictures]:
    """Return 96 grey pictures with a brighter half, answered by a teacher that is 80 % sure, and 32 to judge by."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 128)
    pixels = rng.integers(0, 100, (128, 8, 8, 1)).astype(np.uint8)
    for number, label in enumerate(labels.tolist()):
        pixels[number, :, 4 * label : 4 * label + 4] += 100
    pixels = np.repeat(pixels, 3, axis=3)
    answers = np.log(np.where(np.eye(2)[labels] > 0, 0.8, 0.2)).astype(np.float16)
    return Taught(pixels[:96], labels[:96], answers[:96]), Pictures(pixels[96:], labels[96:])


def train(taught: Taught, valid: Pictures, workspace: Path, *, alpha: float = 0.9, epochs: int = 6) -> Any:
    return distil(
        "mlp",
        taught,
        valid=valid,
        class_names=("left", "right"),
        wish=Distilling(2.0, alpha, Making(given={**GIVEN, "epochs": epochs}, options={"hidden": (16,)})),
        workspace=workspace,
    )


def mean_divergence(logits: np.ndarray, labels: np.ndarray) -> float:
    teacher = np.where(np.eye(2)[labels] > 0, 0.8, 0.2)
    return float((teacher * (np.log(teacher) - log_softmax(logits.astype(np.float64)))).sum(axis=1).mean())


def test_distilling_lowers_the_divergence_from_the_teacher(
    drawn: tuple[Taught, Pictures], tmp_path: Path
) -> None:
    taught, valid = drawn
    student = train(taught, valid, tmp_path / "long", epochs=12)
    labels_only = train(taught, valid, tmp_path / "labels", alpha=0.0, epochs=12)
    found = mean_divergence(student.valid_logits, valid.labels)
    assert found < 0.05
    assert found < mean_divergence(labels_only.valid_logits, valid.labels) / 2


def test_pictures_without_labels_teach(drawn: tuple[Taught, Pictures], tmp_path: Path) -> None:
    taught, valid = drawn
    none = dataclasses.replace(taught, labels=np.full(96, -1))
    student = train(none, valid, tmp_path, epochs=12)
    assert (student.valid_logits.argmax(axis=1) == valid.labels).all()
    assert student.plan[0] == (
        "From a teacher: its answers to 96 pictures, 0 of them with a label; temperature 2, alpha 0.9."
    )
