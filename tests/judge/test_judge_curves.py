"""What is said of curves that were drawn with a known fault."""

from typing import Any

import pytest

from fovea.judge.curves import Finding, diagnose
from fovea.judge.one_answer import OneAnswer


def history(
    train: list[float],
    valid: list[float],
    *,
    right: tuple[float, float] = (0.95, 0.93),
    norms: dict[str, float | None] | None = None,
    dead: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Return the JSON of a training with these losses, these accuracies in every epoch, and rate 0.1."""
    records = [
        {
            "epoch": epoch, "lr": 0.1, "train_loss": loss, "valid_loss": judged, "train_accuracy": right[0],
            "valid_accuracy": right[1], "gradient_norms": norms or {}, "dead_share": dead or {},
        }
        for epoch, (loss, judged) in enumerate(zip(train, valid, strict=True))
    ]  # fmt: skip
    best = min(range(len(valid)), key=valid.__getitem__)
    return {"records": records, "best_epoch": best, "stopped": "", "notes": []}


FALLING, JUDGED = [1.0, 0.5, 0.3, 0.25, 0.24], [1.1, 0.6, 0.4, 0.36, 0.355]


def only(document: dict[str, Any], **named: Any) -> Finding:
    (finding,) = diagnose(document, n_valid=1000, **named)
    return finding


def test_curves_that_agree_fit() -> None:
    finding = only(history(FALLING, JUDGED))
    assert finding == Finding(
        "fits", "Neither overfitting nor underfitting by more than noise: epoch 5 of 5 is kept.", ""
    )


def test_a_validation_loss_that_rises_while_training_falls_is_overfitting() -> None:
    finding = only(history([1.0, 0.5, 0.3, 0.1, 0.05], [1.1, 0.6, 0.55, 0.7, 0.8]), settings={"dropout": 0.1})
    assert finding.kind == "overfitting"
    assert finding.text == (
        "Overfitting: after epoch 3 the loss on the training pictures went on falling, from 0.3 to 0.05, while that on the "
        "validation pictures rose from 0.55 to 0.8: from there on the network learned its pictures by heart. The weights kept "
        "are those of that epoch."
    )
    assert finding.try_next == "--epochs 3 --augment strong --dropout 0.3, or more pictures"


def test_the_epoch_that_is_kept_is_named_where_it_is_not_that_of_the_lowest_loss() -> None:
    document = history([1.0, 0.5, 0.3, 0.1, 0.05], [1.1, 0.6, 0.55, 0.7, 0.8]) | {"best_epoch": 3}
    finding = only(document)
    assert finding.text.startswith("Overfitting: after epoch 3 ")
    assert finding.text.endswith(
        " The weights kept are those of epoch 4, the last one that answered as well as the best, noise aside."
    )


def test_dropout_is_not_advised_to_a_network_that_has_none() -> None:
    finding = only(
        history([1.0, 0.5, 0.3, 0.1, 0.05], [1.1, 0.6, 0.55, 0.7, 0.8]), settings={"dropout": None}
    )
    assert finding.try_next == "--epochs 3 --augment strong, or more pictures"


def test_a_gap_of_accuracies_beyond_chance_is_overfitting() -> None:
    document = history(FALLING, JUDGED, right=(1.0, 0.8))
    assert only(document).kind == "overfitting"
    assert only(document).text.startswith(
        "Overfitting: 100.0 % of the training pictures are answered right, and 80.0 % of"
    )


def test_a_gap_that_may_be_chance_is_none() -> None:
    assert diagnose(history(FALLING, JUDGED, right=(0.95, 0.85)), n_valid=20)[0].kind == "fits"


def test_mixed_training_pictures_say_nothing_of_a_gap() -> None:
    assert only(history(FALLING, JUDGED, right=(1.0, 0.86)), settings={"mixup": 0.2}) == Finding(
        "fits",
        "No overfitting is seen in the losses, and from these curves no more can be told of the fit: epoch 5 of 5 is kept.",
        "",
    )


def test_a_loss_still_falling_at_the_end_was_stopped_too_soon() -> None:
    finding = only(history([1.0, 0.8, 0.6, 0.5, 0.4], [1.1, 0.9, 0.7, 0.6, 0.5], right=(0.8, 0.78)))
    assert (finding.kind, finding.try_next) == ("stopped too soon", "--epochs 10")


@pytest.mark.parametrize(
    ("stopped", "seconds", "try_next"),
    [
        ("", None, "--epochs 10"),
        ("", 100.0, "--epochs 10"),  # five epochs took 50 s
        ("", 99.0, "--epochs 10 and a larger --budget"),
        ("seconds", 52.0, "a larger --budget"),
    ],
)
def test_where_a_budget_ended_it_a_larger_one_is_advised(
    stopped: str, seconds: float | None, try_next: str
) -> None:
    document = history([1.0, 0.8, 0.6, 0.5, 0.4], [1.1, 0.9, 0.7, 0.6, 0.5], right=(0.8, 0.78))
    for record in document["records"]:
        record["seconds"] = 10.0
    told = only(document | {"stopped": stopped}, settings={"seconds": seconds})
    assert (told.kind, told.try_next) == ("stopped too soon", try_next)


def test_a_rate_far_above_any_usual_one_is_to_be_found() -> None:
    document = history(FALLING, JUDGED, dead={"relu": 1.0})
    assert only(document, settings={"lr": 1e6}).try_next == "--lr find"
    assert only(document, settings={"lr": 10.0}).try_next == "--lr 1"


def test_an_activation_is_advised_only_where_it_can_be_chosen() -> None:
    used = {"net": "resnet18", "has_activation": False}
    dead = only(history(FALLING, JUDGED, dead={"relu": 0.5}), settings=used)
    assert dead.try_next == "--lr 0.03"
    vanishing = only(history(FALLING, JUDGED, norms={"conv1": 1e-7, "fc": 0.5}), settings=used)
    assert vanishing.try_next == "--init he, or a network with shortcuts: --net resnet20"


def test_numbers_and_labels_that_begin_at_the_probe_have_no_rate_too_low() -> None:
    still = [0.1, 0.1, 0.099, 0.099, 0.099]
    assert only(history(still, still)).kind == "fits"
    assert only(history(still, still), settings={"net": "lenet5"}).kind == "rate too low"


def test_training_pictures_that_are_not_learned_are_underfitting() -> None:
    finding = only(history([1.5, 1.1, 1.05, 1.02, 1.0], [1.5, 1.1, 1.06, 1.05, 1.04], right=(0.6, 0.59)))
    assert (finding.kind, finding.try_next) == (
        "underfitting",
        "--unfreeze all, or a larger network (--backbone)",
    )
    assert "even of the training pictures only 60.0 % are answered right" in finding.text


MEAN = OneAnswer("the mean", train=1.0, valid=1.2)


def of_numbers(train: list[float], valid: list[float]) -> dict[str, Any]:
    """Return the history of a training on numbers, of which no training accuracy is told."""
    document = history(train, valid)
    for record in document["records"]:
        record["train_accuracy"] = None
    return document


def test_numbers_that_are_hardly_learned_are_underfitting() -> None:
    finding = only(of_numbers([1.0, 0.93, 0.91, 0.9], [1.2, 1.1, 1.09, 1.085]), one_answer=MEAN)
    assert finding == Finding(
        "underfitting",
        "Underfitting: even on the training pictures only 10 % of the loss of always answering the mean is gone, and more "
        "epochs no longer helped: the network is too small for them, too little of it learns, or the pictures do not show "
        "what is asked.",
        "--unfreeze all, or a larger network (--backbone)",
    )


def test_numbers_learned_far_better_than_others_are_overfitting() -> None:
    finding = only(of_numbers([0.9, 0.2, 0.11, 0.1], [1.1, 0.7, 0.605, 0.6]), one_answer=MEAN)
    assert finding.text == (
        "Overfitting: of the loss of always answering the mean, 90 % is gone on the training pictures and 50 % on the "
        "validation pictures: what is learned holds for its own pictures more than for others."
    )


def test_numbers_and_labels_that_are_learned_fit() -> None:
    learned = of_numbers([0.9, 0.2, 0.11, 0.1], [1.1, 0.3, 0.152, 0.15])
    assert only(learned, one_answer=MEAN).text.startswith("Neither overfitting nor underfitting")


def test_few_pictures_make_a_gap_of_losses_chance() -> None:
    document = of_numbers(
        [0.9, 0.3, 0.21, 0.2], [1.1, 0.5, 0.422, 0.42]
    )  # 0.8 and 0.65; 2 * 0.35 * sqrt(2 / 20) is 0.22
    assert diagnose(document, n_valid=20, one_answer=MEAN)[0].kind == "fits"
    assert diagnose(document, n_valid=1000, one_answer=MEAN)[0].kind == "overfitting"


def test_labels_that_are_always_none_are_underfitting_however_many_are_right() -> None:
    shares = OneAnswer("how frequent each label is", train=0.2, valid=0.2, least=0.1)
    finding = only(history([0.21, 0.19, 0.186, 0.185], [0.21, 0.18, 0.179, 0.178]), one_answer=shares)
    assert (finding.kind, "only 15 % of the loss" in finding.text) == ("underfitting", True)


def test_of_numbers_of_which_nothing_else_is_known_neither_is_not_said() -> None:
    document = of_numbers([1.0, 0.93, 0.91, 0.9], [1.2, 1.1, 1.09, 1.085])
    assert only(document).text.startswith("No overfitting is seen in the losses, and from these curves ")


def test_a_class_that_is_nearly_all_is_no_proof_that_others_are_learned() -> None:
    document = history([0.3, 0.2, 0.197, 0.196], [0.3, 0.2, 0.199, 0.198], right=(0.97, 0.969))
    finding = only(document, chance=0.96)
    assert finding.text.startswith(
        "Underfitting: even of the training pictures only 97.0 % are answered right, where 96.0 % would be by the commonest class "
        "alone, and"
    )
    assert only(document, chance=0.96, settings={"balance": True}).kind == "fits"


def test_a_student_is_held_against_its_teacher() -> None:
    document = history(FALLING, JUDGED, right=(0.99, 0.8))
    finding = only(document, settings={"teacher": 0.95, "net": "lenet5"})
    assert finding.text == (
        "Overfitting: 99.0 % of the training pictures are answered as the teacher answers them, and 80.0 % of the validation "
        "pictures are answered right, where the teacher is right on 95.0 %: what is learned holds for its own pictures more than "
        "for others."
    )
    assert finding.try_next == "--augment strong --dropout 0.2, or more pictures (--unlabelled)"


def test_a_student_as_good_as_its_teacher_fits() -> None:
    assert only(history(FALLING, JUDGED, right=(0.99, 0.8)), settings={"teacher": 0.8}).kind == "fits"


def test_a_student_that_does_not_answer_as_its_teacher_underfits() -> None:
    document = history([1.5, 1.1, 1.05, 1.02, 1.0], [1.5, 1.1, 1.06, 1.05, 1.04], right=(0.6, 0.59))
    finding = only(document, settings={"teacher": 0.95, "net": "lenet5"})
    assert "only 60.0 % are answered as the teacher answers them, and more epochs" in finding.text


def test_a_training_loss_that_jumps_has_too_high_a_rate() -> None:
    finding = only(history([1.0, 2.0, 1.2, 2.5, 2.0], [1.0, 2.0, 1.2, 2.5, 2.0]))
    assert (finding.kind, finding.try_next) == ("rate too high", "--lr 0.03")
    assert "rose in 2 of 4 epochs and ended at 2 after 1 in the first" in finding.text


def test_a_loss_that_stays_has_too_low_a_rate() -> None:
    still = [2.303, 2.302, 2.301, 2.3, 2.299]
    finding = only(history(still, still, right=(0.11, 0.1)), chance=0.1, settings={"lr": 1e-6})
    assert (finding.kind, finding.try_next) == ("rate too low", "--lr 1e-05")


def test_of_a_loss_that_stays_among_dead_units_no_higher_rate_is_advised() -> None:
    still = [1.01, 1.0, 1.0, 0.999, 0.998]
    document = history(still, still, right=(0.11, 0.1), dead={"relu": 0.75})
    told = diagnose(document, n_valid=1000, chance=0.1, settings={"lr": 3e-3, "net": "lenet5"})
    assert [one.kind for one in told] == ["dead units", "underfitting"]
    assert told[0].try_next == "--lr 0.001 --activation leaky"


def test_a_fine_tuning_that_began_right_has_no_rate_too_low() -> None:
    still = [0.1, 0.1, 0.099, 0.099, 0.099]
    assert only(history(still, still), chance=0.1).kind == "fits"


@pytest.mark.parametrize("norm", [5e4, None])
def test_a_gradient_out_of_bounds_explodes(norm: float | None) -> None:
    finding = only(history(FALLING, JUDGED, norms={"conv1": 1.0, "conv2": norm}))
    assert (finding.kind, finding.try_next) == ("exploding gradients", "--lr 0.03 --clip 1")
    assert "in the layer 'conv2'" in finding.text


def test_a_first_layer_that_hardly_learns_has_vanishing_gradients() -> None:
    finding = only(history(FALLING, JUDGED, norms={"conv1": 1e-7, "conv2": 0.01, "fc": 0.5}))
    assert finding.kind == "vanishing gradients"
    assert finding.text == (
        "Gradients vanish on their way down: in the first layer, 'conv1', they have a length of 1e-07, in 'fc' of 0.5. "
        "The first layers hardly learn."
    )


def test_layers_of_dead_units_are_named_worst_first() -> None:
    finding = only(
        history(FALLING, JUDGED, dead={"relu1": 0.5, "relu2": 0.9, "relu3": 0.1}), settings={"net": "mlp"}
    )
    assert (finding.kind, finding.try_next) == ("dead units", "--lr 0.03 --activation leaky")
    assert finding.text == (
        "90 % of the units of the layer 'relu2' are dead: they answer 0 to every picture and cannot learn again; "
        "so are many in 'relu1'."
    )


def test_a_layer_that_lets_nothing_through_is_the_one_cause_told() -> None:
    still = [2.31, 2.3, 2.3, 2.3, 2.3]
    document = history(still, still, right=(0.1, 0.1), norms={"conv": 0.0, "fc": 0.4}, dead={"relu": 1.0})
    assert (only(document, chance=0.1).kind, only(document).try_next) == ("dead units", "--lr 0.01")


def test_gradients_that_vanish_explain_a_loss_that_stays() -> None:
    still = [2.31, 2.3, 2.3, 2.3, 2.3]
    document = history(still, still, right=(0.1, 0.1), norms={"conv": 1e-9, "fc": 0.4})
    assert only(document, chance=0.1).kind == "vanishing gradients"


def test_a_short_training_with_a_flat_end_was_stopped_too_soon() -> None:
    losses = [2.2, 1.92, 1.9]
    assert only(history(losses, losses, right=(0.7, 0.7))).kind == "stopped too soon"


def test_several_faults_are_all_told() -> None:
    document = history(FALLING, JUDGED, right=(1.0, 0.7), dead={"relu1": 0.6})
    assert [finding.kind for finding in diagnose(document, n_valid=1000)] == ["dead units", "overfitting"]


def test_numbers_that_are_none_are_told_with_where() -> None:
    document = history([1.0], [1.0]) | {
        "stopped": "non-finite",
        "notes": ["Training stopped in epoch 2, step 7."],
    }
    assert only(document) == Finding(
        "non-finite", "Training stopped in epoch 2, step 7.", "--lr 0.01 --clip 1"
    )


def test_two_epochs_tell_nothing() -> None:
    finding = only(history([1.0, 0.5], [1.0, 0.6]))
    assert (finding.kind, finding.try_next) == ("too short", "--epochs 10")


def test_of_a_training_without_validation_only_failures_are_told() -> None:
    document = history(FALLING, JUDGED)
    for record in document["records"]:
        record["valid_loss"] = record["valid_accuracy"] = None
    assert diagnose(document, n_valid=0) == ()
    document["records"][-1]["train_loss"] = 2.0
    assert only(document).kind == "rate too high"
