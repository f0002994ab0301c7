import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fovea.errors import InputError
from fovea.learn import Head
from fovea.nets.blocks import find_blocks
from fovea.nets.cut import Above, Below, cut_off, find_cut
from fovea.nets.stages import Place
from fovea.nets.trainable import Trainable, add_head, start_from
from fovea.nets.weights import WeightsCard
from fovea.nets.zoo import build_network

SIZE = 32


def small() -> "torch.nn.Module":
    """Return a small torchvision network with batch-norm statistics that are not trivial."""
    torch.manual_seed(0)
    card = WeightsCard("timm", "test_resnet", SIZE, (0.5,) * 3, (0.5,) * 3)
    network = build_network(card)
    for one in network.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            one.running_mean.normal_()
            one.running_var.uniform_(0.5, 2)
            one.weight.data.uniform_(0.5, 1.5)
    return network.eval()


def trainable(network: "torch.nn.Module | None" = None) -> Trainable:
    network = network or small()
    card = WeightsCard("timm", "test_resnet", SIZE, (0.5,) * 3, (0.5,) * 3)
    places = (
        Place("layer2", "root"),
        Place("layer4", "mean"),
        Place("layer4", "max"),
        Place("fc", "softmax"),
    )
    return Trainable(network, card, "fc", find_blocks(network, size_px=SIZE), places)


def pictures(n: int = 3) -> "torch.Tensor":
    return torch.randn(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def drawn_head(n_columns: int, *, k: int = 3) -> Head:
    rng = np.random.default_rng(2)
    numbers = {name: rng.normal(size=shape).astype(np.float32) for name, shape in
               (("weights", (k, n_columns)), ("bias", (k,)), ("mean", (n_columns,)))}  # fmt: skip
    scale = rng.uniform(0.5, 2, n_columns).astype(np.float32)
    scale[::7] = 0
    return Head(scale=scale, class_names=tuple("abc")[:k], penalty=1.0, **numbers)


def started(hidden: tuple[int, ...] = ()) -> "tuple[torch.nn.Module, Head]":
    headed, _ = add_head(trainable(), class_names=("a", "b", "c"), hidden=hidden)
    head = drawn_head(headed.mean.shape[0])
    start_from(headed, weights=head.weights, bias=head.bias, mean=head.mean, scale=head.scale)
    return headed.eval(), head


def test_resnet_has_a_block_a_stage_and_the_classifier_with_the_last() -> None:
    blocks = find_blocks(small(), size_px=SIZE)
    assert blocks == (("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4", "fc"))


def test_fully_connected_layers_behind_one_another_are_blocks_of_their_own() -> None:
    card = WeightsCard("torchvision", "alexnet", 64, (0.5,) * 3, (0.5,) * 3, kwargs={"num_classes": 4})
    blocks = find_blocks(build_network(card), size_px=64)
    assert blocks[-3:] == (("classifier.1",), ("classifier.4",), ("classifier.6",))


class Dense(torch.nn.Module):
    """A layer that holds its weights in a module, as those of Keras do."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.held = torch.nn.ParameterDict({"kernel": torch.zeros(n_in, n_out)})

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        return x @ self.held["kernel"]


def test_what_only_holds_modules_and_never_runs_is_no_block_but_they_are() -> None:
    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Module()  # as a model inside a Keras model
            self.inner.first, self.inner.second = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 3)
            self.large, self.classes = Dense(4 * 28 * 28, 9), Dense(9, 2)

        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            return self.classes(self.large(self.inner.second(self.inner.first(x)).flatten(1)))

    blocks = find_blocks(Whole(), size_px=SIZE)
    assert blocks == (("inner.first",), ("inner.second",), ("large",), ("classes",))


@pytest.mark.parametrize("hidden", [(), (16,), (8, 6)])
def test_before_the_first_step_the_network_answers_as_the_probe(hidden: tuple[int, ...]) -> None:
    headed, head = started(hidden)
    with torch.no_grad():
        features = headed.features(pictures()).numpy()
        answers = headed(pictures()).numpy()
    np.testing.assert_allclose(answers, head.logits(features), rtol=1e-4, atol=1e-3)


def test_a_dense_layer_too_narrow_for_the_classes_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        started((4,))
    assert str(caught.value) == (
        "A dense layer of 4 is too narrow for 3 classes: it needs 6 units or more to begin with the probe's answers. Give "
        "--head mlp:256."
    )


def test_a_headed_network_is_built_again_from_its_card() -> None:
    headed, card = add_head(trainable(), class_names=("a", "b"), hidden=(5,))
    again = build_network(card)
    again.load_state_dict(headed.state_dict())
    with torch.no_grad():
        assert torch.equal(again(pictures()), headed.eval()(pictures()))


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_both_sides_of_a_cut_together_answer_as_the_whole(number: int) -> None:
    headed, _ = started()
    cut = find_cut(headed, trainable().blocks[number][0], size_px=(SIZE, SIZE))
    assert cut is not None
    pixels = torch.randint(0, 256, (3, SIZE, SIZE, 3), dtype=torch.uint8)
    with torch.no_grad():
        values = Below(headed, cut, mean=(0.5,) * 3, std=(0.5,) * 3)(pixels)
        whole = headed((pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5)
        above = Above(headed, cut, size_px=(SIZE, SIZE))
        with cut_off(headed, cut):
            torch.testing.assert_close(above(values), whole, rtol=1e-3, atol=1e-3)


def test_inside_a_cut_only_what_lies_above_learns() -> None:
    headed, _ = started()
    cut = find_cut(headed, "layer4", size_px=(SIZE, SIZE))
    assert cut is not None
    with cut_off(headed, cut):
        names = {name.split(".")[1] for name, _ in headed.network.named_parameters(prefix="net")}
    assert names == {"layer4", "fc"}


def test_after_a_cut_the_network_is_whole_again() -> None:
    headed, _ = started()
    before = headed(pictures())
    cut = find_cut(headed, "layer3", size_px=(SIZE, SIZE))
    assert cut is not None
    above = Above(headed, cut, size_px=(SIZE, SIZE))
    with cut_off(headed, cut):
        pass
    above.close()
    torch.testing.assert_close(headed(pictures()), before)


def test_a_network_that_asks_below_the_module_for_more_than_values_is_not_cut() -> None:
    card = WeightsCard("timm", "test_vit", 160, (0.5,) * 3, (0.5,) * 3)  # for its patches' grid
    places = (Place("blocks.5", "mean"),)
    headed, _ = add_head(Trainable(build_network(card), card, "head", (), places), class_names=("a", "b"))
    assert find_cut(headed, "blocks.5", size_px=(160, 160)) is None


def test_a_network_with_a_way_around_the_module_is_not_cut() -> None:
    class Around(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = torch.nn.Conv2d(3, 4, 3, padding=1)
            self.second = torch.nn.Conv2d(4, 4, 3, padding=1)
            self.fc = torch.nn.Linear(4, 3)

        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            y = self.first(x)
            return self.fc((self.second(y) + y.square()).mean((2, 3)))

    card = WeightsCard("timm", "around", SIZE, (0.5,) * 3, (0.5,) * 3)
    network = Around().eval()
    places = (Place("fc", "flat"),)
    headed, _ = add_head(Trainable(network, card, "fc", (), places), class_names=("a", "b"))
    assert find_cut(headed, "second", size_px=(SIZE, SIZE)) is None
