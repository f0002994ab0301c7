"""What `distil` promises: a small run from a large one's answers, unlabelled pictures among them, judged side by side."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fovea.errors import InputError
from fovea.features import extract
from fovea.judge import Finding
from fovea.model import load_model
from fovea.tasks.distil import distil
from fovea.tasks.train.attempt import Attempt
from fovea.tasks.train.train import Run, train

pytest.importorskip("torch")

QUICK = {"net": "lenet5", "epochs": 3, "batch_size": 16, "lr": 0.01, "augment": "none", "threads": 1}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, draw_class: Any) -> Path:
    """Return a folder with `photos` (3 x 40), `more` (3 x 20 others and 5 of the same), and the run `teacher`."""
    folder = tmp_path_factory.mktemp("distil")
    for kind in ("stripes", "dots", "plain"):
        for number in range(40):
            draw_class(folder / "photos" / kind, kind, number)
        for number in range(40, 60):
            draw_class(folder / "more", kind, number)
    for number in range(5):
        draw_class(folder / "more", "dots", number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(folder / "cache"))
        train(folder / "photos", out=folder / "teacher", threads=1)
    return folder


@pytest.fixture(scope="module")
def student(job: Path) -> Run:
    """Return a student, trained once beside the same network without a teacher."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(job / "cache"))
        return distil(
            job / "teacher",
            job / "photos",
            out=job / "student",
            unlabelled=job / "more",
            compare=True,
            **QUICK,
        )


def test_one_student_is_trained(job: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        distil(job / "teacher", job / "photos", out=tmp_path / "run", ensemble=3, **QUICK)
    assert str(caught.value) == (
        "ensemble is 3: one student is trained. Distil several with a seed each, and join them with `fovea average`."
    )


@pytest.mark.parametrize(("compare", "n_sharing"), [(False, 1), (True, 2)])
def test_what_a_budget_lacks_is_told_of_all_that_is_trained(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compare: bool, n_sharing: int
) -> None:
    seen: list[Any] = []

    def look(*_: Any, wish: Any, **__: Any) -> None:
        seen.append(wish.making)
        raise KeyboardInterrupt

    monkeypatch.setenv("FOVEA_CACHE", str(job / "cache"))
    monkeypatch.setattr("fovea.learn.distil.distil", look)
    with pytest.raises(KeyboardInterrupt):
        distil(job / "teacher", job / "photos", out=tmp_path / "run", compare=compare, budget=10.0, **QUICK)
    assert seen[0].n_sharing == n_sharing
    assert seen[0].short > 1 + 8 / n_sharing  # 18 s are kept for the end, and a second stands in the settings


def test_teacher_student_and_the_same_network_alone_stand_side_by_side(job: Path, student: Run) -> None:
    told = student.metrics["training"]
    names = [f"the teacher {job / 'teacher'}", "lenet5 without a teacher", "lenet5 distilled"]
    assert (told["method"], told["kept"]) == ("distil", "lenet5 distilled")
    assert [one["name"] for one in told["standings"]] == names
    assert all(name in student.report.read_text() for name in names)


def test_unlabelled_pictures_are_used_but_those_held_out_are_not(student: Run) -> None:
    plans = [one["plan"][0] for one in student.metrics["training"]["attempts"]]
    assert plans[0] == (
        "From a teacher: its answers to 156 pictures, 96 of them with a label; temperature 4, alpha 0.9."
    )
    assert "on 96 pictures" in plans[1]
    assert "5 unlabelled pictures stood among the labelled ones: left out." in student.metrics["notes"]


def test_the_teachers_figure_is_that_of_its_own_run(job: Path, student: Run) -> None:
    own = json.loads((job / "teacher" / "metrics.json").read_text())
    teacher = student.metrics["training"]["standings"][0]
    assert (teacher["n"], teacher["n_right"]) == (own["n_measured"], own["n_right"])


def test_a_students_curves_are_held_against_its_teacher_and_no_others(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(attempt: Attempt) -> tuple[Finding, ...]:
        seen.append((attempt.name, attempt.teacher))
        return ()

    monkeypatch.setenv("FOVEA_CACHE", str(job / "cache"))
    monkeypatch.setattr("fovea.tasks.train.attempt.findings_of", look)
    wish = QUICK | {"epochs": 1}
    made = distil(job / "teacher", job / "photos", out=tmp_path / "run", compare=True, **wish)
    teacher = made.metrics["training"]["standings"][0]["accuracy"]
    assert seen == [("lenet5 distilled", teacher), ("lenet5 without a teacher", None)]


def test_a_student_predicts_without_torch(job: Path, student: Run) -> None:
    picture = str(job / "photos" / "dots" / "dots_003.png")
    expected = load_model(student.folder).predict([picture])[0].probabilities
    code = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'timm'): sys.modules[name] = None\n"
        "import fovea, json\n"
        f"told = fovea.load({str(student.folder)!r}).predict([{picture!r}])[0]\n"
        "print(json.dumps(list(told.probabilities.values())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert np.allclose(json.loads(done.stdout), list(expected.values()), atol=1e-6)


def test_the_teacher_answers_once_whatever_is_tried(
    job: Path, student: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(job / "cache"))
    n_decoded = []

    def counted(*given: Any, **named: Any) -> Any:
        found = extract(*given, **named)
        n_decoded.append(found.n_decoded)
        return found

    monkeypatch.setattr("fovea.tasks.distil.extract", counted)
    more = {"unlabelled": job / "more", "temperature": 2.0, "alpha": 0.5}
    distil(job / "teacher", job / "photos", out=tmp_path / "other", **more, **QUICK)
    assert n_decoded == [0]


def test_a_probe_on_a_network_teaches_its_features_too(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOVEA_CACHE", str(job / "cache"))
    made = distil(
        "fovea-tiny",
        job / "photos",
        out=tmp_path / "run",
        features=1.0,
        **QUICK | {"lr": "find", "epochs": 1},
    )
    told = made.metrics["training"]
    assert [one["name"] for one in told["standings"]] == [
        "the teacher, a probe on fovea-tiny",
        "lenet5 distilled",
    ]
    own = json.loads(
        (job / "teacher" / "metrics.json").read_text()
    )  # a probe on the same network and pictures
    assert (told["standings"][0]["n"], told["standings"][0]["n_right"]) == (own["n_measured"], own["n_right"])
    assert told["attempts"][0]["plan"][0] == (
        "From a teacher: its answers to 96 pictures, 96 of them with a label; temperature 4, alpha 0.9; its 1,024 features, "
        "weight 1."
    )
    assert (
        told["attempts"][0]["settings"]["optimisation"]["lr"]
        == told["attempts"][0]["rate_search"]["suggestion"]
    )


def test_an_average_teaches(job: Path, student: Run, tmp_path: Path) -> None:
    from fovea.tasks.average import average

    train(job / "photos", out=tmp_path / "b", since=job / "teacher", views=2, threads=1)
    mean = average([job / "teacher", tmp_path / "b"], out=tmp_path / "mean", threads=1)
    small = distil(mean.folder, job / "photos", out=tmp_path / "small", **QUICK)
    assert small.metrics["training"]["standings"][0]["name"] == f"the teacher {mean.folder}"
    assert small.metrics["backbone"] == "lenet5 distilled"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"net": None}, "A student needs its network's name: --net lenet5, for example."),
        ({"temperature": 0.0}, "--temperature is 0.0; it must be above 0, such as 4."),
        ({"alpha": 1.5}, "--alpha is 1.5; it is the teacher's share, from 0 to 1."),
        (
            {"features": -1.0},
            "--features is -1.0; it is the weight of the teacher's features in the loss, 0 or more, such as 1.",
        ),
    ],
)
def test_what_cannot_be_distilled_is_refused(job: Path, tmp_path: Path, settings: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        distil(job / "teacher", job / "photos", out=tmp_path / "run", **{**QUICK, **settings})
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("teacher", "settings", "said"),
    [
        (
            None,
            {},
            "A student needs a teacher: a run's folder, the name of a network such as mobilenetv2, or --weights FILE.",
        ),
        (
            "teacher",
            {"weights": "net.onnx"},
            "The run in 'teacher' has weights of its own: leave out --weights, or name a network instead of the run.",
        ),
        (
            "fovea-tini",
            {},
            "There is no backbone 'fovea-tini', and no run at this path. Did you mean 'fovea-tiny'? Networks of libraries are "
            "named timm:NAME, torchvision:NAME or keras:NAME; `fovea backbones` lists what can be used.",
        ),
    ],
)
def test_what_cannot_teach_is_refused(
    job: Path, monkeypatch: pytest.MonkeyPatch, teacher: Any, settings: Any, said: str
) -> None:
    monkeypatch.chdir(job)
    with pytest.raises(InputError) as caught:
        distil(teacher, "photos", out="run", **QUICK, **settings)
    assert str(caught.value) == said


def test_pictures_of_other_classes_are_refused(job: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        distil(job / "teacher", job / "photos", out=tmp_path / "run", drop=("plain",), **QUICK)
    assert str(caught.value) == (
        f"The teacher tells 'dots', 'plain', 'stripes', and the pictures in {str(job / 'photos')!r} show 'dots', 'stripes': a "
        "student learns the same classes as its teacher. Give pictures of these, or bring them together with --merge OLD=CLASS."
    )


def test_unlabelled_pictures_that_are_all_known_are_refused(job: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        distil(
            job / "teacher", job / "photos", out=tmp_path / "run", unlabelled=job / "photos" / "dots", **QUICK
        )
    assert str(caught.value) == (
        f"{str(job / 'photos' / 'dots')!r} holds no picture that can be read and is not among the labelled ones. Name another "
        "place with --unlabelled, or leave it out."
    )


def test_too_few_pictures_to_judge_by_are_refused(job: Path, tmp_path: Path, draw_class: Any) -> None:
    for kind in ("stripes", "dots", "plain"):
        for number in range(60, 66):
            draw_class(tmp_path / "few" / kind, kind, number)
    with pytest.raises(InputError) as caught:
        distil(job / "teacher", tmp_path / "few", out=tmp_path / "run", **QUICK)
    assert str(caught.value) == (
        "18 pictures are too few to distil with: none could be held out to judge the student by. Bring more labelled pictures; "
        "those without a label come with --unlabelled."
    )


@pytest.mark.parametrize("compares", [False, True])
def test_of_several_processes_the_first_alone_writes_the_student(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compares: bool
) -> None:
    ended: list[bool] = []

    def end() -> None:
        ended.append(True)
        raise SystemExit(0)

    monkeypatch.setattr("fovea.tasks.distil.end_follower", end)
    with pytest.raises(SystemExit):
        distil(
            job / "teacher", job / "photos", out=tmp_path / "run", compare=compares, **QUICK | {"epochs": 1}
        )
    assert ended == [True] and not (tmp_path / "run").exists()
    assert (tmp_path / ".run.training" / "alone").exists() == compares
