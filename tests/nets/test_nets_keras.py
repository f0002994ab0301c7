"""Keras networks as backbones: features against keras' own answers, stages, scaling, layouts, and what is refused."""

import copy
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import rewrite, save, shake, small_model
from numpy.typing import NDArray

from fovea.errors import BackboneError, FoveaError, InputError
from fovea.features import Encoder, convert, open_backbone
from fovea.features.finding import list_backbone_stages
from fovea.nets import list_stages
from fovea.nets.keras import build_keras
from fovea.nets.keras_graph import layers_of, torch_network
from fovea.nets.keras_start import quiet
from fovea.nets.layers import Layer
from fovea.nets.places import choose_places

Pixels = NDArray[np.uint8]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.keras"


@pytest.fixture
def pixels() -> Pixels:
    return convert.example_pictures(height_px=32, width_px=32)


def keras_says(keras: Any, model: Any, layer: str, pixels: Pixels) -> NDArray[np.float32]:
    """Return what keras itself computes at a layer, channels last."""
    with quiet(keras):
        part = keras.Model(model.inputs, model.get_layer(layer).output)
        return np.asarray(keras.ops.convert_to_numpy(part(pixels.astype(np.float32), training=False)))


def columns(encoder: Encoder, name: str) -> slice:
    return next(slice(one.start, one.stop) for one in encoder.stages if one.name == name)


def open_file(file: Path, **settings: Any) -> Encoder:
    return open_backbone(file, precision="f32", **settings)


def test_features_are_means_and_maxima_of_keras_own_maps(keras: Any, file: Path, pixels: Pixels) -> None:
    model = small_model(keras)
    encoder = open_file(save(keras, model, file), stages=("norm", "half_:max", "second"))
    found = encoder.encode(pixels)
    said = {name: keras_says(keras, model, name, pixels) for name in ("norm", "half", "second")}
    np.testing.assert_allclose(found[:, columns(encoder, "norm:mean")], said["norm"].mean((1, 2)), atol=1e-4)
    np.testing.assert_allclose(found[:, columns(encoder, "half_:max")], said["half"].max((1, 2)), atol=1e-4)
    np.testing.assert_allclose(
        found[:, columns(encoder, "second:mean")], said["second"].mean((1, 2)), atol=1e-4
    )


def test_a_flat_layer_keeps_keras_order_of_values(keras: Any, file: Path, pixels: Pixels) -> None:
    model = small_model(keras)
    encoder = open_file(save(keras, model, file), stages=("flat",))
    assert [one.name for one in encoder.stages] == ["flat:flat"]
    np.testing.assert_allclose(encoder.encode(pixels), keras_says(keras, model, "flat", pixels), atol=1e-4)


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_the_last_stage_is_the_fourth_root_of_the_answers(
    keras: Any, file: Path, pixels: Pixels, activation: str
) -> None:
    model = small_model(keras, activation=activation)
    save(keras, model, file)
    answers = keras_says(keras, model, "classes", pixels).astype(np.float64)
    if_linear = np.exp(answers) / np.exp(answers).sum(1, keepdims=True)
    probabilities = {"softmax": answers, "linear": if_linear}[activation]
    encoder = open_file(file)
    assert encoder.stages[-1].name == "classes:softmax"
    found = encoder.encode(pixels)[:, columns(encoder, "classes:softmax")]
    np.testing.assert_allclose(found, probabilities**0.25, atol=1e-4)


def test_a_softmax_that_is_a_layer_of_its_own_is_taken_off_too_and_off_a_copy(keras: Any) -> None:
    import torch

    model = small_model(keras, activation="linear")
    planes = torch.rand(2, 3, 32, 32)
    with quiet(keras), torch.no_grad():
        logits = keras.ops.convert_to_numpy(model(255 * planes.permute(0, 2, 3, 1), training=False))
        model.add(keras.layers.Softmax(name="answers"))
        network = torch_network(keras, model, shape_px=(32, 32), bgr=False).eval()
        for one in (network, copy.deepcopy(network)):
            np.testing.assert_allclose(one(255 * planes).numpy(), logits, atol=1e-4)


def test_the_usual_stages_are_the_last_maps_of_each_size_and_the_answers(keras: Any, file: Path) -> None:
    encoder = open_file(save(keras, small_model(keras), file))
    names = [one.name for one in encoder.stages]
    assert names == [
        "norm:mean",
        "half_:mean",
        "second:mean",
        "second:max",
        "classes:input",
        "classes:softmax",
    ]


def test_the_difference_to_keras_is_recorded(keras: Any, file: Path) -> None:
    encoder = open_file(save(keras, small_model(keras), file))
    assert 0 < encoder.card.difference < 1e-4  # type: ignore[attr-defined]
    assert (encoder.name, encoder.licence) == ("mine.keras", "unknown")
    assert encoder.card.source == "mine.keras, pixels scaled by its own layers"  # type: ignore[attr-defined]


def test_a_renamed_file_is_the_same_network(keras: Any, file: Path) -> None:
    first = open_file(save(keras, small_model(keras), file))
    second = open_file(file.rename(file.with_name("other.keras")))
    assert second.fingerprint == first.fingerprint


def test_stages_are_part_of_what_a_network_is(keras: Any, file: Path) -> None:
    save(keras, small_model(keras), file)
    assert open_file(file, stages=("norm",)).fingerprint != open_file(file, stages=("half_",)).fingerprint


def test_an_unknown_stage_names_the_nearest(keras: Any, file: Path) -> None:
    save(keras, small_model(keras), file)
    with pytest.raises(InputError) as caught:
        open_file(file, stages=("secnd",))
    assert str(caught.value) == (
        "'mine.keras' has no stage 'secnd'; the nearest of its 7 are 'second', 'scaled', 'classes'. All are listed by `fovea "
        "backbones show mine.keras`; a pool may follow the name: :mean, :max, :root, :flat, :input, :softmax."
    )


def test_a_model_inside_a_model_has_its_layers_as_stages(keras: Any, file: Path, pixels: Pixels) -> None:
    layers = keras.layers
    start = layers.Input((32, 32, 3))
    inner = keras.Model(start, layers.Conv2D(4, 3, name="deep")(start), name="base.1")
    inputs = layers.Input((32, 32, 3))
    outputs = layers.Dense(3)(layers.GlobalAveragePooling2D()(inner(layers.Rescaling(1 / 255)(inputs))))
    model = shake(keras.Model(inputs, outputs))
    encoder = open_file(save(keras, model, file), stages=("base_1.deep",))
    said = keras_says(keras, inner, "deep", pixels / np.float32(255))
    np.testing.assert_allclose(encoder.encode(pixels), said.mean((1, 2)), atol=1e-4)


def test_a_functional_model_that_calculates_with_tensors_is_taken(
    keras: Any, file: Path, pixels: Pixels
) -> None:
    layers = keras.layers
    inputs = layers.Input((32, 32, 3))
    scaled = inputs / 127.5 - 1.0
    left, right = layers.Conv2D(4, 3)(scaled), layers.Conv2D(4, 3)(scaled)
    joined = layers.Concatenate(name="both")([left, keras.ops.relu(right) * 2.0])
    model = shake(keras.Model(inputs, layers.Dense(3)(layers.Flatten()(joined))))
    encoder = open_file(save(keras, model, file), stages=("both:max",))
    np.testing.assert_allclose(
        encoder.encode(pixels), keras_says(keras, model, "both", pixels).max((1, 2)), atol=1e-4
    )


def test_a_grey_network_sees_pictures_as_pillow_makes_them_grey(
    keras: Any, file: Path, pixels: Pixels
) -> None:
    layers = keras.layers
    model = shake(
        keras.Sequential(
            [
                layers.Input((32, 32, 1)),
                layers.Rescaling(1 / 255),
                layers.Conv2D(4, 3, name="a"),
                layers.Flatten(),
            ]
        )
    )
    encoder = open_file(save(keras, model, file), stages=("a",))
    grey = pixels @ np.array([0.299, 0.587, 0.114])  # ITU-R 601-2, Pillow's documentation of mode L
    with quiet(keras):
        said = np.asarray(model.layers[1](model.layers[0](grey[..., None].astype(np.float32))).detach())
    np.testing.assert_allclose(encoder.encode(pixels), said.mean((1, 2)), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "scaled"),
    [
        ("raw", lambda x: x),
        ("unit", lambda x: x / 255),
        ("tf", lambda x: x / 127.5 - 1),
        ("torch", lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
        ("caffe", lambda x: x[..., ::-1] - [103.939, 116.779, 123.68]),
        ("VGG16", lambda x: x[..., ::-1] - [103.939, 116.779, 123.68]),
        ("mobilenetv2", lambda x: x / 127.5 - 1),
    ],
)
def test_pixels_enter_as_is_said(
    keras: Any, file: Path, pixels: Pixels, name: str, scaled: Callable[[Any], Any]
) -> None:
    layers = keras.layers
    model = shake(
        keras.Sequential([layers.Input((32, 32, 3)), layers.Conv2D(3, 1, name="a"), layers.Flatten()])
    )
    save(keras, model, file)
    encoder = open_file(file, backbone=f"keras:{name}", stages=("a",))
    kernel, bias = (np.asarray(one.value.detach()) for one in model.layers[0].weights)
    expected = scaled(pixels.astype(np.float64)).mean((1, 2)) @ kernel[0, 0] + bias
    np.testing.assert_allclose(encoder.encode(pixels), expected, rtol=1e-4, atol=1e-4)


def test_a_network_that_does_not_say_how_pixels_enter_is_refused(keras: Any, file: Path) -> None:
    layers = keras.layers
    save(keras, keras.Sequential([layers.Input((32, 32, 3)), layers.Conv2D(3, 1), layers.Flatten()]), file)
    with pytest.raises(BackboneError) as caught:
        open_file(file)
    assert str(caught.value) == (
        f"{str(file)!r} does not say how pixels enter it: no layer behind its input scales them. Say it: --backbone "
        "keras:unit (0 to 1), keras:tf (-1 to 1), keras:torch or keras:caffe (by ImageNet's mean), keras:raw (0 to "
        "255), or the network whose preprocess_input was used, as in --backbone keras:VGG16 --weights mine.keras."
    )


def test_maps_are_laid_out_anew_where_that_changes_no_answer(keras: Any) -> None:
    import torch

    model = small_model(keras)
    network = torch_network(keras, model, shape_px=(32, 32), bgr=False)
    assert network.maps_axis == 1
    planes = torch.rand(2, 3, 32, 32)
    with quiet(keras), torch.inference_mode():
        expected = model(planes.permute(0, 2, 3, 1), training=False)
        np.testing.assert_allclose(network(planes), expected, atol=1e-5)


def test_what_layers_draw_from_generators_of_their_own_follows_a_seed(keras: Any) -> None:
    import torch

    layers = keras.layers
    noisy = [layers.GaussianNoise(0.5), layers.GaussianNoise(0.5, seed=7), layers.GlobalAveragePooling2D()]
    model = keras.Sequential([layers.Input((8, 8, 3)), *noisy])
    network: Any = torch_network(keras, model, shape_px=(8, 8), bgr=False).train()

    def answer(seed: int) -> Any:
        network.seed_draws(seed)
        return network(torch.zeros(2, 3, 8, 8))

    first = answer(3)
    assert torch.equal(answer(3), first)
    assert not torch.equal(answer(4), first)
    assert not torch.equal(network(torch.zeros(2, 3, 8, 8)), answer(4))  # the next draw is another one


def test_maps_are_left_as_they_are_where_channels_must_be_last(
    keras: Any, file: Path, pixels: Pixels
) -> None:
    layers = keras.layers
    inner = [layers.Conv2D(16, 17, name="square"), layers.Dense(4, name="each"), layers.Flatten()]
    model = shake(keras.Sequential([layers.Input((32, 32, 3)), layers.Rescaling(1 / 255), *inner]))
    assert torch_network(keras, model, shape_px=(32, 32), bgr=False).maps_axis == 3
    encoder = open_file(save(keras, model, file), stages=("square", "each"))  # 16 x 16 maps of 16 channels
    found = encoder.encode(pixels)
    for name in ("square", "each"):
        said = keras_says(keras, model, name, pixels).mean((1, 2))
        np.testing.assert_allclose(found[:, columns(encoder, f"{name}:mean")], said, rtol=1e-4, atol=1e-4)


def test_layers_are_named_with_the_models_around_them_and_apart_from_torch_s_methods(keras: Any) -> None:
    start = keras.layers.Input((8, 8, 3))
    inner = keras.Model(start, keras.layers.Conv2D(2, 3, name="half")(start), name="in.1")
    model = keras.Sequential([keras.layers.Input((8, 8, 3)), inner, keras.layers.Flatten(name="b")])
    names = [name for name, layer in layers_of(model) if "input" not in layer.name]
    assert names == ["in_1", "in_1.half_", "b"]


@pytest.mark.parametrize("shape", [(10,), (8, 8, 4), (8, 8, 3, 3)])
def test_a_network_that_takes_no_pictures_is_refused(keras: Any, shape: tuple[int, ...]) -> None:
    model = keras.Sequential([keras.layers.Input(shape), keras.layers.Flatten()], name="odd")
    with pytest.raises(BackboneError) as caught:
        torch_network(keras, model, shape_px=(8, 8), bgr=False)
    assert str(caught.value) == (
        f"The keras network 'odd' takes {(None, *shape)}, and not pictures: one input of (height, width, 3) or (height, "
        "width, 1) is needed. Give another network."
    )


def test_weights_of_another_layout_are_refused(keras: Any, file: Path, tmp_path: Path) -> None:
    save(keras, small_model(keras), file)
    other = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])
    save(keras, other, tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.keras") as archive:
        rewrite(file, weights=archive.read("model.weights.h5"))
    with pytest.raises(BackboneError) as caught:
        open_file(file)
    said = str(caught.value)
    assert said.startswith(
        f"The network in {str(file)!r} cannot be built by keras {keras.__version__} (saved by "
    )
    assert said.endswith(" Save it again with model.save('NAME.keras').") and "\n" not in said


def test_a_mangled_configuration_is_refused_in_one_paragraph(keras: Any, file: Path, tmp_path: Path) -> None:
    save(keras, small_model(keras), file)
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"))
    rng = np.random.default_rng(0)
    said = []
    for _ in range(25):
        rewrite(file, config=json.dumps(mangle(config, rng)).encode())
        try:
            build_keras("keras:", weights=file, downloads=tmp_path)
        except FoveaError as error:
            said.append(str(error))
    assert len(said) > 5
    assert [one for one in said if "\n" in one or not one.endswith(".")] == []


def mangle(value: Any, rng: np.random.Generator) -> Any:
    """Return a copy of JSON in which one value, somewhere, is another or gone."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return [None, -1, "x", [], {}, [1, 2], {"class_name": "ReLU"}][rng.integers(7)]
    copied: Any = copy.copy(value)
    key: Any = (
        list(value)[rng.integers(len(value))] if isinstance(value, dict) else int(rng.integers(len(value)))
    )
    copied[key] = mangle(value[key], rng)
    return copied


def test_nothing_half_converted_is_left(keras: Any, file: Path, tmp_path: Path) -> None:
    from fovea.features import cache_folder

    save(keras, small_model(keras), file)
    with pytest.raises(InputError):
        open_file(file, stages=("none",))
    assert [path for path in cache_folder().rglob("*") if path.is_file()] == []


def test_stages_of_an_application_are_listed_with_their_sizes(keras: Any) -> None:
    listed = list_stages("keras:mobilenetv3small")
    told = {one.name: (one.n_channels, one.size_px) for one in listed}
    assert (told["activation_17"], told["logits"]) == ((576, (7, 7)), (1000, None))
    assert [*told] == [one.name for one in list_stages("keras:MobileNetV3Small")]  # keras counts over all


def test_the_stages_of_a_file_are_listed_before_it_is_converted(keras: Any, file: Path) -> None:
    save(keras, small_model(keras), file)
    shown = list_backbone_stages(str(file))
    assert ("second", 8, (7, 7)) in [(one.name, one.n_channels, one.size_px) for one in shown]
    assert [one.name for one in shown if one.is_usual] == ["norm", "half_", "second", "classes"]
    assert shown[-1].pools == ("input", "softmax")


def test_a_network_for_pictures_that_are_not_square_is_refused(keras: Any, file: Path) -> None:
    save(keras, small_model(keras, size_px=(48, 32)), file)
    with pytest.raises(BackboneError) as caught:
        open_file(file)
    assert str(caught.value) == (
        "'mine.keras' takes pictures of 48 x 32 px, and only square ones are read of keras. Give another network."
    )


def test_the_second_use_needs_neither_keras_nor_torch(
    keras: Any, file: Path, pixels: Pixels, tmp_path: Path
) -> None:
    first = open_file(save(keras, small_model(keras), file))
    np.save(tmp_path / "pixels.npy", pixels)
    code = (
        "import sys\n"
        "for name in ('torch', 'keras', 'h5py'):\n"
        "    sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from fovea.features import open_backbone\n"
        "encoder = open_backbone(Path(sys.argv[1]), precision='f32')\n"
        "np.save(sys.argv[3], encoder.encode(np.load(sys.argv[2])))\n"
    )
    arguments = [str(file), str(tmp_path / "pixels.npy"), str(tmp_path / "answer.npy")]
    subprocess.run([sys.executable, "-W", "error", "-c", code, *arguments], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "answer.npy"), first.encode(pixels))


def test_the_network_is_named_by_its_spec_in_what_is_built(keras: Any, file: Path, tmp_path: Path) -> None:
    named = build_keras("keras:", weights=save(keras, small_model(keras), file), downloads=tmp_path)
    assert (named.card.library, named.card.size_px, named.card.licence) == ("keras", 32, "unknown")
    assert len(named.weights_sha256) == 64


@pytest.mark.parametrize(("alias", "name"), [("fc6", "fc1"), ("fc7", "fc2"), ("fc8", "predictions")])
def test_vgg_s_fully_connected_layers_are_found_by_the_papers_numbers(alias: str, name: str) -> None:
    layers = [Layer(one, (4096,), 1, answers=False) for one in ("fc1", "fc2", "predictions")]
    network: Any = None  # not looked at where stages are named
    found = choose_places(network, tuple(layers), library="keras", architecture="VGG16", stages=(alias,))
    assert [place.name for place in found] == [f"{name}:flat"]
