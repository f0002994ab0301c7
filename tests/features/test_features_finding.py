"""What a backbone's name means: catalogue, libraries, files, runs; the closest name offered; converted once."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_graphs as graphs
import pytest
from numpy.typing import NDArray

from fovea.errors import BackboneError, InputError, MissingExtraError, MissingInputError
from fovea.features import (
    cache_folder,
    convert,
    finding,
    list_backbone_stages,
    list_converted,
    load_encoder,
    open_backbone,
    place_of,
    read_card,
    require_backbone,
)
from fovea.features.card import write_card
from fovea.features.known import KNOWN, KnownFile, download_folder

Draw = Callable[..., NDArray[np.uint8]]


@pytest.fixture(autouse=True)
def _small_is_embedded(monkeypatch: pytest.MonkeyPatch, small_folder: Path) -> None:
    monkeypatch.setattr(finding, "_EMBEDDED", small_folder)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KnownFile:
    """Put a small network into the catalogue; its file lies in FOVEA_WEIGHTS."""
    folder = tmp_path / "weights"
    folder.mkdir()
    content = graphs.write_small(folder / "net-1.onnx").read_bytes()
    one = KnownFile(
        "net", "net-1.onnx", hashlib.sha256(content).hexdigest(), len(content), "MIT", "net", size_px=32
    )
    monkeypatch.setitem(KNOWN, "net", one)
    monkeypatch.setenv("FOVEA_WEIGHTS", str(folder))
    return one


def converted() -> list[Path]:
    return list((cache_folder() / "backbones").glob("*"))


@pytest.mark.usefixtures("known")
def test_a_name_of_the_catalogue_opens_its_file() -> None:
    encoder = open_backbone(backbone="net")
    assert (encoder.name, encoder.licence, encoder.n_features) == ("net", "MIT", 50)
    assert (encoder.preprocess.height_px, encoder.preprocess.crop) == (32, 0.875)


def test_what_is_converted_needs_its_file_no_more(known: KnownFile, tmp_path: Path) -> None:
    first = open_backbone(backbone="net")
    (tmp_path / "weights" / known.file).unlink()
    assert open_backbone(backbone="net").fingerprint == first.fingerprint
    require_backbone("net")


@pytest.mark.usefixtures("known")
def test_the_same_file_by_path_is_known_by_its_content(tmp_path: Path) -> None:
    other = tmp_path / "copy.onnx"
    other.write_bytes((tmp_path / "weights" / "net-1.onnx").read_bytes())
    assert open_backbone(other).fingerprint == open_backbone(backbone="net").fingerprint


def test_a_known_name_without_its_file_says_how_to_get_it(known: KnownFile, tmp_path: Path) -> None:
    (tmp_path / "weights" / known.file).unlink()
    with pytest.raises(MissingInputError) as raised:
        open_backbone(backbone="net")
    assert str(raised.value) == (
        f"The backbone 'net' is not on this computer: no net-1.onnx of {known.n_bytes:,} bytes in "
        f"{str(tmp_path / 'weights')!r} and {str(download_folder())!r}. Download it ({known.n_bytes / 1e6:.1f} MB): "
        "fovea backbones get net. Here are: fovea-tiny."
    )


def test_a_file_of_the_catalogue_with_other_content_is_refused(known: KnownFile, tmp_path: Path) -> None:
    file = tmp_path / "weights" / known.file
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BackboneError) as raised:
        open_backbone(backbone="net")
    assert str(raised.value) == (
        f"{str(file)!r} is not net-1.onnx as it was published: its SHA-256 is another. Delete it and give: "
        f"fovea backbones get net. To use it as it is: --weights {file}."
    )
    assert converted() == []


@pytest.mark.usefixtures("known")
def test_a_file_of_one_s_own_takes_a_known_name_s_scaling(tmp_path: Path, noise: Draw) -> None:
    import onnx

    model = onnx.load(tmp_path / "weights" / "net-1.onnx")
    model.doc_string = "trained further"
    onnx.save(model, tmp_path / "mine.onnx")
    mine = open_backbone(tmp_path / "mine.onnx", backbone="net", precision="f32")
    assert (mine.name, mine.preprocess.crop) == ("mine", 0.875)
    assert (mine.card.licence, mine.card.source) == ("unknown", "mine.onnx")  # not the published ones
    known = open_backbone(backbone="net", precision="f32")
    np.testing.assert_array_equal(mine.encode(noise(2)), known.encode(noise(2)))
    assert mine.fingerprint != known.fingerprint


def test_an_unknown_name_offers_the_closest() -> None:
    with pytest.raises(InputError) as raised:
        open_backbone(backbone="resnet81")
    assert str(raised.value) == (
        "There is no backbone 'resnet81', and no run at this path. Did you mean 'resnet18'? Networks of libraries are named "
        "timm:NAME, torchvision:NAME or keras:NAME; `fovea backbones` lists what can be used."
    )


def test_a_strange_name_is_told_all_there_are() -> None:
    with pytest.raises(InputError) as raised:
        open_backbone(backbone="xyzzy")
    assert str(raised.value) == (
        "There is no backbone 'xyzzy', and no run at this path. There are: fovea-tiny, mobilenetv2, resnet18, resnet50, "
        "shufflenetv2, squeezenet1_1, vgg16, efficientnet_lite4. Networks of libraries are named timm:NAME, torchvision:NAME "
        "or keras:NAME; `fovea backbones` lists what can be used."
    )


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError) as raised:
        open_backbone(engine="tpu")
    assert str(raised.value) == "The engine 'tpu' is not known. Use 'openvino' or 'torch'."


@pytest.mark.parametrize(("backbone", "file"), [("fovea-tiny", "a.safetensors"), ("fovea-tiny", "a.onnx")])
def test_weights_that_a_name_cannot_take_are_refused(tmp_path: Path, backbone: str, file: str) -> None:
    (tmp_path / file).write_bytes(b"x")
    with pytest.raises(InputError) as raised:
        open_backbone(tmp_path / file, backbone=backbone)
    assert str(raised.value) == (
        f"The backbone {backbone!r} cannot take its weights from {str(tmp_path / file)!r}. A .safetensors, .pth or .pt file "
        "goes with --backbone timm:NAME or torchvision:NAME, an .onnx file with a name of the catalogue or none."
    )


def test_a_library_s_network_goes_to_its_converter_once(
    monkeypatch: pytest.MonkeyPatch, small_folder: Path
) -> None:
    asked: list[tuple[object, ...]] = []

    def note(spec: str, folder: Path, *, weights: object, stages: object, offline: bool) -> None:
        asked.append((spec, weights, stages, offline))
        load_encoder(small_folder).save(folder)

    monkeypatch.setattr(convert, "convert_named", note)
    for _ in range(2):
        open_backbone(backbone="timm:resnet18", stages=("layer4",), offline=False)
    open_backbone(backbone="timm:resnet18")
    assert asked == [("timm:resnet18", None, ("layer4",), False), ("timm:resnet18", None, (), True)]


def test_a_saved_backbone_can_be_the_backbone(tmp_path: Path, noise: Draw) -> None:
    open_backbone(precision="f32").save(tmp_path / "saved")
    again = open_backbone(backbone=str(tmp_path / "saved"), precision="f32")
    np.testing.assert_array_equal(again.encode(noise(2)), open_backbone(precision="f32").encode(noise(2)))


def test_a_converted_network_can_be_cut_to_some_of_its_stages(noise: Draw) -> None:
    whole, part = open_backbone(precision="f32"), open_backbone(stages=("conv:max",), precision="f32")
    assert [(one.name, one.start, one.stop) for one in part.stages] == [("conv:max", 0, 8)]
    np.testing.assert_array_equal(part.encode(noise(3)), whole.encode(noise(3))[:, 8:])
    assert part.fingerprint != whole.fingerprint


def test_a_stage_that_it_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(InputError) as raised:
        open_backbone(stages=("fc7",))
    assert str(raised.value) == "'small' has no stage 'fc7'; it has conv:mean, conv:max."


def test_the_stages_of_a_file_are_listed_with_sizes_and_pools(tmp_path: Path) -> None:
    file = graphs.write_small(tmp_path / "small.onnx")
    listed = list_backbone_stages(str(file))
    assert [(one.name, one.n_channels, one.size_px, one.is_usual, one.aliases) for one in listed] == [
        ("RELU1", 8, (16, 16), True, ()),
        ("RELU2", 16, (8, 8), True, ()),
        ("POOL", 16, (1, 1), False, ()),
        ("answer", 10, None, True, ("logits",)),
    ]
    taken = [f"{one.name}:{pool}" for one in listed for pool in one.pools]
    assert sorted(taken) == sorted(one.name for one in open_backbone(file).stages)


def test_a_name_longer_than_any_file_s_is_unknown() -> None:
    with pytest.raises(InputError, match=r"^There is no backbone 'x+', and no run at this path"):
        open_backbone(backbone="x" * 300)


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_refused(name: str) -> None:
    with pytest.raises(InputError) as raised:
        open_backbone(backbone=name)
    assert str(raised.value) == (
        "The backbone's name is empty. Leave --backbone out for fovea-tiny, or name one that `fovea backbones` lists."
    )


def test_a_file_given_as_a_name_is_sent_to_the_weights() -> None:
    with pytest.raises(InputError) as raised:
        open_backbone(backbone="nets/mine.onnx")
    assert str(raised.value) == (
        "The backbone 'nets/mine.onnx' is a file of weights. Give it as that: --weights nets/mine.onnx."
    )


@pytest.mark.parametrize(
    ("name", "library", "whole"),
    [
        ("w.pth", "torchvision", ""),
        ("w.h5", "keras", " A whole model in it: save it again with model.save('NAME.keras')."),
    ],
)
def test_tensors_without_their_network_have_no_stages(
    tmp_path: Path, name: str, library: str, whole: str
) -> None:
    file = tmp_path / name
    file.write_bytes(b"x")
    for act in (list_backbone_stages, require_backbone):
        with pytest.raises(InputError) as raised:
            act(str(file))
        assert str(raised.value) == (
            f"{str(file)!r} holds tensors, and does not say which network they belong to. Name that where you use them: "
            f"--backbone {library}:NAME --weights {file}. Its stages: fovea backbones show {library}:NAME.{whole}"
        )


def test_a_keras_file_of_tensors_needs_its_network_named(tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(b"x")
    with pytest.raises(InputError, match=r"holds tensors, and .*: --backbone keras:NAME --weights "):
        open_backbone(tmp_path / "w.h5")


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(MissingInputError) as raised:
        list_backbone_stages("no.onnx")
    assert str(raised.value) == (
        "There is no file 'no.onnx'. Check its path; `fovea backbones` lists the networks that have a name."
    )


@pytest.mark.parametrize("name", ["net.pkl", "net.pickle", "net.joblib"])
def test_a_pickle_as_weights_is_refused_with_what_is_read(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(b"x")
    with pytest.raises(InputError) as raised:
        open_backbone(file, backbone="torchvision:resnet18")
    assert str(raised.value) == (
        f"{str(file)!r} is a pickle by its name. A pickle can run code when it is opened, so it was not. Weights are read from "
        ".safetensors, .onnx and .keras files, and from .pth, .pt and .bin files that hold tensors alone: "
        "torch.save(network.state_dict(), FILE)."
    )


def test_a_library_that_is_not_installed_cannot_check_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(spec: str) -> None:
        raise MissingExtraError('Install it: pip install "fovea-vision[torch]".')

    monkeypatch.setattr(finding, "check_spec", missing)
    with pytest.raises(MissingExtraError) as raised:
        require_backbone("timm:resnet18")
    assert str(raised.value) == (
        "Whether there is a network 'timm:resnet18' cannot be checked: timm is not ready here, and no network of this name "
        'was converted on this computer. Install it: pip install "fovea-vision[torch]".'
    )


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch, small_folder: Path) -> None:
    """Let every library's network be converted to the small one, under its own name."""

    def note(spec: str, folder: Path, **_: object) -> None:
        load_encoder(small_folder).save(folder)
        write_card(folder, dataclasses.replace(read_card(folder), name=spec))

    monkeypatch.setattr(convert, "convert_named", note)


@pytest.mark.usefixtures("named")
def test_only_what_opens_by_its_name_is_listed_as_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "check_spec", None)
    open_backbone(backbone="timm:resnet18", stages=("layer4",))
    assert [name for name, *_ in list_converted()] == ["small"]
    whole = open_backbone(backbone="timm:resnet18")
    assert [(name, place) for name, _, _, place in list_converted()][1:] == [("timm:resnet18", whole.folder)]
    require_backbone("timm:resnet18")  # without asking the library


@pytest.mark.usefixtures("named")
def test_capitals_mean_nothing_in_keras_names() -> None:
    open_backbone(backbone="keras:VGG16")
    open_backbone(backbone="keras:vgg16")
    assert len(converted()) == 1
    assert [name for name, *_ in list_converted()] == ["small", "keras:VGG16"]


def test_a_known_one_whose_converted_folder_is_cut_is_not_here(known: KnownFile, tmp_path: Path) -> None:
    open_backbone(backbone="net")
    (tmp_path / "weights" / known.file).unlink()
    assert place_of(known) == converted()[0]
    (converted()[0] / "network.bin").write_bytes(b"cut")
    assert place_of(known) is None


def test_the_stages_of_a_converted_network_are_its_own() -> None:
    assert [(one.name, one.n_channels, one.is_usual) for one in list_backbone_stages("fovea-tiny")] == [
        ("conv:mean", 8, True),
        ("conv:max", 8, True),
    ]


@pytest.mark.usefixtures("known")
def test_the_converted_ones_of_the_catalogue_are_not_listed_twice() -> None:
    open_backbone(backbone="net")
    assert [name for name, *_ in list_converted()] == ["small"]


def test_a_cut_converted_folder_is_made_again(known: KnownFile) -> None:
    first = open_backbone(backbone="net")
    (folder,) = converted()
    (folder / "network.bin").write_bytes(b"cut")
    assert open_backbone(backbone="net").fingerprint == first.fingerprint
    assert (folder / "network.bin").stat().st_size > 3
