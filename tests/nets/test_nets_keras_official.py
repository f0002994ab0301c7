"""Networks of keras.applications: their scaling, their weights from caches and addresses, and no connection."""

import hashlib
import importlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import shake

from fovea.errors import BackboneError, MissingInputError
from fovea.features import cache_folder, convert, open_backbone
from fovea.nets.keras_official import (
    SCALINGS,
    applications,
    build_application,
    find_application,
    licence_of,
    load_application_weights,
    official_application,
    scaling_of,
)
from fovea.nets.keras_start import quiet

NAME = "MobileNetV3Small"  # the smallest


@pytest.fixture(scope="module")
def model(keras: Any) -> Any:
    return shake(build_application(keras, NAME))


@pytest.fixture(scope="module")
def weights(keras: Any, model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return random weights of the smallest application in the form of keras' official files."""
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    file = tmp_path_factory.mktemp("weights") / "weights_mobilenet_v3_small_224_1.0_float.h5"
    with h5py.File(file, "w") as content, quiet(keras):
        save_weights_to_hdf5_group(content, model)
    return file


@pytest.fixture
def publish(keras: Any, weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Return a function that publishes those weights, or other bytes for them, at an address where keras looks."""
    module: Any = importlib.import_module(applications(keras)[NAME].__module__)
    digest = hashlib.md5(weights.read_bytes()).hexdigest()

    def put(content: bytes | None = None) -> str:
        (tmp_path / "published").mkdir()
        (tmp_path / "published" / weights.name).write_bytes(
            weights.read_bytes() if content is None else content
        )
        monkeypatch.setattr(module, "BASE_WEIGHT_PATH", f"{(tmp_path / 'published').as_uri()}/")
        monkeypatch.setattr(module, "WEIGHTS_HASHES", {"small_224_1.0_float": (digest, digest)})
        return f"{(tmp_path / 'published').as_uri()}/{weights.name}"

    return put


def fetch(keras: Any, downloads: Path, *, offline: bool = False, folders: tuple[Path, ...] = ()) -> Path:
    _, file, _ = official_application(keras, NAME, folders=folders, downloads=downloads, offline=offline)
    return file


def refused(keras: Any, downloads: Path, *, offline: bool = False) -> str:
    with pytest.raises(BackboneError) as caught:
        fetch(keras, downloads, offline=offline)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("VGG16", "caffe"),
        ("VGG19", "caffe"),
        ("ResNet50", "caffe"),
        ("ResNet101V2", "tf"),
        ("MobileNet", "tf"),
        ("MobileNetV2", "tf"),
        ("InceptionV3", "tf"),
        ("Xception", "tf"),
        ("DenseNet121", "torch"),
        ("EfficientNetB0", "raw"),
        ("ConvNeXtTiny", "raw"),
        ("MobileNetV3Large", "raw"),
    ],
)
def test_pixels_are_scaled_as_keras_documents_it(keras: Any, name: str, kind: str) -> None:
    found, said = scaling_of(keras, name), SCALINGS[kind]
    np.testing.assert_allclose([found.mean, found.std], [said.mean, said.std], rtol=1e-12, atol=1e-12)
    assert found.bgr == said.bgr


@pytest.mark.parametrize("name", ["VGG16", "MobileNetV2", "DenseNet121", "EfficientNetB0"])
def test_scaled_pixels_are_those_of_keras_own_preprocess_input(keras: Any, name: str) -> None:
    module = importlib.import_module(applications(keras)[name].__module__)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3)).astype(np.float64)
    scaling = scaling_of(keras, name)
    scaled = (pixels / 255 - scaling.mean) / scaling.std
    ours = scaled[..., ::-1] if scaling.bgr else scaled
    np.testing.assert_allclose(ours, module.preprocess_input(pixels.copy()), atol=1e-9)


def test_names_are_found_whatever_their_case(keras: Any) -> None:
    assert find_application(keras, "vgg16") == "VGG16"


def test_an_unknown_name_gives_the_nearest_and_all(keras: Any) -> None:
    with pytest.raises(BackboneError) as caught:
        find_application(keras, "VGG17")
    assert str(caught.value) == (
        "keras.applications has no network 'VGG17'. Nearest: VGG19, VGG16. There are: "
        f"{', '.join(applications(keras))}."
    )


def test_licences_are_those_that_keras_states() -> None:
    assert [licence_of(name) for name in ("VGG16", "ResNet50V2", "MobileNetV2", "DenseNet121")] == [
        "CC-BY-4.0",
        "MIT",
        "Apache-2.0",
        "BSD-3-Clause",
    ]
    assert licence_of("ConvNeXtTiny") == "unknown"


def test_a_network_that_keras_has_not_for_torch_is_refused(keras: Any) -> None:
    with pytest.raises(
        BackboneError, match=r"^keras [\d.]+ cannot build 'NASNetMobile' on torch: NASNetMobile is not"
    ):
        build_application(keras, "NASNetMobile")


def test_weights_are_fetched_once_and_whole(
    keras: Any, publish: Callable[..., str], weights: Path, tmp_path: Path
) -> None:
    publish()
    downloads = tmp_path / "downloads"
    assert fetch(keras, downloads).read_bytes() == weights.read_bytes()
    assert [path.name for path in downloads.iterdir()] == [weights.name]
    (tmp_path / "published" / weights.name).unlink()
    assert fetch(keras, downloads, offline=True) == downloads / weights.name


def test_fetched_weights_are_in_the_network(keras: Any, publish: Callable[..., str], model: Any) -> None:
    publish()
    built, _, url = official_application(keras, NAME, folders=(), downloads=cache_folder(), offline=False)
    assert url.startswith("file:///")
    with quiet(keras):
        pairs = list(zip(built.get_weights(), model.get_weights(), strict=True))
    assert pairs and all(np.array_equal(found, said) for found, said in pairs)


def test_nothing_is_printed(
    keras: Any, publish: Callable[..., str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    publish()
    fetch(keras, tmp_path / "downloads")
    assert capfd.readouterr() == ("", "")


def test_a_folder_of_the_user_s_is_looked_into_first(
    keras: Any, publish: Callable[..., str], weights: Path, tmp_path: Path
) -> None:
    publish()
    assert fetch(keras, tmp_path / "downloads", folders=(weights.parent,)) == weights
    assert not (tmp_path / "downloads").exists()


def test_what_the_user_s_own_keras_fetched_is_taken(
    keras: Any, publish: Callable[..., str], weights: Path, tmp_path: Path
) -> None:
    publish()
    own = Path.home() / ".keras" / "models"
    own.mkdir(parents=True)
    shutil.copy(weights, own)
    assert fetch(keras, tmp_path / "downloads", offline=True) == own / weights.name
    assert [path.name for path in (Path.home() / ".keras").iterdir()] == ["models"]


def test_a_damaged_file_here_is_fetched_again(
    keras: Any, publish: Callable[..., str], weights: Path, tmp_path: Path
) -> None:
    publish()
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / weights.name).write_bytes(b"cut")
    assert fetch(keras, tmp_path / "downloads").read_bytes() == weights.read_bytes()


def test_offline_says_where_the_file_is_published(
    keras: Any, publish: Callable[..., str], tmp_path: Path
) -> None:
    url = publish()
    assert refused(keras, tmp_path / "downloads", offline=True) == (
        f"The weights of 'keras:{NAME}' are not on this computer and nothing may be downloaded offline. Fetch {url} where "
        "there is a connection, and put the file into the folder that FOVEA_WEIGHTS names, or name it: "
        f"--backbone keras:{NAME} --weights FILE."
    )
    assert not (tmp_path / "downloads").exists()


def test_an_address_without_the_file_is_told(
    keras: Any, publish: Callable[..., str], weights: Path, tmp_path: Path
) -> None:
    url = publish()
    (tmp_path / "published" / weights.name).unlink()
    said = refused(keras, tmp_path / "downloads")
    assert said.startswith(
        f"The weights of 'keras:{NAME}' are not on this computer and could not be downloaded (URL fetch failure on {url}: "
    )
    assert said.endswith(f"or name it: --backbone keras:{NAME} --weights FILE.")
    assert "\n" not in said
    assert list((tmp_path / "downloads").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"<html>", b"half"])
def test_a_file_of_other_content_is_not_kept(
    keras: Any, publish: Callable[..., str], weights: Path, tmp_path: Path, content: bytes
) -> None:
    publish({b"half": weights.read_bytes()[:1000]}.get(content, content))
    assert "could not be downloaded (Incomplete or corrupted file detected." in refused(
        keras, tmp_path / "downloads"
    )
    assert list((tmp_path / "downloads").iterdir()) == []


def test_keras_own_fetching_is_put_back(keras: Any, publish: Callable[..., str], tmp_path: Path) -> None:
    from keras.src.utils import file_utils

    before = file_utils.get_file
    publish()
    refused(keras, tmp_path / "downloads", offline=True)
    fetch(keras, tmp_path / "downloads")
    assert file_utils.get_file is before


def test_official_weights_become_a_backbone(
    keras: Any, publish: Callable[..., str], model: Any, weights: Path
) -> None:
    url = publish()
    encoder = open_backbone(backbone="keras:mobilenetv3small", precision="f32", offline=False)
    assert (encoder.name, encoder.licence, encoder.card.source) == (f"keras:{NAME}", "Apache-2.0", url)  # type: ignore[attr-defined]
    assert encoder.card.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()  # type: ignore[attr-defined]
    assert (encoder.stages[-1].name, encoder.class_names[0]) == ("logits:softmax", "tench")
    pixels = convert.example_pictures(height_px=224, width_px=224, n_pictures=2)
    with quiet(keras):  # `model` answers with logits; its own layers take 0..255
        logits = keras.ops.convert_to_numpy(model(pixels.astype(np.float32), training=False)).astype(
            np.float64
        )
    powers = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(pixels)[:, -1000:], probabilities**0.25, atol=1e-3)


def test_weights_by_hand_make_the_network_that_is_fetched(
    keras: Any, publish: Callable[..., str], weights: Path
) -> None:
    publish()
    fetched = convert.build_named(f"keras:{NAME}", weights=None, stages=(), offline=False)
    by_hand = convert.build_named(f"keras:{NAME}", weights=weights, stages=(), offline=True)
    assert (by_hand.weights_sha256, by_hand.card.mean) == (fetched.weights_sha256, fetched.card.mean)
    assert (by_hand.card.licence, by_hand.card.source) == ("unknown", weights.name)


def test_weights_of_another_network_are_refused(keras: Any, weights: Path) -> None:
    other = build_application(keras, "MobileNet")
    with pytest.raises(BackboneError) as caught:
        load_application_weights(keras, other, weights, name="MobileNet")
    said = str(caught.value)
    assert said.startswith(f"The weights in {str(weights)!r} do not fit 'keras:MobileNet': ")
    assert said.endswith(" Name the network that they belong to: --backbone keras:NAME.")


def test_a_missing_file_of_weights_is_named(keras: Any, model: Any, tmp_path: Path) -> None:
    with pytest.raises(
        MissingInputError, match=r"no\.h5' cannot be read: No such file or directory\. Check the path"
    ):
        load_application_weights(keras, model, tmp_path / "no.h5", name=NAME)


def test_a_whole_network_in_the_old_form_is_refused(keras: Any, model: Any, tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "old.h5", "w") as content:
        content.attrs["model_config"] = "{}"
    with pytest.raises(BackboneError) as caught:
        load_application_weights(keras, model, tmp_path / "old.h5", name=NAME)
    assert str(caught.value) == (
        f"{str(tmp_path / 'old.h5')!r} holds a whole network in keras' old form. Load it with keras, and save it again: "
        "model.save('NAME.keras')."
    )
