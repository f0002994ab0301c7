"""A model to be worked out by hand: its network averages the colours of a picture, its head weighs them.

Classes "blue", "green", "red": the logit of each is 4 (c - 0.5), c the mean of its channel from 0 to 1.
"""

from pathlib import Path

import numpy as np

from fovea.features import BackboneCard, Encoder, Preprocess, Stage, load_encoder
from fovea.features.card import write_card
from fovea.features.openvino import _import_openvino
from fovea.judge import CalibrationScores, fit_novelty
from fovea.learn import Head
from fovea.model import DataFacts, ModelParts, Thresholds

CLASS_NAMES = ("blue", "green", "red")
SIDE_PX = 16


def colour_encoder(folder: Path, *, precision: str = "f32") -> Encoder:
    """Write the network into `folder` and open it: features (n, 4), means of R, G, B and the brightest."""
    openvino = _import_openvino()
    from openvino import opset13 as op

    folder.mkdir(parents=True)
    pixels = op.parameter([-1, -1, -1, 3], np.uint8, name="pixels")
    scaled = op.multiply(op.convert(pixels, "f32"), op.constant(np.float32(1 / 255)))
    mean = op.reduce_mean(scaled, np.array([1, 2]), keep_dims=False)
    brightest = op.reshape(
        op.reduce_max(scaled, np.array([1, 2, 3]), keep_dims=False), np.array([-1, 1]), False
    )
    model = openvino.Model([op.concat([mean, brightest], 1)], [pixels], "colours")
    openvino.save_model(model, folder / "network.xml", compress_to_fp16=False)
    card = BackboneCard(
        name="colours",
        structure="colours-1",
        weights_sha256="0" * 64,
        stages=(Stage("mean", 0, 3), Stage("max", 3, 4)),
        preprocess=Preprocess(SIDE_PX, SIDE_PX, "crop"),
        licence="CC0-1.0",
        precision=precision,
    )
    write_card(folder, card)
    return load_encoder(folder, precision=precision)


def colour_head() -> Head:
    """Return the head: channel c of the picture's mean against 0.5."""
    weights = np.zeros((3, 4), np.float32)
    weights[[0, 1, 2], [2, 1, 0]] = 4  # blue, green, red look at B, G, R
    mean = np.array([0.5, 0.5, 0.5, 0], np.float32)
    scale = np.array([1, 1, 1, 0], np.float32)
    return Head(weights, np.zeros(3, np.float32), mean, scale, CLASS_NAMES, penalty=1.0)


def colour_parts(encoder: Encoder, *, novelty: bool = True, unsure: float = 0.5) -> ModelParts:
    """Return everything a model folder is made of."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 40)
    features = rng.uniform(0, 1, (120, 4)).astype(np.float32)
    predicted = labels.copy()
    predicted[::10] = (labels[::10] + 1) % 3
    return ModelParts(
        encoder=encoder,
        head=colour_head(),
        temperature=1.5,
        thresholds=Thresholds(unsure=unsure, precision=0.95, confidence=0.9),
        calibration=CalibrationScores(rng.uniform(0.4, 1, 120), predicted == labels, predicted),
        data=DataFacts(
            fingerprint="f" * 64,
            n_train=120,
            n_valid=30,
            classes=dict.fromkeys(CLASS_NAMES, 40),
            source="/home/me/photos",
        ),
        novelty=fit_novelty(features, labels, folds=np.arange(120) % 3) if novelty else None,
        seed=7,
        settings={"valid_share": 0.2},
        metrics={
            "accuracy": 0.9,
            "accuracy_interval": [0.84, 0.94],
            "baseline_accuracy": 1 / 3,
            "ece": 0.031,
        },
    )
