"""What `doctor` promises: it says what is there, tries every part, and a broken part is seen."""

import platform
from importlib.metadata import metadata
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fovea.errors import BackboneError
from fovea.features import BackboneCard, Preprocess, cache_folder
from fovea.tasks import doctor


def test_every_part_is_tried_and_fine_here() -> None:
    found = doctor.run(threads=1)
    assert [(trial.name, trial.is_fine) for trial in found.trials] == [
        ("engine", True),
        ("pictures", True),
        ("probe", True),
    ]
    assert found.is_fine
    assert "fovea-tiny on openvino in " in found.trials[0].said


def test_versions_name_what_runs() -> None:
    versions = doctor.run(threads=1).versions
    assert (versions["python"], versions["numpy"]) == (platform.python_version(), np.__version__)
    assert versions.keys() == {"fovea", "python", *doctor.CORE}


def test_nothing_is_written() -> None:
    doctor.run(threads=1)
    assert not cache_folder().exists()
    assert list(Path.home().iterdir()) == []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine be fine without trying it."""
    monkeypatch.setattr(doctor, "_try_engine", lambda threads: "tried")


def broken(*given: object, **named: object) -> None:
    raise BackboneError("The embedded network is gone.")


def test_a_broken_engine_is_said_and_the_rest_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "open_backbone", broken)
    found = doctor.run()
    assert [trial.is_fine for trial in found.trials] == [False, True, True]
    assert found.trials[0].said == "BackboneError: The embedded network is gone."
    assert not found.to_json()["is_fine"]


class Unsteady:
    """An encoder that answers differently each time."""

    name, engine, precision, threads = "unsteady", "dice", "f32", 1
    preprocess = Preprocess(8, 8)

    def __init__(self) -> None:
        self.n = 0

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.n += 1
        return np.full((len(pixels), 2), self.n, np.float32)


def test_an_engine_that_answers_differently_each_time_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "open_backbone", lambda **named: Unsteady())
    assert doctor.run().trials[0].said == "ValueError: the same pictures gave different features"


@pytest.mark.usefixtures("quick")
def test_a_decoder_that_changes_pixels_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    from fovea import pictures

    real = pictures.decode
    monkeypatch.setattr(pictures, "decode", lambda content: real(content[:-20] + b"x" * 20))
    found = doctor.run()
    assert [trial.is_fine for trial in found.trials] == [True, False, True]


@pytest.mark.usefixtures("quick")
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CORE", ("numpy", "no-such-package"))
    assert doctor.run().versions["no-such-package"] == "missing"


def extras_of_the_package() -> set[str]:
    """Return what the installed package offers after its name, in square brackets."""
    return set(metadata("fovea-vision").get_all("Provides-Extra") or ())


@pytest.mark.usefixtures("quick")
def test_missing_extras_come_with_their_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda module: None)
    found = doctor.run()
    assert found.extras == dict.fromkeys(extras_of_the_package(), False)
    assert found.advice == (
        "For other backbones' weights, and training networks: pip install torch --index-url "
        'https://download.pytorch.org/whl/cpu && pip install "fovea-vision[torch]"',
        "For Keras 3 models (keras); reading HEIC pictures (heic); pictures inside parquet files (parquet); searching hundreds of "
        "thousands of pictures in milliseconds (search); maps by t-SNE (map); curves in TensorBoard (track): pip install "
        '"fovea-vision[keras,heic,parquet,search,map,track]"',
    )


@pytest.mark.usefixtures("quick")
def test_converted_weights_are_listed_and_what_is_none_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = cache_folder() / "backbones" / "good", cache_folder() / "backbones" / "bad"
    for folder in (good, bad):
        folder.mkdir(parents=True)
    card = BackboneCard(
        name="net", structure="s", weights_sha256="", stages=(), preprocess=Preprocess(8, 8), licence="MIT"
    )
    real = doctor.read_card
    monkeypatch.setattr(doctor, "read_card", lambda folder: card if folder == good else real(folder))
    assert doctor.run().weights_on_disk == ("fovea-tiny (embedded)", f"net ({good})")


@pytest.mark.usefixtures("quick")
def test_progress_reaches_its_end() -> None:
    told: list[tuple[str, int, int]] = []
    doctor.run(progress=lambda *step: told.append(step))
    assert told == [("self-test", done, 3) for done in range(4)]


@pytest.mark.usefixtures("quick")
def test_a_notebook_shows_each_part_of_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_try_probe", broken)
    html = doctor.run()._repr_html_()
    assert "A part of the self-test failed." in html
    assert "engine</th><td>fine: tried</td>" in html
    assert "probe</th><td>FAILED: BackboneError: The embedded network is gone.</td>" in html


def test_downloaded_weights_are_listed_and_a_chosen_default_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fovea.features import KNOWN, write_default

    monkeypatch.setenv("FOVEA_WEIGHTS", str(tmp_path))
    with (tmp_path / KNOWN["resnet18"].file).open("wb") as file:
        file.truncate(KNOWN["resnet18"].n_bytes)
    write_default("resnet18")
    result = doctor.run()
    assert f"resnet18 ({tmp_path / 'resnet18-v1-7.onnx'})" in result.weights_on_disk
    assert result.advice[-1] == "Default backbone: resnet18, chosen with `fovea backbones use`"


def test_damaged_settings_are_told_and_the_rest_is_examined(tmp_path: Path) -> None:
    from fovea.features import config_file

    config_file().parent.mkdir(parents=True)
    config_file().write_text("[]")
    result = doctor.run()
    assert result.is_fine
    assert "it holds no JSON object" in result.advice[-1]
