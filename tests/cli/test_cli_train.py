"""What `fovea train` says, that its options reach the task, and how classes are merged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from fovea.cli.run_options import parse_merge
from fovea.cli.train import command
from fovea.tasks.train import train as task

Fovea = Callable[..., Any]


def merged(*values: str) -> dict[str, str]:
    context = click.Context(command)
    return parse_merge(context, command.params[0], values)


@pytest.mark.parametrize(
    ("values", "merge"),
    [
        ((), {}),
        (("cat,kitten=cat",), {"cat": "cat", "kitten": "cat"}),
        ((" cat , kitten = young cat ",), {"cat": "young cat", "kitten": "young cat"}),
        (("a=b", "c=d"), {"a": "b", "c": "d"}),
        (("x=1=y",), {"x=1": "y"}),
        (("a=b", "a=b"), {"a": "b"}),
    ],
)
def test_merging_is_told_as_old_and_new(values: tuple[str, ...], merge: dict[str, str]) -> None:
    assert merged(*values) == merge


@pytest.mark.parametrize("value", ["cat", "=cat", "cat=", "cat,=cat", ",=cat", "", " = "])
def test_merging_that_cannot_be_understood_is_refused(value: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        merged(value)
    assert caught.value.message == f"{value!r}: write it as OLD,OTHER=NEW, for example cat,kitten=cat."


def test_one_class_cannot_become_two() -> None:
    with pytest.raises(click.BadParameter) as caught:
        merged("cat,dog=pet", "dog=beast")
    assert caught.value.message == "'dog' cannot become both 'pet' and 'beast'."


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[task.Config]:
    """Let the task only note what it was asked for, and stop."""
    configs: list[task.Config] = []

    def note(config: task.Config, **named: object) -> None:
        configs.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr(task, "run", note)
    return configs


def test_without_options_the_task_has_its_own_defaults(fovea: Fovea, asked: list[task.Config]) -> None:
    fovea("train", "photos", "--out", "run")
    assert asked == [task.Config(Path("photos"), Path("run"))]


def test_every_option_reaches_the_task(fovea: Fovea, asked: list[task.Config]) -> None:
    fovea(
        *(
            "train",
            "photos",
            "--out",
            "run",
            "--weights",
            "w",
            "--compute",
            "f32",
            "--fit",
            "pad",
            "--size",
            "384x272",
            "--views",
            "2",
        ),
        *(
            "--precision",
            "0.9",
            "--confidence",
            "0.8",
            "--per-class",
            "--since",
            "old",
            "--valid-share",
            "0.3",
        ),
        *("--balance", "--drop", "x", "--drop", "y", "--merge", "a,b=c", "--group-by", "who", "--strict"),
        *(
            "--label-by",
            "kind",
            "--backbone",
            "timm:n",
            "--stage",
            "a.1",
            "--stage",
            "fc7",
            "--engine",
            "torch",
        ),
        *("--group-pattern", "(p)", "--private", "--seed", "7", "--threads", "3", "--offline"),
    )
    assert asked == [
        task.Config(
            Path("photos"),
            Path("run"),
            source=task.SourceOptions("kind", "who", "(p)", True, ("x", "y"), {"a": "c", "b": "c"}),
            backbone=task.BackboneOptions(
                "timm:n", Path("w"), ("a.1", "fc7"), "torch", "f32", "pad", "384x272", 2, 3, True
            ),
            promise=task.PromiseOptions(0.9, 0.8, True),
            since=Path("old"),
            valid_share=0.3,
            balance=True,
            seed=7,
            private=True,
        )
    ]


@pytest.mark.parametrize("how", [["--per-class"], ["--confidence", "0.9"]])
def test_how_to_promise_without_a_precision_is_wrong_usage(fovea: Fovea, how: list[str]) -> None:
    said = fovea("train", "photos", "--out", "run", *how)
    assert (said.code, said.out) == (2, "")
    told = "--per-class and --confidence say how --precision is promised: give --precision too."
    assert said.err.splitlines()[-1] == f"Error: {told}"


@pytest.mark.parametrize("share", ["0", "1", "-0.5", "20", "nan"])
def test_a_share_to_hold_out_that_is_none_is_a_mistake(fovea: Fovea, photos: Path, share: str) -> None:
    said = fovea("train", photos, "--out", photos.parent / "run", "--valid-share", share)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("fovea: --valid-share is ")
    assert [path.name for path in photos.parent.iterdir()] == ["photos"]


def test_a_run_is_told_as_json_and_in_words(fovea: Fovea, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    said = fovea("train", photos, "--out", out, "--json", "--seed", "1")
    found = json.loads(said.out)
    assert said.code == 0, said.err
    assert (found.pop("run"), found.pop("report")) == (str(out), str(out / "report.html"))
    assert found == json.loads((out / "metrics.json").read_text())
    again = fovea("train", photos, "--out", out)
    assert (again.code, again.out) == (1, "")
    assert again.err.startswith(
        f"fovea: There is a finished run in {str(out)!r}, and nothing is overwritten."
    )
    second = fovea("train", photos, "--out", tmp_path / "second", "--since", out).out.splitlines()
    assert second[0].startswith("Right on ")
    assert "always answering 'blue' would reach 50.0 %." in second[0]
    assert any(line.startswith("Of 16 pictures in both runs ") for line in second)
    assert second[-1] == f"Report: {tmp_path / 'second' / 'report.html'}"
