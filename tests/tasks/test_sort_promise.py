"""`fovea sort --precision`: what is promised, and whether labelled pictures bear it out."""

from pathlib import Path

import numpy as np
import pytest
from by_name import ByName, calibration, config
from click.testing import CliRunner

from fovea.cli import sort as cli_sort
from fovea.errors import InputError
from fovea.judge import CalibrationScores, threshold_for_precision
from fovea.model import Prediction
from fovea.tasks import sort
from fovea.tasks.sort_rule import check_rule, plain_rule, promised_rule

pytestmark = pytest.mark.usefixtures("answers_by_name")


def test_precision_takes_the_threshold_from_the_calibration(scraped: Path) -> None:
    result = sort.run(config(scraped, precision=0.9))

    assert result.rule.thresholds["cat"] == result.rule.thresholds["dog"]
    assert result.rule.thresholds["cat"] is not None
    assert result.rule.thresholds["cat"] < 0.8
    assert result.rule.text.startswith(
        "With 95 % confidence at least 90 % of the accepted pictures are right,"
    )


def test_a_precision_out_of_reach_says_how_many_more_and_what_is_supported(
    scraped: Path, answers_by_name: ByName
) -> None:
    answers_by_name.calibration = calibration(60, n_wrong=0)
    found = threshold_for_precision(
        answers_by_name.calibration.top, answers_by_name.calibration.correct, precision=0.99
    )
    with pytest.raises(InputError) as caught:
        sort.run(config(scraped, precision=0.99))
    # exact binomial, none wrong: 60 pictures support 0.95 (0.95 ** 59 < 0.05 < 0.955 ** 60)
    assert str(caught.value) == (
        f"{found.text} The best they support is --precision 0.95, which 100 % of them reach."
    )
    assert not (scraped.parent / "into").exists()


def test_per_class_sends_unsupported_classes_to_unsure(scraped: Path) -> None:
    scores = calibration(400, n_wrong=0)
    rare = CalibrationScores(scores.top, scores.correct, (np.arange(400) < 10).astype(np.int64))
    rule = promised_rule(rare, ("cat", "dog"), precision=0.95, confidence=0.95, per_class=True)

    assert rule.thresholds["cat"] is not None
    assert rule.refusal(Prediction("a", "dog", 1.0)) == "unsure: no threshold can be promised for this class"
    assert rule.text == (
        "For each class by itself: with 95 % confidence at least 95 % of the accepted pictures are right, if "
        "they are drawn like the calibration ones. They cannot support it for 'dog' (some 49 more labelled "
        "ones would): all answered so go to unsure."
    )


def test_per_class_without_any_support_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        promised_rule(
            calibration(70, n_wrong=0), ("cat", "dog"), precision=0.95, confidence=0.95, per_class=True
        )
    assert str(caught.value).startswith("No class supports the promise by itself. 35 calibration pictures")
    assert "Without --per-class: The best they support is" in str(caught.value)


def test_a_precision_that_is_no_share_is_refused(scraped: Path) -> None:
    with pytest.raises(InputError) as caught:
        sort.run(config(scraped, precision=98))
    assert (
        str(caught.value) == "--precision is 98; it must lie between 0 and 1, for example --precision 0.95."
    )


@pytest.mark.parametrize(
    ("n_right", "n", "told"),
    [
        (100, 100, "The promise of 0.95 holds here."),
        (10, 30, "The promise of 0.95 does NOT hold here: they are of another kind."),
        (20, 20, "Too few to tell whether the promise of 0.95 holds here: label more of them."),
    ],
)
def test_labelled_pictures_tell_whether_the_promise_holds(n_right: int, n: int, told: str) -> None:
    rule = promised_rule(
        calibration(400, n_wrong=0), ("cat",), precision=0.95, confidence=0.95, per_class=False
    )
    answers = [Prediction(str(i), "cat", 1.0) for i in range(n)]
    labels = ["cat"] * n_right + ["junk"] * (n - n_right)

    assert told in check_rule(rule, answers, labels).text


def test_the_check_counts_only_accepted_answers_with_the_exact_interval() -> None:
    answers = [Prediction("a", "cat", 0.9)] * 10 + [Prediction("b", "cat", 0.1)] * 5
    check = check_rule(plain_rule(("cat",), threshold=0.5), answers, ["cat"] * 8 + ["fish"] * 7)

    # Clopper and Pearson, 8 of 10: 0.4439 to 0.9748 (R: binom.test(8, 10)$conf.int)
    assert check.interval == pytest.approx((0.44390, 0.97479), abs=1e-5)
    assert check.text == (
        "Of 15 labelled pictures 10 are accepted, 8 of them right: 80.0 % (95 % interval 44.4 % to 97.5 %). "
        "7 of them are of classes that the model does not know ('fish')."
    )


def test_labelled_pictures_are_read_from_a_table(scraped: Path, tmp_path: Path) -> None:
    table = tmp_path / "labelled.csv"
    table.write_text("path,label\nscraped/cat-0.9.png,cat\nscraped/dog-0.8.png,cat\n")

    check = sort.run(config(scraped, labelled=table)).check

    assert check is not None
    assert (check.n_labelled, check.n_accepted, check.n_right) == (2, 2, 1)


def test_labelled_pictures_of_given_splits_are_all_read(scraped: Path, tmp_path: Path) -> None:
    for place, name in (("train/cat", "cat-0.9"), ("valid/dog", "dog-0.8")):
        (tmp_path / "labelled" / place).mkdir(parents=True)
        (scraped / f"{name}.png").rename(tmp_path / "labelled" / place / f"{name}.png")

    check = sort.run(config(scraped, labelled=tmp_path / "labelled")).check

    assert check is not None
    assert (check.n_labelled, check.n_right) == (2, 2)


@pytest.mark.parametrize("how", [["--per-class"], ["--confidence", "0.95"]])
def test_how_to_promise_without_a_precision_is_wrong_usage(scraped: Path, how: list[str]) -> None:
    into = scraped.parent / "into"
    done = CliRunner().invoke(cli_sort.command, ["model", str(scraped), "--into", str(into), *how])
    assert done.exit_code == 2
    assert done.output.endswith(
        "Error: --per-class and --confidence say how --precision is promised: give --precision too.\n"
    )
    assert not into.exists()
