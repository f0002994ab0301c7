"""What weights files say of themselves; wrong ones are told apart."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fovea.errors import BackboneError
from fovea.nets import WeightsCard, read_weights_card
from fovea.nets.weights import _EXAMPLE

Write = Callable[[dict[str, str] | None], Path]


def test_the_shared_network_describes_itself(shared: Path) -> None:
    card = read_weights_card(shared / "weights" / "mobilenetv2_100.safetensors")
    assert (card.library, card.architecture, card.kwargs) == ("timm", "mobilenetv2_100", {"pad_type": "same"})
    assert (card.size_px, card.mean, card.std, card.licence) == (224, (0.5,) * 3, (0.5,) * 3, "Apache-2.0")
    assert (len(card.class_names), card.class_names[0]) == (1000, "tench")


def test_the_example_in_our_messages_is_valid(write_metadata: Write) -> None:
    assert read_weights_card(write_metadata({"backbone": _EXAMPLE})) == WeightsCard(
        library="timm",
        architecture="mobilenetv2_100",
        size_px=224,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        licence="Apache-2.0",
    )


@pytest.mark.parametrize(
    ("metadata", "holds"), [(None, "nothing"), ({"format": "pt", "by": "me"}, "by, format")]
)
def test_a_file_without_the_key_is_refused(
    write_metadata: Write, metadata: dict[str, str] | None, holds: str
) -> None:
    file = write_metadata(metadata)
    with pytest.raises(BackboneError) as raised:
        read_weights_card(file)
    assert str(raised.value) == (
        f"{str(file)!r} does not say which network it belongs to: there is no key 'backbone' in its metadata (it holds "
        f"{holds}). Name the network too: --backbone timm:NAME or --backbone torchvision:NAME; or save the file again with "
        "safetensors.torch.save_file(tensors, file, metadata={'backbone': TEXT}), "
        f"where TEXT is JSON like {_EXAMPLE}."
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "TypeError: list indices must be integers or slices, not str"),
        ("{}", "KeyError: 'preprocess'"),
        (json.dumps({**json.loads(_EXAMPLE), "preprocess": {"size": 2}}), "KeyError: 'mean'"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(write_metadata: Write, text: str, reason: str) -> None:
    file = write_metadata({"backbone": text})
    with pytest.raises(BackboneError) as raised:
        read_weights_card(file)
    assert str(raised.value) == (
        f"The metadata key 'backbone' of {str(file)!r} cannot be used ({reason}). "
        f"It must be JSON like {_EXAMPLE}."
    )


@pytest.mark.parametrize("n_bytes", [0, 5, 60])
def test_a_cut_file_is_refused(write_metadata: Write, n_bytes: int) -> None:
    file = write_metadata({"backbone": _EXAMPLE})
    file.write_bytes(file.read_bytes()[:n_bytes])
    with pytest.raises(
        BackboneError, match=r"is not a whole \.safetensors file: .*Download or copy it again\.$"
    ):
        read_weights_card(file)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".PTH"])
def test_a_file_of_torch_save_alone_asks_for_its_network(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"mine{suffix}"
    file.write_bytes(b"PK\x03\x04" + bytes(60))  # how a file of torch.save begins
    with pytest.raises(BackboneError) as raised:
        read_weights_card(file)
    assert str(raised.value) == (
        f"{str(file)!r} does not say which network its tensors belong to. Name that too: --backbone timm:NAME or --backbone "
        "torchvision:NAME."
    )
