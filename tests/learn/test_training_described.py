"""What a plan says of the settings: all that is in effect, nothing that is off."""

import pytest

pytest.importorskip("torch")

from fovea.learn.training import Looping, Optimisation, Regularisation, Training
from fovea.learn.training.described import describe_settings

LOOPING = Looping(epochs=3, batch_size=16, device="cpu", precision="f32")


def test_what_is_left_alone_is_told_as_it_will_be() -> None:
    assert describe_settings(Training(looping=LOOPING), n_pictures=100) == (
        "3 epochs in batches of 16; adamw at 0.001, weight decay 0.01, schedule 'cosine', warm-up 5 %, clip 1; in f32 on cpu."
    )


def test_every_setting_that_is_on_is_told() -> None:
    settings = Training(
        Optimisation(
            "nesterov", lr=0.05, weight_decay=5e-4, schedule="step", warmup=0.1, clip=0.5, step_size=2
        ),
        Regularisation(0.1, mixup=0.2, cutmix=1.0, dropout=0.3, drop_path=0.4, ema=0.999, balance=True),
        Looping(1, batch_size=0, patience=4, device="cpu", precision="f32", compile=True),
    )
    assert describe_settings(settings, n_pictures=1234) == (
        "1 epoch with all 1,234 pictures a step; nesterov at 0.05, momentum 0.9, weight decay 0.0005, schedule 'step', times 0.1 "
        "every 2 epochs, warm-up 10 %, clip 0.5; dropout 0.3, drop path 0.4, smoothing 0.1, mixup 0.2, CutMix 1, EMA 0.999, "
        "classes balanced, patience 4; in f32 on cpu, compiled."
    )


def test_what_is_off_or_not_in_effect_is_not_told() -> None:
    off = Training(
        Optimisation(
            "sgd", schedule="one-cycle", clip=None
        ),  # it rises by itself; plain descent has no momentum
        Regularisation(0.0, mixup=0.0, cutmix=1.0, dropout=0.0, ema=0.0),
        LOOPING,
    )
    told = describe_settings(off, n_pictures=16, mixes_pictures=False)
    assert told == "3 epochs with all 16 pictures a step; sgd at 0.1, schedule 'one-cycle'; in f32 on cpu."


def test_of_numbers_no_smoothing_is_told_for_there_is_none() -> None:
    smoothed = Training(regularisation=Regularisation(0.1), looping=LOOPING)
    assert "; smoothing 0.1; in" in describe_settings(smoothed, n_pictures=100, kind="labels")
    assert "smoothing" not in describe_settings(smoothed, n_pictures=100, kind="values")


def test_the_fast_recipes_muon_has_a_momentum_and_decays_of_its_own() -> None:
    settings = Training(
        Optimisation("muon", lr=0.24, momentum=0.6, weight_decay=0.1, clip=None), looping=LOOPING
    )
    own, usual = (describe_settings(settings, n_pictures=100, has_own_muon=one) for one in (True, False))
    assert "; muon at 0.24, momentum 0.6, schedule 'cosine'" in own
    assert "; muon at 0.24, weight decay 0.1, schedule 'cosine'" in usual
