"""What `fovea backbones` says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fovea.cli.backbones import lines_of_show
from fovea.features import Shown, config_file, open_backbone, write_default
from fovea.tasks.backbones import Result

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


def test_pools_and_other_names_are_shown_with_the_stages() -> None:
    stages = (
        Shown("conv", 8, (16, 16), is_usual=False),
        Shown("last", 4096, (8, 8), is_usual=True, pools=("mean", "max")),
        Shown("answer", 10, None, is_usual=True, aliases=("fc8", "logits"), pools=("softmax",)),
    )
    assert lines_of_show(Result("show", "net", "fovea-tiny", Path("c"), stages=stages)) == [
        "  conv        8 channels  16 x 16",
        "* last    4,096 channels  8 x 8  :mean  :max",
        "* answer     10 channels  -  :softmax  (fc8, logits)",
        "* is taken where no --stage is given, pooled as behind the colons.",
    ]


def test_the_list_holds_what_has_the_name_in_it(fovea: Fovea) -> None:
    lines = fovea("backbones", "list", "squeeze").out.splitlines()
    assert [line.split()[0] for line in lines[:-2]] == ["squeezenet1_1"]


def test_a_default_that_is_not_here_has_no_size(fovea: Fovea) -> None:
    write_default("timm:resnet18")
    assert fovea("backbones", "list", "timm").out.splitlines()[0] == "* timm:resnet18  -"


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
        "fovea: There is no backbone 'mobilnetv2', and no run at this path. Did you mean 'mobilenetv2'?"
    )
    assert len(said.err.splitlines()) == 1
