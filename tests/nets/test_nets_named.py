"""Networks of timm and torchvision by name: their configs, official weights from caches and servers, a user's files."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fovea.errors import BackboneError, InputError
from fovea.nets import build_named, check_spec, find_weights, list_stages, run_pooled, stage_widths
from fovea.nets.official import describe_official
from fovea.nets.zoo import import_torchvision

pytestmark = pytest.mark.usefixtures("needs_torch")
SQUEEZE = "torchvision:squeezenet1_1"
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def squeeze() -> Any:
    """Return torchvision's SqueezeNet 1.1 with random weights."""
    import torch

    from fovea.nets import import_torchvision

    import_torchvision()
    from torchvision.models import squeezenet1_1

    torch.manual_seed(3)
    return squeezenet1_1(weights=None).eval()


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that saves a network's tensors in a file of this name, made with its folder."""

    def save(network: Any, name: str = "w.pth", folder: Path = tmp_path) -> Path:
        import torch

        folder.mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), folder / name)
        return folder / name

    return save


@pytest.fixture
def publish(
    squeeze: Any, save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Path]:
    """Return a function that puts SqueezeNet's official weights behind a file:// address, with their hash or a wrong one."""
    from torchvision.models import SqueezeNet1_1_Weights

    entry = SqueezeNet1_1_Weights.IMAGENET1K_V1

    def publish(*, honest: bool = True) -> Path:
        made = save(squeeze, "made.pth", tmp_path / "server")
        digest = hashlib.sha256(made.read_bytes()).hexdigest()[:8] if honest else "00000000"
        file = made.rename(made.with_name(f"squeezenet1_1-{digest}.pth"))
        monkeypatch.setattr(entry, "_value_", dataclasses.replace(entry.value, url=file.as_uri()))
        return file

    return publish


def hub() -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def answers(network: Any) -> Any:
    """Return torch's own mean of the last maps of PIXELS, normalised as ImageNet's networks want it."""
    import torch

    scaled = (PIXELS / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        return (
            network.features(torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32))
            .mean((2, 3))
            .numpy()
        )


@pytest.mark.parametrize(
    ("spec", "size_px", "crop", "mean"),
    [
        ("torchvision:resnet18", 224, 224 / 256, (0.485, 0.456, 0.406)),
        ("torchvision:inception_v3", 299, 299 / 342, (0.485, 0.456, 0.406)),
        ("torchvision:resnet50", 224, 224 / 232, (0.485, 0.456, 0.406)),
        ("torchvision:resnet50.IMAGENET1K_V1", 224, 224 / 256, (0.485, 0.456, 0.406)),
        ("timm:vit_small_patch16_224", 224, 0.9, (0.5, 0.5, 0.5)),
        ("timm:resnet50.a1_in1k", 224, 0.95, (0.485, 0.456, 0.406)),
    ],
)
def test_size_crop_and_mean_are_those_that_the_authors_publish(
    spec: str, size_px: int, crop: float, mean: tuple[float, ...]
) -> None:
    card = describe_official(spec).card
    assert (card.size_px, card.mean) == (size_px, mean)
    assert card.crop == pytest.approx(crop)


def test_an_unknown_network_gets_the_nearest() -> None:
    with pytest.raises(BackboneError) as raised:
        describe_official("torchvision:resnet19")
    assert str(raised.value) == (
        "torchvision has no architecture 'resnet19'. Nearest: resnet18, resnet152, resnet101. Correct the name, or "
        "update the library."
    )


def test_networks_that_do_not_classify_pictures_are_not_known() -> None:
    with pytest.raises(BackboneError, match=r"^torchvision has no architecture 'maskrcnn_resnet50_fpn'\."):
        describe_official("torchvision:maskrcnn_resnet50_fpn")


@pytest.mark.parametrize("spec", ["resnet18", "timm:", "onnx:resnet18"])
def test_other_names_are_refused(spec: str) -> None:
    with pytest.raises(BackboneError) as raised:
        describe_official(spec)
    assert str(raised.value) == (
        f"{spec!r} names no network of timm or torchvision. Write timm:NAME or torchvision:NAME, such as "
        "torchvision:resnet18."
    )


@pytest.mark.parametrize("spec", ["torchvision:resnet50.V3", "timm:resnet50.no_such"])
def test_unknown_weights_of_a_network_get_the_known_ones(spec: str) -> None:
    with pytest.raises(
        BackboneError, match=r"^There are no weights '.*'\. Behind the dot may stand: .*(V1|a1_in1k)"
    ):
        describe_official(spec)


@pytest.mark.parametrize("name", ["w.pth", "w.pt"])
def test_a_user_s_tensors_are_taken(squeeze: Any, save: Callable[..., Path], name: str) -> None:
    named = build_named(SQUEEZE, weights=save(squeeze, name), stages=("features",))
    np.testing.assert_allclose(run_pooled(named.pooled, PIXELS), answers(squeeze), rtol=1e-4, atol=1e-6)
    assert (named.card.licence, named.card.source) == ("unknown", name)


def test_tensors_for_other_classes_are_not_under_the_published_licence(save: Callable[..., Path]) -> None:
    five = import_torchvision().models.squeezenet1_1(weights=None, num_classes=5)
    named = build_named(SQUEEZE, weights=save(five), stages=("features",))
    assert (named.card.licence, named.card.kwargs["num_classes"]) == ("unknown", 5)


def test_one_network_in_two_kinds_of_files_has_one_hash(
    squeeze: Any, save: Callable[..., Path], tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    save_file(squeeze.state_dict(), tmp_path / "w.safetensors")
    hashes = {
        build_named(SQUEEZE, weights=file).weights_sha256
        for file in (save(squeeze), tmp_path / "w.safetensors")
    }
    assert len(hashes) == 1


def test_weights_for_another_architecture_are_counted(squeeze: Any, save: Callable[..., Path]) -> None:
    file = save(squeeze)  # 26 layers with 52 tensors; AlexNet's 8 have 16, of which four are called the same
    with pytest.raises(BackboneError) as raised:
        build_named("torchvision:alexnet", weights=file)
    assert str(raised.value).startswith(
        f"The tensors in {str(file)!r} do not fit 'torchvision:alexnet': 12 missing (first: features.3.weight, "
        "features.3.bias, features.6.weight); 48 unexpected (first: features.3.squeeze.weight,"
    )
    assert str(raised.value).endswith(". Name the network that they belong to: --backbone NAME.")


def test_a_network_trained_further_for_other_classes_is_taken(save: Callable[..., Path]) -> None:
    from torchvision.models import squeezenet1_1

    named = build_named(SQUEEZE, weights=save(squeezenet1_1(num_classes=7)))
    run_pooled(named.pooled, PIXELS)
    assert stage_widths(named.pooled)[-1] == ("classifier:softmax", 7)


def old_convnext() -> dict[str, Any]:
    """Return random tensors of timm's smallest ConvNeXt under the names of its authors' own files."""
    import timm

    tensors = timm.create_model("test_convnext").state_dict()
    names = {"head.fc": "head", "head.norm": "norm", "stem.": "downsample_layers.0."}
    for new, old in names.items():
        tensors = {key.replace(new, old): value for key, value in tensors.items()}
    return tensors


def test_tensors_that_timm_renames_itself_are_taken(tmp_path: Path) -> None:
    import torch

    tensors = old_convnext()
    torch.save(tensors, tmp_path / "w.pth")
    named = build_named("timm:test_convnext", weights=tmp_path / "w.pth", stages=("head.fc",))
    found = named.pooled.network.head.fc.weight
    torch.testing.assert_close(found.detach(), tensors["head.weight"])


def test_official_weights_in_torch_s_own_cache_need_no_connection(
    squeeze: Any, publish: Callable[..., Path]
) -> None:
    file = publish()
    hub().mkdir(parents=True)
    file.rename(hub() / file.name)
    named = build_named(SQUEEZE, stages=("features",), offline=True)
    np.testing.assert_allclose(run_pooled(named.pooled, PIXELS), answers(squeeze), rtol=1e-4, atol=1e-6)
    assert named.card.source == file.as_uri()


def test_official_weights_are_fetched_by_torch_s_own_code(squeeze: Any, publish: Callable[..., Path]) -> None:
    file = publish()
    named = build_named(SQUEEZE, stages=("features",), offline=False)
    np.testing.assert_allclose(run_pooled(named.pooled, PIXELS), answers(squeeze), rtol=1e-4, atol=1e-6)
    assert (hub() / file.name).read_bytes() == file.read_bytes()


def test_a_server_that_lies_is_found_out(publish: Callable[..., Path]) -> None:
    file = publish(honest=False)
    with pytest.raises(
        BackboneError, match=r"and could not be downloaded \(RuntimeError: invalid hash value"
    ) as raised:
        build_named(SQUEEZE, offline=False)
    assert f"Fetch {file.as_uri()} where there is a connection" in str(raised.value)
    assert list(hub().iterdir()) == []


def test_weights_that_are_nowhere_name_what_is_here(write_weights: Callable[..., Path]) -> None:
    own = write_weights().parent
    (own / "resnet50-0676ba61.pth").write_bytes(b"")
    hub().mkdir(parents=True)
    (hub() / "resnet18-f37072fd.pth").write_bytes(b"")
    with pytest.raises(BackboneError) as raised:
        build_named("torchvision:alexnet", folders=[own], also_here=["fovea-tiny"])
    assert str(raised.value) == (
        "The weights of 'torchvision:alexnet' are not on this computer and nothing may be downloaded offline. Fetch "
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth where there is a connection, and put the file into the "
        "folder that FOVEA_WEIGHTS names, or name it: --weights FILE. Here are: "
        "timm:test_resnet, torchvision:resnet18, torchvision:resnet50.IMAGENET1K_V1, fovea-tiny."
    )


def test_other_weights_under_a_published_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "alexnet-owt-7be5be79.pth"
    file.write_bytes(b"")
    with pytest.raises(BackboneError) as raised:
        build_named("torchvision:alexnet", folders=[tmp_path])
    assert str(raised.value) == (
        f"{str(file)!r} does not hold the weights of 'torchvision:alexnet' that were published under its name: its SHA-256 is "
        "another (e3b0c442). Download it again; or name weights of your own: --weights FILE."
    )


def test_a_download_by_timm_that_fails_is_one_paragraph() -> None:
    with pytest.raises(BackboneError) as raised:
        build_named("timm:test_resnet", offline=False)
    said = str(raised.value)
    assert said.startswith(
        "The weights of 'timm:test_resnet' are not on this computer and could not be downloaded ("
    )
    assert "Fetch https://huggingface.co/timm/test_resnet.r160_in1k where" in said
    assert "\n" not in said


def test_official_weights_in_the_hub_s_own_cache_need_no_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import timm
    import torch
    from huggingface_hub import constants
    from safetensors.torch import save_file

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--timm--test_resnet.r160_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("1234")
    (repository / "snapshots" / "1234").mkdir(parents=True)
    network = timm.create_model("test_resnet").eval()
    save_file(network.state_dict(), repository / "snapshots" / "1234" / "model.safetensors")
    named = build_named("timm:test_resnet", stages=("global_pool",))
    scaled = torch.tensor((PIXELS.transpose(0, 3, 1, 2) / 127.5 - 1).astype(np.float32))
    expected = network.forward_head(network.forward_features(scaled), pre_logits=True).detach().numpy()
    np.testing.assert_allclose(run_pooled(named.pooled, PIXELS), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["squeezenet1_1.safetensors", "squeezenet1_1.pth", "squeezenet1_1.pt"])
def test_a_folder_of_weights_is_searched_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / name).write_bytes(b"")
    assert find_weights(SQUEEZE, [tmp_path / "a", tmp_path / "b"]) == tmp_path / "b" / name
    assert find_weights("torchvision:squeezenet1_0", [tmp_path / "b"]) is None


def test_a_file_that_describes_itself_is_found_under_any_name(write_weights: Callable[..., Path]) -> None:
    file = write_weights()
    assert find_weights("timm:test_resnet", [file.parent]) == file
    named = build_named("timm:test_resnet", folders=[file.parent])
    assert (named.card.size_px, named.card.mean, named.card.licence) == (64, (0.5, 0.4, 0.3), "Apache-2.0")


def test_stages_are_listed_in_the_order_of_running() -> None:
    found = list_stages("torchvision:resnet18")
    names = [one.name for one in found]
    assert names.index("layer3") < names.index("layer4.0.conv1") < names.index("layer4.1") < names.index("fc")
    told = {one.name: (one.n_channels, one.size_px) for one in found}
    assert (told["layer2"], told["layer4.1"], told["fc"]) == ((128, (28, 28)), (512, (7, 7)), (1000, None))


def test_usual_stages_are_told_without_weights() -> None:
    usual = [(one.name, one.pools) for one in list_stages("torchvision:resnet18") if one.is_usual]
    assert usual == [
        ("layer2", ("mean",)),
        ("layer3", ("mean",)),
        ("layer4", ("mean", "max")),
        ("fc", ("softmax",)),
    ]


@pytest.mark.parametrize(
    ("spec", "aliases"),
    [
        ("torchvision:alexnet", {"fc6": "classifier.2", "fc7": "classifier.5", "fc8": "classifier.6"}),
        ("torchvision:vgg16", {"fc6": "classifier.1", "fc7": "classifier.4", "fc8": "classifier.6"}),
        ("timm:vgg11", {"fc6": "pre_logits.act1", "fc7": "pre_logits.act2", "fc8": "head.fc"}),
        ("torchvision:resnet18", {}),
    ],
)
def test_the_names_that_papers_give_layers_are_told(spec: str, aliases: dict[str, str]) -> None:
    found = {alias: one.name for one in list_stages(spec) for alias in one.aliases}
    assert found == aliases


def test_stages_of_a_file_that_describes_itself_are_listed(write_weights: Callable[..., Path]) -> None:
    assert list_stages(str(write_weights()))[-1].n_channels == 5  # its own classes, not the official thousand


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("timm:resnet18.x", r"^There are no weights 'timm:resnet18.x'\. Behind the dot may stand: a1_in1k, "),
        ("torchvision:resnet19", r"^torchvision has no architecture 'resnet19'\. Nearest: resnet18, "),
    ],
)
def test_a_name_is_checked_without_its_weights(spec: str, text: str) -> None:
    check_spec("timm:resnet18.a1_in1k")
    with pytest.raises(BackboneError, match=text):
        check_spec(spec)


def test_what_is_here_twice_is_named_once(write_weights: Callable[..., Path]) -> None:
    own = write_weights().parent
    (own / "again.safetensors").write_bytes((own / "weights.safetensors").read_bytes())
    with pytest.raises(BackboneError, match=r"Here are: timm:test_resnet, fovea-tiny\.$"):
        build_named("torchvision:alexnet", folders=[own, own], also_here=["fovea-tiny"])


def test_an_unknown_stage_gets_the_closest() -> None:
    with pytest.raises(InputError) as raised:
        build_named_stage("layer4.7")
    assert str(raised.value).startswith("'timm:test_resnet' has no stage 'layer4.7'; the nearest of its ")
    assert "'layer4.0'" in str(raised.value)


def build_named_stage(stage: str) -> None:
    from fovea.nets import places_of
    from fovea.nets.zoo import build_network

    card = describe_official("timm:test_resnet").card
    places_of(build_network(card), library="timm", architecture="test_resnet", size_px=64, stages=(stage,))
