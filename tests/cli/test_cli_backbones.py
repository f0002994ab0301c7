"""What `fovea backbones` says."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from fovea.features import config_file, open_backbone

Fovea = Callable[..., Any]


def test_the_list_marks_the_default_and_what_is_here(fovea: Fovea) -> None:
    said = fovea("backbones")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split()[:3] == ["*", "fovea-tiny", "here"]
    assert lines[1].split() == ["mobilenetv2", "-", "14.0", "MB", "Apache-2.0"]
    assert lines[-2:] == [
        "* is used where no --backbone is given. Get one: fovea backbones get NAME",
        "More: timm:NAME, torchvision:NAME and keras:NAME (their extras), an .onnx file (--weights), a run's folder.",
    ]


def test_the_json_of_a_list(fovea: Fovea) -> None:
    told = json.loads(fovea("backbones", "--json").out)
    assert told.keys() == {"action", "name", "default", "config", "backbones", "file", "stages"}
    assert told["backbones"][1]["name"] == "mobilenetv2"
    assert (told["default"], told["config"]) == ("fovea-tiny", str(config_file()))


def test_stages_are_shown_with_their_channels(fovea: Fovea) -> None:
    stages = open_backbone().stages
    lines = fovea("backbones", "show", "fovea-tiny").out.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["*", one.name] for one in stages]
    assert lines[-1] == "* is taken where no --stage is given."


def test_the_default_is_told_when_it_changes(fovea: Fovea) -> None:
    assert fovea("backbones", "use", "fovea-tiny").out.splitlines() == [
        f"From now on fovea-tiny is used where no --backbone is given ({config_file()}).",
        "Back to the embedded network: fovea backbones use fovea-tiny",
    ]


def test_offline_opens_no_connection(fovea: Fovea) -> None:
    said = fovea("backbones", "get", "mobilenetv2", "--offline")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(
        "fovea: --offline forbids what `get` does: to open a connection. Leave it out; or bring "
    )


@pytest.mark.parametrize("arguments", [("get", "mobilnetv2"), ("show", "mobilnetv2"), ("use", "mobilnetv2")])
def test_a_wrong_name_is_one_paragraph_with_the_closest(fovea: Fovea, arguments: tuple[str, str]) -> None:
    said = fovea("backbones", *arguments)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(
        "fovea: there is no backbone 'mobilnetv2', and no run at this path. Did you mean 'mobilenetv2'?"
    )
    assert len(said.err.splitlines()) == 1
