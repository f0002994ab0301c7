"""Labels that a person corrected: learned as corrected, said, kept with the run; the pictures stay as they are."""

from pathlib import Path

import pytest

from fovea.errors import InputError
from fovea.tasks.average import average
from fovea.tasks.train.train import train


@pytest.fixture
def fixes(photos: Path, tmp_path: Path) -> Path:
    """Return fixes of two pictures of the first class, one without an answer, as a spreadsheet gives them back."""
    first, second, third = sorted(path.relative_to(photos).as_posix() for path in photos.glob("*/*.png"))[:3]
    other = sorted(path.name for path in photos.iterdir())[1]
    file = tmp_path / "fixes.csv"
    file.write_text(f"path;label;suggested\n{first};{other};{other}\n{second};-;{other}\n{third};;{other}\n")
    return file


def listing(folder: Path) -> list[tuple[str, bytes]]:
    return [(str(path), path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]


def test_corrected_labels_are_learned_and_told(photos: Path, fixes: Path, tmp_path: Path) -> None:
    before = listing(photos)
    done = train(photos, out=tmp_path / "run", fixes=fixes)
    assert any(
        note.startswith("fixes.csv applied: 1 label corrected (1 from ") for note in done.metrics["notes"]
    )
    assert "fixes.csv applied: 1 label corrected" in done.report.read_text()
    rows = [
        line.split(",") for line in (done.folder / "manifest.csv").read_text("utf-8-sig").splitlines()[1:]
    ]
    changed, left_out = rows[0], rows[1]
    assert changed[2] != changed[0].split("/")[0]
    assert left_out[5] == "left out: fixes.csv says that it belongs to no class"
    assert (done.folder / "fixes.csv").read_text("utf-8-sig").splitlines()[0] == "path,label,given"
    assert listing(photos) == before


def test_runs_on_corrected_labels_are_averaged_on_them(photos: Path, fixes: Path, tmp_path: Path) -> None:
    runs = [train(photos, out=tmp_path / name, fixes=fixes).folder for name in ("one", "two")]
    fixes.unlink()
    done = average(runs, out=tmp_path / "mean")
    assert any(note.startswith("fixes.csv applied: 1 label corrected") for note in done.metrics["notes"])


def test_fixes_of_other_pictures_are_refused_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "fixes.csv").write_text("path,label\nnowhere/1.jpg,cat\n")
    with pytest.raises(InputError, match=r"row 2: there is no picture 'nowhere/1\.jpg'"):
        train(photos, out=tmp_path / "run", fixes=tmp_path / "fixes.csv")
    assert not (tmp_path / "run").exists()


def test_fixes_cannot_go_with_numbers(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--fixes cannot go with --target regression"):
        train(photos, out=tmp_path / "run", fixes=tmp_path / "fixes.csv", target="regression")
