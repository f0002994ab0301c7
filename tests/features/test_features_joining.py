"""Networks side by side: the columns of each as it gives them alone; other sizes are refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import InputError
from fovea.features import Preprocess, join_encoders, load_encoder
from fovea.features.backbones import NetworkEncoder
from fovea.features.card import NETWORK, read_card, write_card
from fovea.features.openvino import read_graph


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (11, 32, 32, 3)).astype(np.uint8)


def test_joined_networks_give_each_ones_columns_as_alone(
    encoder: NetworkEncoder, pictures: np.ndarray, tmp_path: Path
) -> None:
    joined = join_encoders([encoder, encoder, encoder], tmp_path / "joined", name="three")
    alone = encoder.encode(pictures)
    assert np.allclose(joined.encode(pictures), np.concatenate([alone] * 3, axis=1), atol=1e-6)
    assert (joined.name, joined.n_features, joined.precision) == ("three", 48, "f32")


def test_what_networks_have_in_common_is_computed_once(
    encoder: NetworkEncoder, pictures: np.ndarray, tmp_path: Path
) -> None:
    joined = join_encoders([encoder, encoder], tmp_path / "joined", name="two")
    alone = encoder.encode(pictures)

    def convolutions(one: NetworkEncoder, name: str) -> int:
        one.save(tmp_path / name)
        kinds = [node.get_type_name() for node in read_graph(tmp_path / name / NETWORK).get_ordered_ops()]
        return sum("Convolution" in kind for kind in kinds)

    assert convolutions(joined, "two") == convolutions(encoder, "one") > 0
    assert np.array_equal(joined.encode(pictures)[:, : alone.shape[1]], alone)


def test_networks_of_other_weights_share_nothing_that_depends_on_them(
    encoder: NetworkEncoder, other_encoder: NetworkEncoder, pictures: np.ndarray, tmp_path: Path
) -> None:
    joined = join_encoders([encoder, other_encoder], tmp_path / "joined", name="two")
    expected = np.concatenate([encoder.encode(pictures), other_encoder.encode(pictures)], axis=1)
    assert np.array_equal(joined.encode(pictures), expected)


def test_stages_of_joined_networks_have_names_of_their_own(encoder: NetworkEncoder, tmp_path: Path) -> None:
    joined = join_encoders([encoder, encoder], tmp_path / "joined", name="two")
    assert [(one.name, one.start, one.stop) for one in joined.stages] == [
        ("1/conv:mean", 0, 8),
        ("1/conv:max", 8, 16),
        ("2/conv:mean", 16, 24),
        ("2/conv:max", 24, 32),
    ]


def test_a_joined_network_joins_again_and_reads_back_from_its_folder(
    encoder: NetworkEncoder, pictures: np.ndarray, tmp_path: Path
) -> None:
    two = join_encoders([encoder, encoder], tmp_path / "two", name="two")
    three = join_encoders([two, encoder], tmp_path / "three", name="three")
    again = load_encoder(tmp_path / "three")
    assert np.array_equal(again.encode(pictures), three.encode(pictures))
    assert again.fingerprint == three.fingerprint != two.fingerprint


def test_networks_for_other_pictures_are_refused(encoder: NetworkEncoder, tmp_path: Path) -> None:
    encoder.save(tmp_path / "large")
    card = dataclasses.replace(
        read_card(tmp_path / "large"), name="large", preprocess=Preprocess(48, 48, "pad")
    )
    write_card(tmp_path / "large", card)
    with pytest.raises(InputError) as caught:
        join_encoders([encoder, load_encoder(tmp_path / "large")], tmp_path / "joined", name="both")
    assert str(caught.value) == (
        "'small' takes pictures of 32 x 32 px (crop, 1 of the side), and 'large' of 48 x 48 px (pad, 1 of the side): they "
        "cannot become one network. Train them at one size, or leave one out."
    )
