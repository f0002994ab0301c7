"""card.md: the figures, the data, the licence, the limits; and what --private leaves out."""

from dataclasses import replace
from pathlib import Path

from colour_model import colour_parts

from fovea.features import Encoder
from fovea.model import load_model, write_model
from fovea.model.card import write_card


def card(folder: Path) -> str:
    return (folder / "card.md").read_text()


def test_card_tells_figures_with_their_interval(saved: Path) -> None:
    assert "| accuracy | 0.9000 | 0.8400 to 0.9400 |" in card(saved)
    assert "| always the commonest class | 0.3333 |  |" in card(saved)


def test_card_tells_the_data_and_its_fingerprint(saved: Path) -> None:
    assert (
        "120 training, 30 validation and 0 test pictures from `/home/me/photos`; 0 could not be used. "
        f"Fingerprint `{'f' * 64}`."
    ) in card(saved)
    assert "| green | 40 |" in card(saved)


def test_card_tells_the_licence_and_the_limits(saved: Path) -> None:
    assert "Licence of its weights: CC0-1.0." in card(saved)
    assert "It knows only the classes above." in card(saved)


def test_private_model_names_no_place_anywhere(encoder: Encoder, tmp_path: Path) -> None:
    write_model(tmp_path / "run", replace(colour_parts(encoder), private=True))
    for name in ("card.md", "model.json"):
        assert "/home/me" not in (tmp_path / "run" / name).read_text()


def test_class_name_cannot_break_the_table(saved: Path) -> None:
    document = replace(load_model(saved).document, class_names=("a|b", "c\nd"))
    text = write_card(document, metrics={})
    assert "| a\\|b | 0 |" in text
    assert "| c d | 0 |" in text


def test_card_without_figures_says_so(saved: Path) -> None:
    text = write_card(load_model(saved).document, metrics={})
    assert "None were measured." in text
