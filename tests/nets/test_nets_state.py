"""Tensors out of weights files: what is read, what is refused and how it is said, what does not fit a network."""

import os
import pickle
import warnings
from collections import OrderedDict
from pathlib import Path

import pytest

from fovea.errors import BackboneError, MissingInputError
from fovea.nets.state import fit_tensors, read_tensors, tensors_sha256

torch = pytest.importorskip("torch")


@pytest.fixture
def network() -> "torch.nn.Module":
    torch.manual_seed(0)
    return torch.nn.Sequential(OrderedDict(conv=torch.nn.Conv2d(3, 4, 3), fc=torch.nn.Linear(4, 2)))


class Shouts:
    """Unpickled, it would leave a file behind."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin"])
@pytest.mark.parametrize("key", ["", "state_dict", "model", "model_state_dict"])
def test_tensors_are_found_where_training_programs_put_them(
    network: "torch.nn.Module", tmp_path: Path, name: str, key: str
) -> None:
    tensors = network.state_dict()
    torch.save({"epoch": 3, key: tensors} if key else tensors, tmp_path / name)
    found = read_tensors(tmp_path / name)
    assert set(found) == {"conv.weight", "conv.bias", "fc.weight", "fc.bias"}
    torch.testing.assert_close(found["fc.weight"], network.fc.weight.detach())


def test_the_prefix_of_several_devices_is_taken_off(network: "torch.nn.Module", tmp_path: Path) -> None:
    torch.save(torch.nn.DataParallel(network).state_dict(), tmp_path / "w.pth")
    assert set(read_tensors(tmp_path / "w.pth")) == set(network.state_dict())


def test_a_file_with_code_in_it_is_refused_and_not_run(tmp_path: Path) -> None:
    file, trace = tmp_path / "w.pth", tmp_path / "trace"
    torch.save({"weight": torch.zeros(2), "more": Shouts(trace)}, file)
    with pytest.raises(BackboneError) as raised:
        read_tensors(file)
    assert str(raised.value) == (
        f"{str(file)!r} holds more than tensors: reading it would run code that stands in it (posix.system), and it was "
        "not read. Where you made it, save the tensors alone: torch.save(network.state_dict(), FILE), or better "
        "safetensors.torch.save_file(network.state_dict(), FILE)."
    )
    assert not trace.exists()


def test_a_bare_pickle_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    file, trace = tmp_path / "w.pt", tmp_path / "trace"
    file.write_bytes(pickle.dumps(Shouts(trace), protocol=2))
    with pytest.raises(BackboneError, match=r"holds more than tensors: reading it would run code"):
        read_tensors(file)
    assert not trace.exists()


def test_a_whole_network_saved_with_its_code_is_refused(network: "torch.nn.Module", tmp_path: Path) -> None:
    torch.save(network, tmp_path / "w.pt")
    with pytest.raises(BackboneError, match=r"code that stands in it \(torch\.nn\.modules\."):
        read_tensors(tmp_path / "w.pt")


@pytest.mark.parametrize("n_bytes", [0, 10, 700])
def test_a_cut_file_is_refused(network: "torch.nn.Module", tmp_path: Path, n_bytes: int) -> None:
    file = tmp_path / "w.pth"
    torch.save(network.state_dict(), file)
    file.write_bytes(file.read_bytes()[:n_bytes])
    with pytest.raises(
        BackboneError,
        match=r"^'.*w\.pth' is not a whole file of torch\.save: .*\. Download or copy it again\.$",
    ):
        read_tensors(file)


def test_a_text_file_is_no_file_of_tensors(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_text("hello, this is the download page")
    with pytest.raises(BackboneError, match=r"is not a whole file of torch\.save: "):
        read_tensors(tmp_path / "w.pth")


def test_a_compiled_script_is_refused(network: "torch.nn.Module", tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is old
        torch.jit.save(torch.jit.trace(network.conv, torch.zeros(1, 3, 8, 8)), tmp_path / "w.pt")
    with pytest.raises(BackboneError, match=r"holds more than tensors: reading it would run code"):
        read_tensors(tmp_path / "w.pt")


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.npz").write_bytes(b"")
    with pytest.raises(BackboneError) as raised:
        read_tensors(tmp_path / "w.npz")
    assert str(raised.value) == (
        f"{str(tmp_path / 'w.npz')!r} is no file of weights for a torch network: those end in .safetensors, .pth, .pt or "
        ".bin. Name such a file after --weights."
    )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as raised:
        read_tensors(tmp_path / "w.pth")
    assert str(raised.value) == (
        f"The weights file {str(tmp_path / 'w.pth')!r} cannot be read: there is no such file. Check the path after "
        "--weights."
    )


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(BackboneError) as raised:
        read_tensors(tmp_path / "w.pth")
    assert str(raised.value) == (
        f"{str(tmp_path / 'w.pth')!r} holds no tensors by name, but list. Save them: "
        "torch.save(network.state_dict(), FILE)."
    )


def test_what_does_not_fit_is_counted_and_nothing_is_loaded(network: "torch.nn.Module") -> None:
    before = network.conv.weight.detach().clone()
    tensors = {
        "conv.weight": torch.zeros(4, 3, 3, 3),
        "fc.weight": torch.zeros(5, 4),
        "head.weight": torch.zeros(1),
    }
    assert fit_tensors(network, tensors) == (
        "2 missing (first: conv.bias, fc.bias); 1 unexpected (first: head.weight); "
        "1 of another shape (first: fc.weight (5, 4) for (2, 4))"
    )
    torch.testing.assert_close(network.conv.weight.detach(), before)


def test_heads_for_training_alone_may_be_left_over(network: "torch.nn.Module") -> None:
    tensors = {**network.state_dict(), "aux1.fc.weight": torch.zeros(1), "AuxLogits.fc.bias": torch.zeros(1)}
    assert fit_tensors(network, tensors) == ""


def test_old_names_of_densenet_s_layers_fit(needs_torch: None) -> None:
    from fovea.nets import import_torchvision

    import_torchvision()
    from torchvision.models import DenseNet

    network = DenseNet(growth_rate=2, block_config=(1, 1), num_init_features=4, num_classes=2)
    old = {
        key.replace("norm1", "norm.1").replace("conv2", "conv.2") if "denselayer" in key else key: value
        for key, value in network.state_dict().items()
    }
    assert any("norm.1" in key for key in old)
    assert fit_tensors(network, old) == ""


def test_the_hash_is_of_the_tensors_and_not_of_the_file(network: "torch.nn.Module") -> None:
    before = tensors_sha256(network)
    with torch.no_grad():
        network.fc.bias[0] += 1
    assert len(before) == 64
    assert tensors_sha256(network) != before
