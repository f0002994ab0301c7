"""Export: what torch trained answers the same in the runtime's form, and is refused where it does not."""

import resource
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.errors import BackboneError, OutputError
from fovea.features import Preprocess, load_encoder
from fovea.learn import Head
from fovea.learn.trained import Meaning, Trained
from fovea.model import export
from fovea.model.export import export_trained, torch_logits
from fovea.nets.stages import Place
from fovea.nets.trainable import Trainable, add_head
from fovea.nets.weights import WeightsCard, read_weights_card

NAMES = ("ant", "bee", "cat")


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 3, stride=4)
        self.classifier = torch.nn.Linear(8, 3)

    def forward(self, x):
        return self.classifier(self.first(x).relu().mean((2, 3)))


def card(**changes):
    values = {
        "library": "fovea",
        "architecture": "small",
        "size_px": 32,
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
    }
    return WeightsCard(**values, class_names=NAMES, **changes)


def trained(network, **changes):
    return Trained(
        network=network.eval(),
        card=card(**changes),
        classifier="classifier",
        history=None,
        valid_logits=np.zeros((0, 3), np.float32),
    )


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)


def exported(one, folder, pictures, **options):
    folder.mkdir()
    return export_trained(
        one,
        folder,
        name="small",
        preprocess=Preprocess(32, 32),
        examples=pictures,
        precision="f32",
        **options,
    )


def test_a_trained_network_answers_in_the_runtime_as_in_torch(tmp_path, pictures):
    torch.manual_seed(0)
    one = trained(Small())
    made = exported(one, tmp_path / "backbone", pictures)
    logits = made.head.logits(made.encoder.encode(pictures))
    assert np.abs(logits - torch_logits(one, pictures)).max() < 1e-5
    assert (made.agreement, made.n_compared) == (1.0, 40)


def test_what_enters_the_classifier_is_kept_as_features(tmp_path, pictures):
    made = exported(trained(Small()), tmp_path / "backbone", pictures)
    assert [(stage.name, stage.stop - stage.start) for stage in made.encoder.stages] == [
        ("net.classifier:input", 8),
        ("net:flat", 3),
    ]


def test_a_linear_head_over_places_stays_outside_the_network(tmp_path, pictures):
    torch.manual_seed(1)
    network = Small()
    inside = Trainable(network, card(), "classifier", ((),), (Place("first", "mean"), Place("first", "max")))
    headed, told = add_head(inside, class_names=NAMES)
    torch.nn.init.normal_(headed.head[0].weight)
    headed.mean.normal_()
    one = Trained(headed.eval(), told, "head.0", None, np.zeros((0, 3), np.float32))
    made = exported(one, tmp_path / "backbone", pictures)
    assert made.head.weights.shape == (3, 16)
    assert np.abs(made.head.logits(made.encoder.encode(pictures)) - torch_logits(one, pictures)).max() < 1e-4


def test_an_exported_network_keeps_no_hooks(tmp_path, pictures):
    network = Small()
    exported(trained(network), tmp_path / "backbone", pictures)
    assert not any(layer._forward_hooks for layer in network.modules())


def test_a_network_that_cannot_be_converted_keeps_no_hooks_either(tmp_path, pictures, monkeypatch):
    def refuse(*told, **named):
        raise BackboneError("no")

    monkeypatch.setattr(export, "write_backbone", refuse)
    network = Small()
    with pytest.raises(BackboneError):
        exported(trained(network), tmp_path / "backbone", pictures)
    assert not any(layer._forward_hooks for layer in network.modules())


def test_a_network_of_one_oblong_size_is_exported_at_it(tmp_path):
    class Flat(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.classifier = torch.nn.Linear(3 * 16 * 32, 3)

        def forward(self, x):
            return self.classifier(x.flatten(1))

    (tmp_path / "backbone").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 32, 3), dtype=np.uint8)
    made = export_trained(
        trained(Flat()),
        tmp_path / "backbone",
        name="flat",
        preprocess=Preprocess(16, 32, "squash"),
        examples=pixels,
        precision="f32",
    )
    assert made.encoder.n_features == 3 * 16 * 32 + 3


def test_the_weights_lie_beside_it_and_say_what_they_are(tmp_path, pictures):
    one = trained(Small(), licence="MIT")
    made = exported(one, tmp_path / "backbone", pictures)
    made.encoder.save(tmp_path / "again")
    assert read_weights_card(tmp_path / "again" / "weights.safetensors") == one.card
    assert load_encoder(tmp_path / "again").fingerprint == made.encoder.fingerprint


def test_a_network_that_answers_otherwise_afterwards_is_refused(tmp_path, pictures, monkeypatch):
    right = export.torch_logits
    monkeypatch.setattr(export, "torch_logits", lambda *told: np.roll(right(*told), 1, axis=1))
    with pytest.raises(BackboneError) as caught:
        exported(trained(Small()), tmp_path / "backbone", pictures)
    assert str(caught.value) == (
        "The trained network 'small' answers 100.0 % of 40 real pictures differently in the runtime's form (f32; at most "
        "0.5 % may). It was not saved: train another network."
    )


@pytest.mark.parametrize(
    ("most_bytes", "said"),
    [
        (500, r"^The trained network cannot be written into '.*backbone' \(.*File too large.*\)\. Make room and give "
              r"the same command again: what was trained is kept\.$"),
        (2_000, r"^The network cannot be written as '.*network\.xml' \(.+\); [\d,]+ MB are free there\. Make room and give "
                r"the same command again: what was trained or stored before is kept\.$"),
    ],
)  # fmt: skip
def test_a_full_disk_is_said_as_such(tmp_path, pictures, most_bytes, said):
    one, before = trained(Small()), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        with pytest.raises(OutputError, match=said):
            exported(one, tmp_path / "backbone", pictures)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def one_number(network):
    """Return the network as one that tells a number."""
    torch.manual_seed(0)
    network.classifier = torch.nn.Linear(8, 1)
    return replace(trained(network), card=replace(card(), class_names=("year",)))


def test_numbers_are_told_in_the_users_unit(tmp_path, pictures):
    one, meaning = one_number(Small()), Meaning("values", centre=1990.0, deviation=5.0)
    made = exported(one, tmp_path / "backbone", pictures, meaning=meaning)
    told = made.head.logits(made.encoder.encode(pictures))
    assert np.abs(told - (1990 + 5 * torch_logits(one, pictures))).max() < 1e-3
    assert (made.agreement, made.difference < 1e-4) == (1.0, True)


def test_numbers_that_differ_by_more_than_a_twentieth_of_their_deviation_are_refused(
    tmp_path, pictures, monkeypatch
):
    right = export.torch_logits
    monkeypatch.setattr(export, "torch_logits", lambda *told: right(*told) + 0.06)
    with pytest.raises(BackboneError, match=r"answers 100\.0 % of 40 real pictures differently"):
        exported(one_number(Small()), tmp_path / "backbone", pictures, meaning=Meaning("values"))


def test_labels_agree_where_their_signs_do(tmp_path, pictures, monkeypatch):
    right = export.torch_logits
    monkeypatch.setattr(export, "torch_logits", lambda *told: 3 * right(*told))
    made = exported(trained(Small()), tmp_path / "backbone", pictures, meaning=Meaning("labels"))
    assert made.agreement == 1.0
    assert made.difference > 0.01


def test_a_head_begins_in_deviations_and_ends_in_the_users_unit():
    head = Head(*(np.float32(one) for one in ([[2.0]], [10.0], [0.0], [1.0])), ("year",), 1.0)
    meaning, x = Meaning("values", centre=12.0, deviation=4.0), np.float32([[3.0]])
    begun = meaning.begun_by(head)
    assert begun.logits(x).tolist() == [[1.0]]  # (2 * 3 + 10 - 12) / 4
    assert meaning.told_by(begun).logits(x).tolist() == [[16.0]]
    assert meaning.learned_as(np.array([16.0])).tolist() == [1.0]
