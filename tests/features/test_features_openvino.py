"""The engine: right numbers, independent of company and cores, precision read back, lazy."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import correlate

from fovea.errors import BackboneError
from fovea.features import has_native_bf16, load_encoder
from fovea.features.backbones import NetworkEncoder
from fovea.features.card import NETWORK
from fovea.features.openvino import CompiledNetwork

Draw = Callable[..., NDArray[np.uint8]]
PRECISIONS = [
    "f32",
    pytest.param("bf16", marks=pytest.mark.skipif(not has_native_bf16(), reason="no bf16 here")),
]


def pooled_by_hand(pixels: NDArray[np.uint8], kernels: NDArray[np.float32]) -> NDArray[np.float64]:
    scaled = (pixels.astype(float) - 127.5) / 127.5
    rows = []
    for picture in scaled:
        planes = np.pad(picture.transpose(2, 0, 1), ((0, 0), (1, 1), (1, 1)))
        maps = [np.maximum(correlate(planes, kernel, "valid")[0, ::2, ::2], 0) for kernel in kernels]
        rows.append([one.mean() for one in maps] + [one.max() for one in maps])
    return np.array(rows)


def test_features_are_those_of_scipy_s_convolution(
    encoder: NetworkEncoder, noise: Draw, kernels: NDArray[np.float32]
) -> None:
    pixels = noise(5)
    np.testing.assert_allclose(encoder.encode(pixels), pooled_by_hand(pixels, kernels), rtol=1e-4, atol=1e-5)


def test_features_are_float32_with_a_row_a_picture(encoder: NetworkEncoder, noise: Draw) -> None:
    features = encoder.encode(noise(19))
    assert (features.shape, features.dtype) == ((19, 16), np.float32)


def test_no_pictures_give_no_rows(encoder: NetworkEncoder, noise: Draw) -> None:
    assert encoder.encode(noise(0)).shape == (0, 16)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_picture_s_features_do_not_depend_on_its_batch(
    small_folder: Path, noise: Draw, precision: str
) -> None:
    encoder, pixels = load_encoder(small_folder, precision=precision), noise(11)
    together = encoder.encode(pixels)
    alone = np.concatenate([encoder.encode(one[None]) for one in pixels])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[::-1], encoder.encode(pixels[::-1]))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_features_do_not_depend_on_the_number_of_cores(
    small_folder: Path, noise: Draw, precision: str
) -> None:
    one, three = (load_encoder(small_folder, precision=precision, threads=n) for n in (1, 3))
    np.testing.assert_array_equal(one.encode(noise(20)), three.encode(noise(20)))


def test_another_shape_of_pictures_can_enter(
    small_folder: Path, noise: Draw, kernels: NDArray[np.float32]
) -> None:
    network = CompiledNetwork(small_folder / NETWORK, height_px=48, width_px=32, precision="f32", threads=1)
    pixels = noise(2, height_px=48)
    np.testing.assert_allclose(
        *network.run_batches([pixels]), pooled_by_hand(pixels, kernels), rtol=1e-4, atol=1e-5
    )


def test_batches_come_back_in_order(encoder: NetworkEncoder, noise: Draw) -> None:
    batches = [noise(n, seed=n) for n in (1, 8, 3, 8, 2, 8, 8, 5)]
    for batch, features in zip(batches, encoder.encode_batches(iter(batches)), strict=True):
        np.testing.assert_array_equal(features, encoder.encode(batch))


def test_batches_are_asked_for_while_others_compute(encoder: NetworkEncoder, noise: Draw) -> None:
    n_asked = 0

    def ask() -> Iterator[NDArray[np.uint8]]:
        nonlocal n_asked
        for _ in range(20):
            n_asked += 1
            yield noise(8)

    next(encoder.encode_batches(ask()))
    assert 1 < n_asked < 8  # ahead, but bounded


def test_an_error_of_who_gives_the_batches_comes_through(encoder: NetworkEncoder, noise: Draw) -> None:
    def broken() -> Iterator[NDArray[np.uint8]]:
        yield noise(8)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        list(encoder.encode_batches(broken()))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 32, 32, 3), np.float32),
        np.zeros((2, 30, 32, 3), np.uint8),
        np.zeros((9, 32, 32, 3), np.uint8),
    ],
    ids=["floats", "size", "too many"],
)
def test_pixels_of_the_wrong_kind_are_refused(encoder: NetworkEncoder, pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        list(encoder.encode_batches([pixels]))


def test_a_precision_that_the_engine_replaces_is_refused(small_folder: Path, noise: Draw) -> None:
    network = CompiledNetwork(small_folder / NETWORK, height_px=32, width_px=32, precision="f16", threads=1)
    with pytest.raises(
        BackboneError, match=r"^The engine computes in '(bf16|f32)' where 'f16' was asked for"
    ):
        list(network.run_batches([noise(1)]))


def test_a_network_that_cannot_be_read_is_named(tmp_path: Path, noise: Draw) -> None:
    network = CompiledNetwork(tmp_path / "none.xml", height_px=48, width_px=32, precision="f32", threads=1)
    with pytest.raises(BackboneError, match=r"none.xml' cannot be prepared for pictures of 48 x 32 px: "):
        list(network.run_batches([noise(1, height_px=48)]))


def test_opening_an_encoder_does_not_import_the_engine(
    small_folder: Path, run_child: Callable[..., object]
) -> None:
    run_child(
        "import sys; from pathlib import Path; from fovea.features import load_encoder\n"
        "encoder = load_encoder(Path(sys.argv[1])); encoder.fingerprint\n"
        "assert not {'openvino', 'torch', 'scipy', 'PIL'} & set(sys.modules), sorted(sys.modules)",
        str(small_folder),
    )


def test_pixels_that_cannot_be_written_can_enter(encoder: NetworkEncoder, noise: Draw) -> None:
    pixels = noise(8)
    pixels.flags.writeable = False
    np.testing.assert_array_equal(encoder.encode(pixels), encoder.encode(pixels.copy()))
