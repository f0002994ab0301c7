"""The classic networks: sizes against the papers and hand arithmetic, one forward and backward pass, what is refused."""

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from fovea.errors import BackboneError, InputError
from fovea.nets import WeightsCard
from fovea.nets.classic import ACTIVATIONS, CLASSICS, INITS, build_classic, find_classic
from fovea.nets.classic.fast import Fast
from fovea.nets.classic.lenet import SEEN_1998, LeNet1998
from fovea.nets.zoo import build_network

ALL = (*CLASSICS, "plain8", "resnet14")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def n_weights(network: "torch.nn.Module") -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("name", "in_channels", "size_px", "expected"),
    [
        # 784 * 512 + 512, 512 * 256 + 256, 256 * 10 + 10
        ("mlp", 1, 28, 401_920 + 131_328 + 2_570),
        # 784 * 50 + 50, nine layers of twice 50 * 50 + 50, 50 * 10 + 10
        ("highway", 1, 28, 39_250 + 9 * 5_100 + 510),
        # 6 * 25 + 6, 16 * 150 + 16, 400 * 120 + 120, 120 * 84 + 84, 84 * 10 + 10
        ("lenet5", 1, 28, 156 + 2_416 + 48_120 + 10_164 + 850),
        # LeCun 1998, section II.B: C1, S2, C3, S4, C5, F6; 60,000 in all; then 84 * 10 + 10
        ("lenet5-1998", 1, 32, 156 + 12 + 1_516 + 32 + 48_120 + 10_164 + 850),
        # pairs of convolutions to 32, 64, 128 (no biases; twice the channels for each norm), 2048 * 256, its norm, the last
        ("bncnn", 3, 32, 864 + 9_216 + 18_432 + 36_864 + 73_728 + 147_456 + 896 + 524_288 + 512 + 2_570),
        # convolutions 432, 6 * 2304, 4608 + 5 * 9216, 18432 + 5 * 36864; norms 2 * (7 * 16 + 6 * 32 + 6 * 64); 650
        ("resnet20", 3, 32, 269_722),
        ("plain20", 3, 32, 269_722),
        ("resnet56", 3, 32, 853_018),  # He 2015, table 6: 0.85 million
        # 24 * 12, 64 * 24 * 9, 64 * 64 * 9, 256 * 64 * 9, three of 256 * 256 * 9; 24; norms 2 * (2 * 64 + 4 * 256); 2560
        ("fast", 3, 32, 288 + 13_824 + 36_864 + 147_456 + 3 * 589_824 + 24 + 2_304 + 2_560),
    ],
)
def test_networks_have_the_weights_of_their_papers(
    name: str, in_channels: int, size_px: int, expected: int
) -> None:
    assert n_weights(build_classic(name, n_classes=10, in_channels=in_channels, size_px=size_px)) == expected


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("in_channels", [1, 3])
def test_every_network_answers_at_its_usual_size(name: str, in_channels: int) -> None:
    size_px = find_classic(name).usual_px
    network = build_classic(name, n_classes=7, in_channels=in_channels, size_px=size_px).eval()
    assert network(torch.randn(2, 3, size_px, size_px)).shape == (2, 7)


@pytest.mark.parametrize("name", ALL)
def test_every_network_answers_at_its_smallest_size(name: str) -> None:
    size_px = find_classic(name).smallest_px
    network = build_classic(name, n_classes=2, size_px=size_px).eval()
    assert network(torch.randn(2, 3, size_px, size_px)).shape == (2, 2)


@pytest.mark.parametrize("name", ALL)
def test_gradients_reach_every_weight_that_learns(name: str) -> None:
    size_px = find_classic(name).usual_px
    network = build_classic(name, n_classes=3, size_px=size_px)
    torch.nn.functional.cross_entropy(
        network(torch.randn(4, 3, size_px, size_px)), torch.tensor([0, 1, 2, 0])
    ).backward()
    silent = [
        path
        for path, weight in network.named_parameters()
        if weight.requires_grad and (weight.grad is None or not weight.grad.abs().sum() > 0)
    ]
    assert silent == []


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("plain56", "resnet56")])
def test_a_few_steps_lower_the_loss(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    size_px = max(find_classic(name).smallest_px, 12)
    y = torch.arange(16) % 2
    x = torch.randn((16, 3, size_px, size_px), generator=generator) + (2.0 * y - 1).reshape(-1, 1, 1, 1)
    network = build_classic(name, n_classes=2, size_px=size_px)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = torch.nn.functional.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", ALL)
def test_the_last_layer_is_called_classifier(name: str) -> None:
    classifier = build_classic(name, n_classes=5, size_px=find_classic(name).usual_px).classifier
    assert isinstance(classifier, torch.nn.Linear)
    assert classifier.out_features == 5


def test_a_network_of_one_channel_averages_the_colours() -> None:
    network = build_classic("lenet5", n_classes=3, in_channels=1, size_px=28).eval()
    x = torch.randn(2, 3, 28, 28)
    torch.testing.assert_close(network(x), network(x.mean(1, keepdim=True)))


def test_the_same_seed_gives_the_same_weights_and_touches_no_global_generator() -> None:
    before = torch.random.get_rng_state()
    first, second = (build_classic("mlp", n_classes=2, size_px=4, seed=3).hidden[0].weight for _ in range(2))
    other = build_classic("mlp", n_classes=2, size_px=4, seed=4).hidden[0].weight
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        ("xavier", (2 / (300 + 400)) ** 0.5),  # Glorot 2010: variance 2 / (in + out)
        ("xavier-normal", (2 / (300 + 400)) ** 0.5),
        ("he", (2 / 300) ** 0.5),  # He 2015: variance 2 / in
        ("he-uniform", (2 / 300) ** 0.5),
        ("lecun", (1 / 300) ** 0.5),
        ("normal", 0.01),
        ("orthogonal", (1 / 400) ** 0.5),  # 300 orthonormal columns of 400 numbers
        ("zeros", 0.0),
    ],
)
def test_weights_start_with_the_deviation_that_is_asked_for(init: str, deviation: float) -> None:
    network = build_classic("mlp", n_classes=2, in_channels=3, size_px=10, hidden=(400,), init=init)
    assert float(network.hidden[0].weight.detach().std()) == pytest.approx(deviation, rel=0.02)
    assert not network.hidden[0].bias.any()


def test_every_start_of_weights_is_tested() -> None:
    (mark,) = test_weights_start_with_the_deviation_that_is_asked_for.pytestmark
    assert {one[0] for one in mark.args[1]} == set(INITS)


def test_gates_of_a_highway_keep_their_start_whatever_the_init() -> None:
    network = build_classic("highway", n_classes=2, size_px=4, init="he", carry=-3.0)
    assert torch.equal(network.layers[0].gate.bias, torch.full((50,), -3.0))


def test_a_closed_highway_layer_hands_its_input_on() -> None:
    network = build_classic("highway", n_classes=2, size_px=4, init="zeros", carry=-100.0, depth=1)
    x = torch.randn(3, 50)
    torch.testing.assert_close(network.layers(x), x)


@pytest.mark.parametrize(
    ("name", "expected"), [("logistic", 0.5), ("relu", 0.0), ("tanh", 0.0), ("none", 0.0)]
)
def test_activations_at_zero(name: str, expected: float) -> None:
    assert float(ACTIVATIONS[name]()(torch.tensor(0.0))) == expected


def test_the_perceptron_takes_the_activation_that_is_asked_for() -> None:
    network = build_classic("mlp", n_classes=2, size_px=4, activation="logistic")
    assert isinstance(network.hidden[1], torch.nn.Sigmoid)


def test_dropout_stands_behind_every_hidden_layer() -> None:
    network = build_classic("mlp", n_classes=2, size_px=4, dropout=0.4, hidden=(8, 8))
    assert [one.p for one in network.modules() if isinstance(one, torch.nn.Dropout)] == [0.4, 0.4]


def test_sparse_maps_equal_a_whole_convolution_with_zeros() -> None:
    network = LeNet1998(n_classes=2, in_channels=1, size_px=28)
    layer = network.features[3]
    kernel = torch.zeros(16, 6, 5, 5)
    number = 0
    for out, seen in enumerate(SEEN_1998):
        for one in seen:
            kernel[out, one] = layer.weight[number].detach()
            number += 1
    x = torch.randn(2, 6, 14, 14)
    torch.testing.assert_close(layer(x), torch.nn.functional.conv2d(x, kernel, layer.bias))


def test_sparse_maps_see_what_the_paper_lists() -> None:
    assert SEEN_1998[5] == (5, 0, 1)  # LeCun 1998, table 1, by its columns
    assert SEEN_1998[11] == (5, 0, 1, 2)
    assert SEEN_1998[12:] == ((0, 1, 3, 4), (1, 2, 4, 5), (2, 3, 5, 0), (0, 1, 2, 3, 4, 5))


def test_subsampling_adds_four_values_times_a_coefficient() -> None:
    layer = LeNet1998(n_classes=2, in_channels=1, size_px=28).features[2]
    layer.weight.data.fill_(0.1)
    layer.bias.data.fill_(0.3)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(1, 6, 2, 2)
    expected = 1.7159 * torch.tanh(torch.tensor(2 / 3 * (10 * 0.1 + 0.3)))
    torch.testing.assert_close(layer(x), expected.expand(1, 6, 1, 1))


def test_a_shortcut_to_more_channels_adds_every_second_value_and_zeros() -> None:
    block = build_classic("resnet20", n_classes=2).stages[1][0].eval()
    torch.nn.init.zeros_(block.second[1].weight)
    x = torch.rand(1, 16, 4, 4)
    y = block(x)
    assert torch.equal(y[:, :16], x[:, :, ::2, ::2])
    assert not y[:, 16:].any()


def test_a_plain_network_has_no_shortcut() -> None:
    block = build_classic("plain20", n_classes=2).stages[0][0].eval()
    torch.nn.init.zeros_(block.second[1].weight)
    assert not block(torch.rand(1, 16, 4, 4)).any()


@pytest.mark.parametrize(("name", "n_layers"), [("plain8", 8), ("resnet56", 56), ("resnet20", 20)])
def test_depth_counts_the_layers_with_weights(name: str, n_layers: int) -> None:
    layers = (torch.nn.Conv2d, torch.nn.Linear)
    assert sum(isinstance(one, layers) for one in build_classic(name, n_classes=2).modules()) == n_layers


def test_whitened_patches_have_no_covariance() -> None:
    network = Fast(n_classes=2, in_channels=3, size_px=32)
    coarse = torch.randn((200, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    x = torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear")
    x += 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    network.fit_whitening(x)
    rows = network.whiten(x).detach()[:, :12].permute(0, 2, 3, 1).reshape(-1, 12)
    torch.testing.assert_close(rows.T @ rows / len(rows), torch.eye(12), atol=0.02, rtol=0)


def test_the_second_half_of_whitened_patches_is_the_first_negated() -> None:
    network = Fast(n_classes=2, in_channels=1, size_px=28)
    x = torch.randn(50, 1, 28, 28)
    network.fit_whitening(x)
    y = network.whiten(x)
    torch.testing.assert_close(y[:, :9], -y[:, 9:])


def test_whitening_that_no_longer_learns_lets_no_gradient_through() -> None:
    network = Fast(n_classes=2, in_channels=3, size_px=32)
    network.whiten.learns = False
    x = torch.randn(4, 3, 32, 32)
    assert not network.whiten(x).requires_grad
    network(x).sum().backward()
    assert torch.equal(
        network.whiten.bias.grad, torch.zeros(24)
    )  # one there is: several processes wait for it
    assert network.groups[0][0].convolution.weight.grad is not None


def test_pieces_of_a_batch_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink = Fast(n_classes=2, in_channels=3, size_px=32).groups[0][0]
    x = torch.randn(5, 24, 9, 9)
    whole = shrink(x)
    monkeypatch.setattr("fovea.nets.classic.fast._STEP", 2)
    monkeypatch.setattr("fovea.nets.classic.fast.PIECE_VALUES", 1)
    torch.testing.assert_close(shrink(x), whole)


@pytest.mark.parametrize("name", ["lenet5", "bncnn", "fast", "highway"])
def test_a_card_builds_the_network_again(name: str) -> None:
    first = build_classic(name, n_classes=2, in_channels=1, size_px=28)
    card = WeightsCard(
        library="fovea",
        architecture=name,
        size_px=28,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        kwargs={"in_channels": 1},
        class_names=("a", "b"),
    )
    second = build_network(card)
    second.load_state_dict(first.state_dict())
    x = torch.randn(2, 3, 28, 28)
    torch.testing.assert_close(second(x), first.eval()(x))


def test_pictures_smaller_than_the_smallest_input_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        build_classic("lenet5", n_classes=2, size_px=8)
    assert str(caught.value) == (
        "Pictures of 8 x 8 px are smaller than the smallest input of 'lenet5', 12 px. Enlarge them to 28 px or more, or take "
        "--net mlp, which takes any size."
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: build_classic("lenet6", n_classes=2),
            "There is no network 'lenet6' (did you mean 'lenet5'?). There are: mlp, highway, lenet5, lenet5-1998, bncnn, "
            "plain20, plain56, resnet20, resnet56, fast.",
        ),
        (
            lambda: build_classic("resnet50", n_classes=2),
            "There is no network 'resnet50' (did you mean 'resnet56'?). There are: mlp, highway, lenet5, lenet5-1998, bncnn, "
            "plain20, plain56, resnet20, resnet56, fast.",
        ),
        (
            lambda: build_classic("mlp", n_classes=2, activation="rellu"),
            "There is no activation 'rellu' (did you mean 'relu'?). There are: relu, logistic, tanh, leaky, elu, gelu, silu, none.",
        ),
        (
            lambda: build_classic("mlp", n_classes=2, activation="GELU"),
            "There is no activation 'GELU' (did you mean 'gelu'?). There are: relu, logistic, tanh, leaky, elu, gelu, silu, none.",
        ),
        (
            lambda: build_classic("resnet20", n_classes=2, hidden=(9,)),
            "The network 'resnet20' has no hidden: leave it out, or take a network that has it, such as mlp, bncnn.",
        ),
        (
            lambda: build_classic("mlp", n_classes=2, init="xavir"),
            "There is no init 'xavir' (did you mean 'xavier'?). There are: xavier, xavier-normal, he, he-uniform, lecun, normal, "
            "orthogonal, zeros.",
        ),
        (
            lambda: build_classic("mlp", n_classes=2, in_channels=4),
            "A network for 4 channels is not known. Take 3 (colour) or 1 (grey).",
        ),
        (
            lambda: build_classic("mlp", n_classes=2, depth=4),
            "The network 'mlp' has no depth: leave it out, or take a network that has it, such as highway.",
        ),
        (
            lambda: build_classic("fast", n_classes=2, dropout=0.1, drop_path=0.2),
            "The network 'fast' has no dropout and no drop_path: leave it out, or take a network that has it, such as one of "
            "timm's (--net timm:NAME).",
        ),
    ],
    ids=["network", "large", "activation", "capitals", "hidden", "init", "channels", "option", "options"],
)
def test_unknown_choices_are_refused_with_the_nearest(build: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        build()
    assert str(caught.value) == message


def test_no_dropout_is_what_a_network_without_dropout_has() -> None:
    assert build_classic("resnet8", n_classes=2, dropout=0.0).classifier.out_features == 2


def test_a_card_of_an_unknown_own_network_is_refused() -> None:
    card = WeightsCard(
        library="fovea",
        architecture="lenet9",
        size_px=28,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        class_names=("a",),
    )
    with pytest.raises(
        BackboneError, match=r"^The weights belong to a network that this fovea cannot build\. There is no"
    ):
        build_network(card)
