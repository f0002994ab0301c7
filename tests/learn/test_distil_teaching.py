"""Distilling: the loss by hand, what a picture without a label teaches, and that the student comes nearer to its teacher."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.errors import InputError
from fovea.learn.distil import Distilling, Taught, distil
from fovea.learn.distil.projection import Projection
from fovea.learn.distil.teaching import criterion_of, divergence, lesson_of, targets_of
from fovea.learn.scratch import Making
from fovea.learn.trained import Pictures
from fovea.learn.training import Training
from fovea.progress import Progress, silent

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


def train(
    taught: Taught,
    valid: Pictures,
    workspace: Path,
    *,
    epochs: int = 6,
    finds_rate: bool = False,
    progress: Progress = silent,
    **wished: float,
) -> Any:
    making = Making({**GIVEN, "epochs": epochs}, {"hidden": (16,)}, finds_rate=finds_rate)
    return distil(
        "mlp",
        taught,
        valid=valid,
        class_names=("left", "right"),
        wish=Distilling(temperature=2.0, making=making, **wished),
        workspace=workspace,
        progress=progress,
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


def of_halves(pixels: np.ndarray) -> np.ndarray:
    """Return two features (n, 2) that the class says nothing of: the brightness of the upper rows, and of the lower ones."""
    grey = pixels[..., 0].astype(np.float64)
    return np.stack([grey[:, :4].mean((1, 2)), grey[:, 4:].mean((1, 2))], axis=1)


def seeing(drawn: tuple[Taught, Pictures]) -> Taught:
    return dataclasses.replace(drawn[0], features=of_halves(drawn[0].pixels).astype(np.float16))


def test_features_add_their_squared_error_by_hand() -> None:
    outputs, taught = two_pictures()
    features = np.array([[1.0, 10.0, 7.0], [3.0, -10.0, 7.0]], np.float16)
    taught = dataclasses.replace(taught, features=features)
    student = torch.nn.Sequential(torch.nn.Linear(2, 3))
    lesson = lesson_of(taught, wish=Distilling(features=0.5), settings=Training())
    x = torch.tensor([[1.0, 2.0], [0.5, -1.0]])
    with lesson.beside(student, "0"):
        student.train()(x)
        layer = dict(student.named_modules())["0.to_teacher"]
        found: Any = lesson.criterion(torch.from_numpy(outputs), torch.from_numpy(lesson.targets)).detach()
        told = x.numpy() @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    # Less their mean, over their deviation (1 and 10); the third never differs.
    wanted = np.array([[-1.0, 1.0, 0.0], [1.0, -1.0, 0.0]])
    alone = losses(Distilling(), outputs, taught)
    assert np.allclose(found, alone + 0.5 * ((told - wanted) ** 2).mean(axis=1), atol=1e-4)


def test_the_largest_target_is_the_teachers_answer_beside_features_too() -> None:
    _, taught = two_pictures()
    taught = dataclasses.replace(taught, features=np.array([[0.0, 60000.0], [1.0, -60000.0]], np.float16))
    lesson = lesson_of(taught, wish=Distilling(features=1.0), settings=Training())
    assert lesson.targets.argmax(axis=1).tolist() == [0, 1]


def residual(student: Any, pictures: Pictures) -> float:
    """Return the share of the teacher's features of these pictures that no linear layer finds in the student's own."""
    hidden: list[Any] = []
    student.network.classifier.register_forward_pre_hook(lambda layer, given: hidden.append(given[0]))
    grey = torch.from_numpy(pixels_for(student, pictures))
    with torch.no_grad():
        student.network.eval()(grey)
    own = np.concatenate([hidden[0].numpy(), np.ones((len(pictures.labels), 1))], axis=1)
    wanted = of_halves(pictures.pixels)
    rest = wanted - own @ np.linalg.lstsq(own, wanted, rcond=None)[0]
    return float((rest**2).sum() / ((wanted - wanted.mean(0)) ** 2).sum())


def pixels_for(student: Any, pictures: Pictures) -> np.ndarray:
    grey = pictures.pixels[..., :1].transpose(0, 3, 1, 2).astype(np.float32) / 255
    return (grey - np.float32(student.card.mean[0])) / np.float32(student.card.std[0])


def test_features_bring_the_student_nearer_to_what_the_teacher_sees(
    drawn: tuple[Taught, Pictures], tmp_path: Path
) -> None:
    without, with_features = (
        train(seeing(drawn), drawn[1], tmp_path, epochs=30, features=weight) for weight in (0.0, 5.0)
    )
    many = Pictures(drawn[0].pixels, drawn[0].labels)
    assert residual(with_features, many) < residual(without, many) / 2


def test_the_projection_is_dropped(drawn: tuple[Taught, Pictures], tmp_path: Path) -> None:
    without, with_features = (
        train(seeing(drawn), drawn[1], tmp_path, epochs=1, features=weight) for weight in (0.0, 1.0)
    )
    assert list(with_features.network.state_dict()) == list(without.network.state_dict())
    assert not with_features.network.classifier._forward_pre_hooks
    assert with_features.plan[0].endswith("temperature 2, alpha 0.9; its 2 features, weight 1.")


def test_an_interrupted_student_of_features_ends_as_one_left_alone(
    drawn: tuple[Taught, Pictures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fovea.learn.training.state.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("fovea.learn.training.state._WRITING_SHARE", 1e9)

    def interrupt(stage: str, n_done: int, n_total: int) -> None:
        if n_done == 8:  # of 3 epochs with 6 batches each
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(seeing(drawn), drawn[1], tmp_path / "stopped", epochs=3, features=1.0, progress=interrupt)
    assert list((tmp_path / "stopped").rglob("mlp.checkpoint"))
    stopped, whole = (
        train(seeing(drawn), drawn[1], tmp_path / name, epochs=3, features=1.0)
        for name in ("stopped", "whole")
    )
    np.testing.assert_array_equal(stopped.valid_logits, whole.valid_logits)


def test_a_network_without_a_last_linear_layer_cannot_learn_features() -> None:
    with (
        pytest.raises(InputError) as caught,
        Projection(3, seed=0).beside(torch.nn.Sequential(torch.nn.ReLU()), ""),
    ):
        pass
    assert str(caught.value) == (
        "This network does not end in a linear layer, so it cannot learn features: leave out --features, or take another "
        "network (--net)."
    )


def test_a_rate_is_found_by_what_the_teacher_teaches(drawn: tuple[Taught, Pictures], tmp_path: Path) -> None:
    student = train(seeing(drawn), drawn[1], tmp_path, epochs=1, features=100.0, finds_rate=True)
    assert student.rate_search is not None
    assert student.rate_search.losses[0] > 50  # 100 times the error of standardised features, about 1
