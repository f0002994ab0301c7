"""`fovea.torch.loaders`: DataLoaders over the manifest, on which a training loop of torch's own kind runs as it stands."""

import copy
import pickle
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fovea
from fovea.errors import InputError, MissingExtraError, PictureError
from fovea.nets import import_torchvision
from fovea.pictures import decode_to

torch = pytest.importorskip("torch")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return 2 x 60 drawn pictures of 24 x 18 px: red or blue blobs on noise."""
    rng = np.random.default_rng(0)
    for name, channel in (("red", 0), ("blue", 2)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(60):
            pixels = rng.integers(0, 90, (18, 24, 3)).astype(np.uint8)
            x = int(rng.integers(0, 12))
            pixels[4:14, x : x + 12, channel] = 220
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:02d}.png")
    return tmp_path / "photos"


@pytest.fixture
def compose() -> Any:
    """Return the transforms of the transfer-learning tutorial, at 16 px."""
    import_torchvision()
    transforms = import_module("torchvision.transforms")
    usual = [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    return {
        "train": transforms.Compose(
            [transforms.RandomResizedCrop(16), transforms.RandomHorizontalFlip(), *usual]
        ),
        "val": transforms.Compose([transforms.Resize(18), transforms.CenterCrop(16), *usual]),
    }


def small_network() -> Any:
    nn = torch.nn
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 2),
    )


def train_model(model: Any, dataloaders: Any, *, num_epochs: int) -> tuple[Any, dict[str, list[float]]]:
    """Train as PyTorch's transfer-learning tutorial does: phases, a StepLR, the best weights kept."""
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.1)
    dataset_sizes, best_weights, best = dataloaders.dataset_sizes, copy.deepcopy(model.state_dict()), -1.0
    accuracies: dict[str, list[float]] = {"train": [], "val": []}
    for _ in range(num_epochs):
        for phase in ["train", "val"]:
            model.train(phase == "train")
            n_right = 0
            for inputs, labels in dataloaders[phase]:
                optimizer.zero_grad()
                with torch.set_grad_enabled(phase == "train"):
                    outputs = model(inputs)
                    loss = criterion(outputs, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                n_right += int((outputs.argmax(1) == labels.data).sum())
            if phase == "train":
                scheduler.step()
            accuracies[phase].append(n_right / dataset_sizes[phase])
        if accuracies["val"][-1] > best:
            best, best_weights = accuracies["val"][-1], copy.deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    return model, accuracies


def test_the_tutorials_loop_runs_on_the_tutorials_transforms(photos: Path, compose: Any) -> None:
    loaders = fovea.torch.loaders(photos, transform=compose, batch_size=8)
    _, accuracies = train_model(small_network(), loaders, num_epochs=4)
    assert max(accuracies["val"]) >= 0.9


def test_the_tutorials_loop_runs_without_a_transform(photos: Path) -> None:
    loaders = fovea.torch.loaders(photos, size_px=16, batch_size=8)
    _, accuracies = train_model(small_network(), loaders, num_epochs=4)
    assert max(accuracies["val"]) >= 0.9


def test_a_fifth_of_each_class_is_held_out(photos: Path) -> None:
    loaders = fovea.torch.loaders(photos, size_px=16)
    assert (loaders.class_names, loaders.dataset_sizes) == (("blue", "red"), {"train": 96, "val": 24})
    assert sorted(loaders.valid.dataset.targets) == [0] * 12 + [1] * 12


def test_given_splits_are_kept(photos: Path, tmp_path: Path, compose: Any) -> None:
    for side, share in (("train", slice(0, 50)), ("valid", slice(50, 60))):
        for name in ("red", "blue"):
            (tmp_path / "given" / side / name).mkdir(parents=True)
            for file in sorted((photos / name).iterdir())[share]:
                shutil.copy(file, tmp_path / "given" / side / name)
    for options in ({"size_px": 16}, {"transform": compose}):
        assert fovea.torch.loaders(tmp_path / "given", **options).dataset_sizes == {"train": 100, "val": 20}


def test_copies_of_a_picture_stand_on_one_side(photos: Path) -> None:
    for file in sorted((photos / "red").iterdir())[:30]:
        shutil.copy(file, file.with_name(f"copy_{file.name}"))
    manifest = fovea.torch.loaders(photos, size_px=16).manifest
    sides: dict[str, set[str]] = {}
    for row in manifest.rows:
        sides.setdefault(row.sha256, set()).add(row.split)
    assert all(len(side) == 1 for side in sides.values())


def test_without_a_transform_batches_are_normalised_pictures(photos: Path) -> None:
    loaders = fovea.torch.loaders(photos, size_px=16, batch_size=10)
    x, y = next(iter(loaders["val"]))
    assert (x.dtype, x.shape, y.dtype, y.shape) == (torch.float32, (10, 3, 16, 16), torch.int64, (10,))
    row = next(row for row in loaders.manifest.rows if row.split == "valid")
    pixels = decode_to((photos / row.path).read_bytes(), height_px=16, width_px=16).pixels
    expected = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert np.allclose(x[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_the_same_seed_gives_the_same_batches_and_another_epoch_others(photos: Path) -> None:
    one, other = (fovea.torch.loaders(photos, size_px=16, seed=4)["train"] for _ in range(2))
    first, again = next(iter(one))[0], next(iter(one))[0]
    assert torch.equal(first, next(iter(other))[0])
    assert not torch.equal(first, again)


def test_what_is_damaged_is_left_out_and_told(photos: Path, compose: Any) -> None:
    (photos / "red" / "damaged.png").write_bytes(b"")
    for options in ({"size_px": 16}, {"transform": compose}):
        loaders = fovea.torch.loaders(photos, **options)
        assert sum(loaders.dataset_sizes.values()) == 120
        told = {row.path: row.problem for row in loaders.manifest.rows if row.problem}
        assert told == {"red/damaged.png": "an empty file (0 bytes)"}


def test_a_picture_that_is_gone_is_named(photos: Path, compose: Any) -> None:
    dataset = fovea.torch.loaders(photos, transform=compose).train.dataset
    gone = photos / dataset.rows[3].path
    gone.unlink()
    with pytest.raises(PictureError) as caught:
        dataset[3]
    assert str(caught.value) == (
        f"{dataset.rows[3].path!r} can no longer be read: [Errno 2] No such file or directory: {str(gone)!r}."
    )


@pytest.mark.parametrize("phase", ["train", "val"])
def test_data_sets_can_be_sent_to_workers(photos: Path, compose: Any, phase: str) -> None:
    for options in ({"size_px": 16}, {"transform": compose}):
        loader = fovea.torch.loaders(photos, **options)[phase]
        dataset, collate = pickle.loads(pickle.dumps((loader.dataset, loader.collate_fn)))
        x, _ = (
            collate([dataset[0], dataset[1]])
            if options.get("transform")
            else collate(dataset.__getitems__([0, 1]))
        )
        assert x.shape == (2, 3, 16, 16)


def test_workers_load_the_same_pictures_in_the_same_order(photos: Path) -> None:
    labels = []
    for n in (0, 2):
        loaders = fovea.torch.loaders(photos, size_px=16, num_workers=n)
        labels.append(torch.cat([y for _, y in loaders["train"]]))
    assert torch.equal(*labels)


def test_too_few_pictures_to_hold_any_out_are_refused(photos: Path) -> None:
    for file in photos.rglob("[1-5]?.png"):
        file.unlink()
    with pytest.raises(
        InputError, match=r"A validation loader needs some: put pictures into a folder valid beside"
    ):
        fovea.torch.loaders(photos, size_px=16)


def table_of(photos: Path) -> Path:
    """Write a table of the drawn pictures: their colour, one of three shades, and ten places of one colour each."""
    rows = ["path,colour,shade,place"]
    for colour in ("red", "blue"):
        rows += [f"{colour}/{k:02d}.png,{colour},{'abc'[k % 3]}{colour},{colour}{k // 6}" for k in range(60)]
    (photos / "table.csv").write_text("\n".join(rows))
    return photos / "table.csv"


def test_labels_are_read_as_train_reads_them(photos: Path, compose: Any) -> None:
    for options in ({"size_px": 16}, {"transform": compose}):
        settings = {"label_by": "shade", "group_by": "place", "merge": {"ared": "red"}, "drop": ["cblue"]}
        loaders = fovea.torch.loaders(table_of(photos), **options, **settings)
        assert loaders.class_names == ("ablue", "bblue", "bred", "cred", "red")
        assert sum(loaders.dataset_sizes.values()) == 100
        sides: dict[str, set[str]] = {}
        for row in loaders.manifest.rows:
            sides.setdefault(row.group, set()).add(row.split)
        assert all(len(side - {""}) <= 1 for side in sides.values()) and len(sides) == 20


def test_an_unknown_way_to_read_labels_is_refused(photos: Path) -> None:
    with pytest.raises(TypeError) as caught:
        fovea.torch.loaders(photos, lable_by="shade")
    assert str(caught.value) == "no setting 'lable_by'. Did you mean 'label_by'?"


def test_a_run_of_fit_reads_labels_as_its_loaders_do(photos: Path, tmp_path: Path) -> None:
    loaders = fovea.torch.loaders(table_of(photos), size_px=16, label_by="colour", drop=())
    run = fovea.fit(small_network(), loaders, epochs=1, out=tmp_path / "run").run
    assert (run.metrics["class_names"], run.metrics["n_valid"]) == (["blue", "red"], 24)


def test_transforms_without_one_for_validation_are_refused(photos: Path) -> None:
    with pytest.raises(InputError) as caught:
        fovea.torch.loaders(
            photos, transform={"train": lambda picture: picture, "test": lambda picture: picture}
        )
    assert str(caught.value) == (
        "The transforms have no 'val', only 'train', 'test'. Give one transform for both sides, or a mapping with 'train' "
        "and 'val'."
    )


def test_without_torch_the_extra_is_named(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError) as caught:
        fovea.torch.loaders(photos)
    assert str(caught.value) == (
        'fovea.torch needs torch and torchvision. Install them: pip install "fovea-vision[torch]".'
    )
