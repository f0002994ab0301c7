"""What `backbones` promises: says what is here, fetches only what is right, keeps the user's default, lists stages."""

import hashlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import BackboneError, InputError, MissingInputError
from fovea.features import EMBEDDED, KNOWN, cache_folder, config_file, download, open_backbone, read_default
from fovea.features.known import KnownFile
from fovea.tasks.backbones import Config, run, with_default
from fovea.tasks.options import BackboneOptions

CONTENT = b"weights" * 100


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> KnownFile:
    """Put a file into the catalogue."""
    one = KnownFile("net", "net-1.onnx", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "MIT", "net")
    monkeypatch.setitem(KNOWN, "net", one)
    return one


@pytest.fixture
def brought(tmp_path: Path, net: KnownFile) -> Path:
    """Bring the file by hand; return where it was copied to."""
    (tmp_path / "mine").write_bytes(CONTENT)
    file = run(Config("get", "net", source=str(tmp_path / "mine"))).file
    assert file is not None
    return file


def test_every_known_network_is_listed_and_the_embedded_one_is_the_default() -> None:
    listed = run(Config()).backbones
    assert [one.name for one in listed] == [EMBEDDED, *KNOWN]
    assert [(one.name, one.is_default) for one in listed if one.is_here] == [(EMBEDDED, True)]


def test_what_is_here_is_listed_with_its_place(brought: Path) -> None:
    (one,) = [one for one in run(Config()).backbones if one.name == "net"]
    assert (one.is_here, one.place, one.n_bytes, one.licence) == (True, str(brought), 700, "MIT")
    assert brought == cache_folder() / "weights" / "net-1.onnx"


def test_weights_that_say_what_they_are_are_listed_and_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.numpy import save_file

    card = {"library": "timm", "architecture": "resnet18", "licence": "MIT"}
    card |= {"preprocess": {"size": 64, "mean": [0.5] * 3, "std": [0.5] * 3}}
    file = tmp_path / "any.safetensors"
    save_file({"some": np.zeros(3, np.float32)}, file, metadata={"backbone": json.dumps(card)})
    monkeypatch.setenv("FOVEA_WEIGHTS", str(tmp_path))
    one = run(Config()).backbones[-1]
    told = (one.name, one.is_here, one.n_bytes, one.licence, one.place)
    assert told == ("timm:resnet18", True, file.stat().st_size, "MIT", str(file))
    with pytest.raises(MissingInputError, match=r"Here are: fovea-tiny, timm:resnet18\.$"):
        run(Config("use", "vgg16"))


def test_what_is_here_and_right_is_not_fetched_again(brought: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "fetch", None)
    assert run(Config("get", "net")).file == brought


def test_what_is_here_and_damaged_is_fetched_again(brought: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought.write_bytes(CONTENT[::-1])
    asked: list[str] = []
    monkeypatch.setattr(download, "fetch", lambda known, **named: asked.append(known.name))
    run(Config("get", "net"))
    assert asked == ["net"]


def test_another_address_is_handed_on(net: KnownFile, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(download, "fetch", lambda known, *, addresses, progress: asked.append(addresses))
    run(Config("get", "net", source="https://mirror.example/net.onnx"))
    assert asked == [("https://mirror.example/net.onnx",)]


def test_offline_refuses_to_fetch_and_says_where_the_file_is_had(net: KnownFile) -> None:
    with pytest.raises(InputError) as raised:
        run(Config("get", "net", offline=True))
    assert str(raised.value) == (
        "--offline forbids what `get` does: to open a connection. Leave it out; or bring net-1.onnx by hand from "
        "https://huggingface.co/onnxmodelzoo/net-1/resolve/main/net-1.onnx and give: fovea backbones get net --from FILE."
    )


def test_offline_takes_what_is_here(brought: Path) -> None:
    assert run(Config("get", "net", offline=True)).file == brought


REFUSED = {
    (
        "get",
        EMBEDDED,
    ): "'fovea-tiny' is inside this package; there is nothing to download. Use it: --backbone fovea-tiny.",
    ("get", "timm:resnet18"): (
        "the official weights of 'timm:resnet18' are fetched by its own library when it is first used: "
        "--backbone timm:resnet18. `fovea backbones get` knows mobilenetv2, resnet18, resnet50, shufflenetv2, squeezenet1_1, "
        "vgg16, efficientnet_lite4."
    ),
    ("get", "vgg61"): (
        "There is no backbone 'vgg61', and no run at this path. Did you mean 'vgg16'? Networks of libraries are named "
        "timm:NAME, torchvision:NAME or keras:NAME; `fovea backbones` lists what can be used."
    ),
    ("get", None): "Which one? For example: fovea backbones get mobilenetv2.",
    ("use", None): "Which one? For example: fovea backbones use fovea-tiny.",
    ("fetch", "vgg16"): "There is no action 'fetch'. Use one of: list, get, use, show.",
}


@pytest.mark.parametrize(("action", "name"), REFUSED)
def test_what_cannot_be_done_is_told(action: str, name: str | None) -> None:
    with pytest.raises(InputError) as raised:
        run(Config(action, name))
    assert str(raised.value) == REFUSED[action, name]


def test_a_source_without_get_is_refused() -> None:
    with pytest.raises(InputError) as raised:
        run(Config("use", "vgg16", source="file"))
    assert str(raised.value) == (
        "--from says where `fovea backbones get` takes a file from. Give: fovea backbones get NAME."
    )


def test_a_wrong_file_is_refused_and_not_kept(net: KnownFile, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"other")
    with pytest.raises(BackboneError, match=r"is not net-1.onnx: it has 5 bytes"):
        run(Config("get", "net", source=str(tmp_path / "mine")))
    assert not (cache_folder() / "weights").exists()


@pytest.mark.usefixtures("brought")
def test_a_default_is_kept_listed_and_taken_back() -> None:
    assert run(Config("use", "net")).default == "net"
    assert [one.name for one in run(Config()).backbones if one.is_default] == ["net"]
    assert run(Config("use", EMBEDDED)).default == EMBEDDED
    assert read_default() is None


def test_what_is_not_here_cannot_be_the_default() -> None:
    with pytest.raises(MissingInputError, match=r"Download it \(46.8 MB\): fovea backbones get resnet18"):
        run(Config("use", "resnet18"))
    assert not config_file().exists()


def test_a_folder_as_default_is_kept_with_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_backbone().save(tmp_path / "saved")
    monkeypatch.chdir(tmp_path)
    assert run(Config("use", "./saved")).default == str(tmp_path / "saved")
    (one,) = [one for one in run(Config()).backbones if one.is_default]
    assert (one.name, one.is_here) == (str(tmp_path / "saved"), True)


def write_onnx(file: Path) -> Path:
    """Write a network of one convolution and four answers."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    shapes = {"kernels": (8, 3, 3, 3), "dense": (4, 8)}
    weights = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["picture", "kernels"], ["maps"], strides=[2, 2]),
        helper.make_node("Relu", ["maps"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense"], ["answer"], transB=1),
    ]
    ends = (("picture", [1, 3, 32, 32]), ("answer", [1, 4]))
    first, last = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_graph(nodes, "graph", [first], [last], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    file.write_bytes(model.SerializeToString())
    return file


def test_an_onnx_file_as_default_is_kept_with_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_onnx(tmp_path / "mine.onnx")
    monkeypatch.chdir(tmp_path)
    assert run(Config("use", "mine.onnx")).default == str(file)
    (one,) = [one for one in run(Config()).backbones if one.is_default]
    assert (one.name, one.is_here, one.n_bytes) == (str(file), True, file.stat().st_size)
    options, notes = with_default(BackboneOptions())
    assert options == BackboneOptions(weights=file)
    assert notes[0].startswith("Features are of 'mine.onnx', your default")


@pytest.mark.skipif(not importlib.util.find_spec("timm"), reason="the extra 'torch' is not installed")
def test_a_network_that_its_library_has_not_cannot_be_the_default() -> None:
    with pytest.raises(BackboneError, match=r"^timm has no architecture 'nonsense'\. Nearest: "):
        run(Config("use", "timm:nonsense"))
    assert not config_file().exists()


def test_the_list_can_be_asked_for_a_part_of_names() -> None:
    listed = run(Config("list", "ResNet")).backbones
    assert [one.name for one in listed] == ["resnet18", "resnet50"]


def test_a_part_that_is_in_no_name_is_refused() -> None:
    with pytest.raises(InputError) as raised:
        run(Config("list", "xyz"))
    assert str(raised.value) == (
        f"No network in the list has 'xyz' in its name. There are: {', '.join([EMBEDDED, *KNOWN])}. Whether a library has one: "
        "fovea backbones show timm:NAME, torchvision:NAME or keras:NAME."
    )


@pytest.mark.usefixtures("brought")
def test_the_default_counts_where_no_network_is_named_and_is_told() -> None:
    run(Config("use", "net"))
    options, notes = with_default(BackboneOptions(fit="pad"))
    assert options == BackboneOptions(backbone="net", fit="pad")
    assert notes == (
        "Features are of 'net', your default (fovea backbones use); --backbone fovea-tiny takes the embedded network.",
    )


@pytest.mark.parametrize(
    "options", [BackboneOptions(backbone="fovea-tiny"), BackboneOptions(weights=Path("mine.onnx"))]
)
@pytest.mark.usefixtures("brought")
def test_what_is_named_counts_before_the_default(options: BackboneOptions) -> None:
    run(Config("use", "net"))
    assert with_default(options) == (options, ())


def test_the_stages_of_the_embedded_network_are_shown() -> None:
    shown = run(Config("show", EMBEDDED)).stages
    assert [(one.name, one.n_channels) for one in shown] == [
        (one.name, one.stop - one.start) for one in open_backbone().stages
    ]


def test_a_run_trains_on_the_user_s_default_and_says_so(
    photos: Path, tmp_path: Path, draw_class: Callable[..., Path]
) -> None:
    from fovea.tasks.train.train import train

    open_backbone(stages=(open_backbone().stages[0].name,)).save(tmp_path / "saved")
    run(Config("use", str(tmp_path / "saved")))
    done = train(photos, out=tmp_path / "run")
    assert done.metrics["notes"][0] == (
        "Features are of 'saved', your default (fovea backbones use); --backbone fovea-tiny takes the embedded network."
    )
    assert done.model.encoder.n_features == open_backbone().stages[0].stop


def test_a_private_run_does_not_tell_where_its_backbone_lay(photos: Path, tmp_path: Path) -> None:
    from fovea.tasks.train.train import train

    open_backbone().save(tmp_path / "saved")
    run(Config("use", str(tmp_path / "saved")))
    done = train(photos, out=tmp_path / "run", private=True)
    needle = str(tmp_path).encode()
    files = [path for path in done.folder.rglob("*") if path.is_file()]
    assert [path.name for path in files if needle in path.read_bytes()] == []
