"""ONNX files as backbones: the features that NumPy and torch compute, cut anywhere; wrong files named, nothing left."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_graphs as graphs
import pytest
from numpy.typing import NDArray
from onnx_graphs import node
from scipy.signal import correlate

from fovea.errors import BackboneError, InputError
from fovea.features import Encoder, cache_folder, open_backbone
from fovea.features.card import WEIGHTS

Draw = Callable[..., NDArray[np.uint8]]
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def open_onnx(file: Path, *stages: str, **settings: object) -> Encoder:
    return open_backbone(file, stages=stages, precision="f32", **settings)  # type: ignore[arg-type]


def small_maps(planes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the two maps of the small network for planes (3, h, w), by SciPy's correlation."""
    maps = []
    for kernels, bias in ((graphs.FIRST, graphs.BIAS), (graphs.SECOND, np.zeros(16))):
        padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
        found = [correlate(padded, kernel, "valid")[0, ::2, ::2] for kernel in kernels]
        planes = np.maximum(np.array(found) + bias[:, None, None], 0)
        maps.append(planes)
    return maps[0], maps[1]


def small_features(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    rows = []
    for picture in (pixels / 255 - MEAN) / STD:
        first, second = small_maps(picture.transpose(2, 0, 1))
        powers = np.exp(graphs.DENSE @ second.mean((1, 2)))
        means = [first.mean((1, 2)), second.mean((1, 2)), second.max((1, 2))]
        rows.append(np.concatenate([*means, (powers / powers.sum()) ** 0.25]))
    return np.array(rows)


def converted() -> list[Path]:
    return list((cache_folder() / "backbones").glob("*"))


def test_features_are_those_of_scipy_and_numpy(tmp_path: Path, noise: Draw) -> None:
    encoder = open_onnx(graphs.write_small(tmp_path / "small.onnx"))
    assert [(one.name, one.stop - one.start) for one in encoder.stages] == [
        ("RELU1:mean", 8),
        ("RELU2:mean", 16),
        ("RELU2:max", 16),
        ("answer:softmax", 10),
    ]
    pixels = noise(11)
    np.testing.assert_allclose(encoder.encode(pixels), small_features(pixels), rtol=2e-4, atol=1e-5)
    assert encoder.name == "small"


def test_pictures_of_another_shape_can_enter(tmp_path: Path, noise: Draw) -> None:
    encoder = open_onnx(graphs.write_small(tmp_path / "small.onnx"), shape_px=(48, 40))
    pixels = noise(2, height_px=48, width_px=40)
    np.testing.assert_allclose(encoder.encode(pixels), small_features(pixels), rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("stage", "name", "columns"),
    [
        ("RELU1", "RELU1:mean", slice(0, 8)),
        ("relu2", "RELU2:mean", slice(8, 24)),
        ("RELU2:max", "RELU2:max", slice(24, 40)),
        ("answer:softmax", "answer:softmax", slice(40, 50)),
    ],
    ids=["node", "tensor", "pool", "answers"],
)
def test_a_stage_is_named_by_its_node_or_tensor_with_a_pool_or_without(
    tmp_path: Path, noise: Draw, stage: str, name: str, columns: slice
) -> None:
    encoder = open_onnx(graphs.write_small(tmp_path / "small.onnx"), stage)
    assert [one.name for one in encoder.stages] == [name]
    pixels = noise(3)
    np.testing.assert_allclose(
        encoder.encode(pixels), small_features(pixels)[:, columns], rtol=2e-4, atol=1e-5
    )


def test_several_stages_join_in_the_order_given_and_once(tmp_path: Path) -> None:
    encoder = open_onnx(graphs.write_small(tmp_path / "small.onnx"), "RELU2", "RELU1:root", "relu2", "logits")
    assert [(one.name, one.start, one.stop) for one in encoder.stages] == [
        ("RELU2:mean", 0, 16),
        ("RELU1:root", 16, 24),
        ("answer:flat", 24, 34),
    ]


def test_a_channels_last_network_of_bytes_takes_them_as_they_are(tmp_path: Path, noise: Draw) -> None:
    import onnx

    nodes = [
        node("Cast", "picture", "floats", to=onnx.TensorProto.FLOAT),
        node("Transpose", "floats", "planes", perm=[0, 3, 1, 2]),
        node("Conv", "planes first bias", "conv1", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", "conv1", "answer"),
    ]
    weights = {"first": graphs.FIRST, "bias": graphs.BIAS}
    told = [("picture", onnx.TensorProto.UINT8, ["n", 32, 32, 3])]
    encoder = open_onnx(graphs.write(tmp_path / "bytes.onnx", nodes, inputs=told, weights=weights), "answer")
    pixels = noise(2)
    expected = [small_maps(one.transpose(2, 0, 1).astype(float))[0].mean((1, 2)) for one in pixels]
    np.testing.assert_allclose(encoder.encode(pixels), expected, rtol=2e-4)


def test_a_network_for_grey_pictures_sees_them_as_pillow_makes_them(tmp_path: Path, noise: Draw) -> None:
    file = graphs.write_small(
        tmp_path / "grey.onnx",
        inputs=[("picture", 1, ["n", 1, 32, 32])],
        weights={**graphs.SMALL_WEIGHTS, "first": graphs.FIRST[:, :1]},
    )
    pixels = noise(2)
    grey = [(one @ [0.299, 0.587, 0.114] / 255 - MEAN.mean()) / STD.mean() for one in pixels]
    padded = [np.pad(one, 1) for one in grey]
    expected = [
        [
            np.maximum(correlate(one, kernel[0], "valid")[::2, ::2] + bias, 0).mean()
            for kernel, bias in zip(graphs.FIRST, graphs.BIAS, strict=True)
        ]
        for one in padded
    ]
    np.testing.assert_allclose(open_onnx(file, "RELU1").encode(pixels), expected, rtol=2e-4, atol=1e-5)


def test_metadata_say_how_pictures_are_scaled(tmp_path: Path, noise: Draw) -> None:
    told = '{"preprocess": {"size": 32, "mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]}, "licence": "MIT", "classes": "%s"}'
    file = graphs.write_small(tmp_path / "a.onnx", metadata={"backbone": told % "abcdefghij"})
    encoder = open_onnx(file, "RELU1", "answer:softmax")
    pixels = noise(2)
    expected = [small_maps((one / 255 - 0.5).transpose(2, 0, 1))[0].mean((1, 2)) for one in pixels]
    np.testing.assert_allclose(encoder.encode(pixels)[:, :8], expected, rtol=2e-4, atol=1e-5)
    assert (encoder.licence, encoder.class_names) == ("MIT", tuple("abcdefghij"))


def test_a_scaling_that_nobody_told_is_noted(tmp_path: Path) -> None:
    told = '{"preprocess": {"size": 32, "mean": [0, 0, 0], "std": [1, 1, 1]}}'
    assert open_onnx(graphs.write_small(tmp_path / "a.onnx", metadata={"backbone": told})).notes == ()
    assert open_onnx(graphs.write_small(tmp_path / "b.onnx")).notes == (
        "b.onnx does not say how pictures are scaled for it; they are as for most networks, by ImageNet's mean and "
        "deviation. Where that is wrong the answers are worse: --backbone NAME takes the catalogue's scaling.",
    )


def test_a_network_written_for_one_picture_answers_each_of_many(tmp_path: Path, noise: Draw) -> None:
    nodes = [*graphs.small_nodes()[:-2], node("Reshape", "pool sides", "flat"), graphs.small_nodes()[-1]]
    weights = {**graphs.SMALL_WEIGHTS, "sides": np.array([1, 16])}
    encoder = open_onnx(graphs.write_small(tmp_path / "open.onnx"))
    fixed = open_onnx(graphs.write(tmp_path / "fixed.onnx", nodes, inputs=[graphs.NCHW], weights=weights))
    pixels = noise(5)
    np.testing.assert_allclose(fixed.encode(pixels), encoder.encode(pixels), rtol=1e-5, atol=1e-6)


def test_a_network_that_mixes_the_pictures_of_a_batch_is_refused_with_where_they_part(tmp_path: Path) -> None:
    """Maps in the millions: measured by the largest of all features, wrong answers would pass."""
    *body, flatten, answer = graphs.small_nodes()
    mixed = [
        node("ReduceMean", "flat", "middle", axes=[0], keepdims=1),
        node("Sub", "flat middle", "apart"),
        node("Add", "flat apart", "twice"),
        node("Gemm", f"twice {' '.join(answer.input[1:])}", "answer", transB=1),
    ]
    weights = graphs.SMALL_WEIGHTS | {"second": graphs.SECOND * 1e6, "dense": graphs.DENSE / 1e6}
    file = graphs.write(
        tmp_path / "mixing.onnx", [*body, flatten, *mixed], inputs=[graphs.NCHW], weights=weights
    )
    with pytest.raises(BackboneError) as caught:
        open_onnx(file)
    assert re.sub(r"0\.\d\d\b", "MUCH", str(caught.value)) == (
        "'mixing' answers differently after conversion: by MUCH of a stage's largest value, where 0.001 is allowed. The "
        "networks part at stage 'answer:softmax' (MUCH); of 4 stages, up to 'RELU2:max' they agree. Where it was written "
        "for one picture at a time, export it again with an open (dynamic) batch."
    )
    assert converted() == []


def test_a_file_of_the_first_years_is_read(tmp_path: Path, noise: Draw) -> None:
    """As the model zoo's oldest: weights told as inputs too, batch normalisation by itself, dropout left in."""
    nodes = [
        node("Conv", "picture first", "bare", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("BatchNormalization", "bare one bias zero one", "conv1", epsilon=0.0),
        *graphs.small_nodes()[1:-1],
        node("Dropout", "flat", "dropped", ratio=0.5),
        node("Gemm", "dropped dense none", "answer", transB=1),
    ]
    weights = {
        **graphs.SMALL_WEIGHTS,
        "one": np.ones(8, np.float32),
        "zero": np.zeros(8, np.float32),
        "none": np.zeros(10, np.float32),
    }
    inputs = [graphs.NCHW, *((name, 1, values.shape) for name, values in weights.items())]
    file = graphs.write(tmp_path / "old.onnx", nodes, inputs=inputs, weights=weights, opset=7, ir_version=3)
    encoder = open_onnx(file)
    pixels = noise(3)
    np.testing.assert_allclose(encoder.encode(pixels), small_features(pixels), rtol=2e-4, atol=1e-5)


def test_a_file_of_tensorflow_s_is_read(tmp_path: Path, noise: Draw) -> None:
    """Channels last, colons and slashes in the names, a squeezed pool, a softmax at the end."""
    nodes = [
        node("Transpose", "images:0", "net/planes:0", perm=[0, 3, 1, 2]),
        node("Conv", "net/planes:0 first bias", "net/conv1:0", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Relu", "net/conv1:0", "relu1"),
        *graphs.small_nodes()[2:5],
        node("Squeeze", "pool axes", "net/squeezed:0"),
        node("MatMul", "net/squeezed:0 turned", "net/matmul:0"),
        node("Add", "net/matmul:0 none", "net/logits:0"),
        node("Softmax", "net/logits:0", "answer", axis=1),
    ]
    weights = {
        **graphs.SMALL_WEIGHTS,
        "axes": np.array([2, 3]),
        "turned": np.ascontiguousarray(graphs.DENSE.T),
        "none": np.zeros(10, np.float32),
    }
    file = graphs.write(
        tmp_path / "tf.onnx", nodes, inputs=[("images:0", 1, [1, 32, 32, 3])], weights=weights
    )
    encoder = open_onnx(file)
    assert [one.name for one in encoder.stages][-2:] == ["RELU2:max", "NET/LOGITS:0:softmax"]
    pixels = noise(3)
    np.testing.assert_allclose(encoder.encode(pixels), small_features(pixels), rtol=2e-4, atol=1e-5)


def test_weights_of_half_precision_stay_so(tmp_path: Path, noise: Draw) -> None:
    import onnx

    whole = open_onnx(graphs.write_small(tmp_path / "whole.onnx"))
    half = open_onnx(
        graphs.write_small(
            tmp_path / "half.onnx",
            inputs=[("picture", onnx.TensorProto.FLOAT16, [1, 3, 32, 32])],
            weights={name: values.astype(np.float16) for name, values in graphs.SMALL_WEIGHTS.items()},
        )
    )
    whole.save(tmp_path / "a")
    half.save(tmp_path / "b")
    sizes = [(tmp_path / name / WEIGHTS).stat().st_size for name in "ab"]
    assert sizes[1] < 0.6 * sizes[0]
    pixels = noise(3)
    np.testing.assert_allclose(half.encode(pixels), whole.encode(pixels), rtol=0.02, atol=0.02)


def test_weights_in_a_file_beside_it_are_read_and_belong_to_its_identity(tmp_path: Path, noise: Draw) -> None:
    whole = open_onnx(graphs.write_small(tmp_path / "whole.onnx"))
    file = graphs.write_small(tmp_path / "apart.onnx", beside="apart.data")
    apart = open_onnx(file)
    np.testing.assert_array_equal(apart.encode(noise(2)), whole.encode(noise(2)))
    content = bytearray((tmp_path / "apart.data").read_bytes())
    content[3] ^= 1
    (tmp_path / "apart.data").write_bytes(content)
    assert open_onnx(file).fingerprint != apart.fingerprint


def test_a_file_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = graphs.write_small(tmp_path / "small.onnx")
    first = open_onnx(file)
    monkeypatch.setattr("fovea.features.onnx.convert_onnx", None)
    assert open_onnx(file).fingerprint == first.fingerprint


def test_torch_is_not_needed(tmp_path: Path, run_child: Callable[..., object]) -> None:
    file = graphs.write_small(tmp_path / "small.onnx")
    run_child(
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path; from fovea.features import open_backbone\n"
        "assert open_backbone(Path(sys.argv[1])).n_features == 50",
        str(file),
    )


WRONG = {
    "two inputs": (
        {"inputs": [graphs.NCHW, ("second_picture", 1, [1, 3, 32, 32])]},
        "has 2 inputs (picture, second_picture); one that takes a picture and nothing else is needed.",
    ),
    "two planes": (
        {
            "inputs": [("picture", 1, [1, 2, 28, 28])],
            "weights": {**graphs.SMALL_WEIGHTS, "first": graphs.FIRST[:, :2]},
        },
        "takes f32 [1,2,28,28], and a picture is [n, 3, height, width] or [n, height, width, 3], or 1 in place of 3 for grey "
        "ones. Take a network for pictures.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_network_that_takes_no_picture_is_refused(tmp_path: Path, name: str) -> None:
    settings, said = WRONG[name]
    file = graphs.write_small(tmp_path / "wrong.onnx", **settings)
    with pytest.raises(BackboneError) as raised:
        open_onnx(file)
    assert str(raised.value) == f"The network in {str(file)!r} {said}"
    assert converted() == []


def test_a_network_without_a_stage_is_refused(tmp_path: Path) -> None:
    file = graphs.write(
        tmp_path / "none.onnx",
        [node("Mul", "picture two", "answer")],
        inputs=[graphs.NCHW],
        weights={"two": np.float32([2])},
    )
    with pytest.raises(BackboneError) as raised:
        open_onnx(file)
    assert str(raised.value) == (
        "'none' has nothing to take features from: no feature map and no fully connected layer lies between the picture and "
        "its answer. Take a network that was trained to classify pictures."
    )
    assert converted() == []


def test_an_unknown_stage_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        open_onnx(graphs.write_small(tmp_path / "small.onnx"), "RELU3")
    assert str(raised.value) == (
        "'small' has no stage 'RELU3'; the nearest of its 4 are 'RELU2', 'RELU1'. All are listed by `fovea backbones show`; "
        "a pool may follow the name: :mean, :max or :root for maps, :flat or :softmax for vectors."
    )
    assert converted() == []


def test_a_graph_that_the_engine_cannot_read_is_refused(tmp_path: Path) -> None:
    nodes = [graphs.helper.make_node("NoSuchLayer", ["picture"], ["answer"])]
    file = graphs.write(tmp_path / "odd.onnx", nodes, inputs=[graphs.NCHW])
    with pytest.raises(BackboneError, match=r"^The network in '.*odd.onnx' cannot be read: .*NoSuchLayer"):
        open_onnx(file)
    assert converted() == []


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_graph_is_refused_or_read_and_nothing_is_left(tmp_path: Path, seed: int) -> None:
    file = graphs.write_small(tmp_path / "small.onnx")
    rng, content = np.random.default_rng(seed), bytearray(file.read_bytes())
    names = [
        at for word in (b"CONV", b"relu", b"Gemm", b"strides", b"answer") for at in places(content, word)
    ]
    for at in rng.choice(names, 3):
        content[at + int(rng.integers(-2, 4))] = int(rng.integers(256))
    file.write_bytes(content)
    with contextlib.suppress(BackboneError):
        open_onnx(file)
    assert [one for one in converted() if one.name.startswith(".")] == []


def places(content: bytearray, word: bytes) -> list[int]:
    return [at for at in range(len(content)) if content.startswith(word, at)]


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = graphs.write_small(tmp_path / "small.onnx")
    file.write_bytes(file.read_bytes().replace(b"relu2", b"rel\xff2").replace(b"answer", b"ans\xffer"))
    with pytest.raises(BackboneError, match=r"^The network in '.*small.onnx' cannot be read: "):
        open_onnx(file)
    assert converted() == []
