"""Sets as they come, through check, train, evaluate and predict: small parts of the real MNIST and CIFAR-10."""

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fovea.tasks import predict
from fovea.tasks.check import check
from fovea.tasks.evaluate import evaluate
from fovea.tasks.train.train import Run, train

N_TRAIN, N_TEST = 600, 100


@pytest.fixture(scope="module")
def mnist(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the first 600 and 100 digits."""
    folder = tmp_path_factory.mktemp("mnist")
    for split, n in (("train", N_TRAIN), ("t10k", N_TEST)):
        for kind, head, size in (("images-idx3", 16, 784), ("labels-idx1", 8, 1)):
            name = f"{split}-{kind}-ubyte.gz"
            with gzip.open(shared / "data/mnist" / name) as source:
                content = source.read(head + n * size)
            (folder / name).write_bytes(gzip.compress(content[:4] + n.to_bytes(4, "big") + content[8:]))
    return folder


@pytest.fixture(scope="module")
def cifar(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of python batches with 400 frogs and ships, out of the first mosaics."""
    folder = tmp_path_factory.mktemp("cifar")
    clean = np.load(shared / "data/cifar10n/labels.npz")["clean_label"]
    for name, start in (("data_batch_1", 0), ("test_batch", 2)):
        rows, labels = [], []
        for k in (start, start + 1):
            mosaic = np.asarray(Image.open(shared / f"data/cifar10/data_batch_1_{k}.webp").convert("RGB"))
            rows.append(mosaic.reshape(25, 32, 40, 32, 3).transpose(0, 2, 4, 1, 3).reshape(1000, 3072))
            labels += clean[1000 * k : 1000 * k + 1000].tolist()
        used = [k for k, label in enumerate(labels) if label in (6, 8)]
        batch = {b"data": np.concatenate(rows)[used], b"labels": [(labels[k] - 6) // 2 for k in used]}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"frog", b"ship"]}, protocol=2))
    return folder


@pytest.fixture(scope="module")
def digits_run(mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEA_CACHE", str(tmp_path_factory.mktemp("cache")))
        return train(mnist, out=tmp_path_factory.mktemp("runs") / "digits")


def test_digits_are_learned_from_idx_files(digits_run: Run) -> None:
    metrics = digits_run.metrics
    assert metrics["n_train"] + metrics["n_measured"] == N_TRAIN
    assert metrics["test"]["n"] == N_TEST
    assert metrics["accuracy"] > 0.85
    assert metrics["test"]["accuracy"] > 0.85


def test_the_report_shows_packed_pictures(digits_run: Run) -> None:
    assert 'src="data:image/jpeg;base64' in digits_run.report.read_text()
    assert "train-images-idx3-ubyte.gz#" in (digits_run.folder / "manifest.csv").read_text(
        encoding="utf-8-sig"
    )


def test_a_packed_file_is_predicted_picture_by_picture(digits_run: Run, mnist: Path) -> None:
    images = mnist / "t10k-images-idx3-ubyte.gz"
    found = predict.run(predict.Config(digits_run.folder, [images])).predictions
    assert [one.path for one in found][:2] == [f"{images}#0", f"{images}#1"]
    labels = gzip.decompress((mnist / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    right = [one.class_name == str(label) for one, label in zip(found, labels, strict=True)]
    assert np.mean(right) == pytest.approx(digits_run.metrics["test"]["accuracy"])


def test_evaluating_on_what_was_learned_from_says_so(digits_run: Run, mnist: Path) -> None:
    metrics = evaluate(digits_run.folder, mnist).metrics
    assert metrics["n_measured"] == N_TRAIN + N_TEST
    assert metrics["n_leaked"] == digits_run.metrics["n_train"]


def test_checking_looks_at_every_packed_picture(mnist: Path, tmp_path: Path) -> None:
    found = check(mnist, html=tmp_path / "page.html")
    assert found.n_pictures == N_TRAIN + N_TEST
    assert found.formats == {"PPM": N_TRAIN + N_TEST}
    assert found.splits == {"train": N_TRAIN, "test": N_TEST}
    assert 'src="data:image/jpeg;base64' in (tmp_path / "page.html").read_text()


def test_cifars_batches_are_learned(cifar: Path, tmp_path: Path) -> None:
    metrics = train(cifar, out=tmp_path / "run").metrics
    assert metrics["class_names"] == ["frog", "ship"]
    assert metrics["accuracy"] > 0.9
    assert metrics["test"]["accuracy"] > 0.9


def test_a_set_that_was_changed_while_it_was_read_is_told(mnist: Path, tmp_path: Path) -> None:
    from fovea.features import open_backbone
    from fovea.manifest import read_source
    from fovea.tasks.gather import add_hashes, gather

    name = "t10k-images-idx3-ubyte"
    (tmp_path / name).write_bytes(gzip.decompress((mnist / f"{name}.gz").read_bytes())[: 16 + 784 * N_TEST])
    manifest = add_hashes(read_source(tmp_path, labelled=False), None)
    with (tmp_path / name).open("r+b") as out:
        out.seek(16)
        out.write(b"\x07" * 784)
    found = gather(manifest, encoder=open_backbone(), store=None)
    assert [row.problem for row in found.manifest.rows[:2]] == ["changed while it was being read", ""]
