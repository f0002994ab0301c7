"""`fovea train`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options, require_precision
from fovea.cli.run_options import (
    PLACE,
    class_options,
    fixes_option,
    label_option,
    network_options,
    out_option,
    private_option,
    promise_options,
    share_option,
)
from fovea.cli.train_options import SectionedCommand, training_options
from fovea.wording import percent

if TYPE_CHECKING:
    from fovea.tasks.train.train import Run


@click.command(cls=SectionedCommand)
@click.argument("photos", type=PLACE)
@out_option
@network_options
@click.option(
    "--engine",
    type=click.Choice(["openvino", "torch"]),
    default="openvino",
    show_default=True,
    help="What computes; torch: needs the extra, and a GPU to be faster.",
)
@click.option(
    "--views",
    type=click.IntRange(1, 32),
    default=1,
    show_default=True,
    help="Views of each picture to learn from: flips, crops.",
)
@promise_options
@click.option("--since", type=PLACE, help="An earlier run: keep its splits, and say which answers changed.")
@fixes_option
@share_option
@click.option("--balance", is_flag=True, help="Weigh classes as if they were equally common.")
@class_options
@click.option(
    "--target",
    type=click.Choice(["classes", "regression", "labels"]),
    default="classes",
    show_default=True,
    help="What a label is: a class, a number, or several labels a picture (a;b).",
)
@label_option
@click.option("--group-by", metavar="COLUMN", help="Table column whose equal values stay on one side.")
@click.option(
    "--group-pattern", metavar="REGEX", help="Part of the path whose equal values stay on one side."
)
@click.option("--strict", is_flag=True, help="Refuse a table with wrong rows instead of leaving them out.")
@private_option
@training_options
@common_options
def command(console: Console, photos: Path, out: Path, **options: Any) -> None:
    """Train a classifier on PHOTOS: class folders, train/valid folders, or a table with path,label.

    Writes the model, its figures and report.html into the folder --out. Features are stored, so a run that was
    stopped continues, and training again takes seconds.

    \b
    Example:
      fovea train photos --out runs/first
      fovea train photos --out runs/second --since runs/first --merge kitten,cat=cat
      fovea train photos --out runs/tuned --budget 10m
      fovea train mnist --out runs/lenet --method scratch --net lenet5
      fovea train ages.csv --out runs/ages --target regression --label-by age
    """
    from fovea.tasks.train.train import train

    require_precision(options["precision"])
    done = train(
        photos,
        out=out,
        progress=console.progress,
        announce=console.say,
        seed=console.seed,
        threads=console.threads,
        offline=console.offline,
        **options,
    )
    console.show(done, lambda: lines(done))


def lines(done: "Run") -> list[str]:
    """Say how good it is, what to do next, and where everything is."""
    m = done.metrics
    if "target" in m:
        return target_lines(done)
    low, high = m["accuracy_interval"]
    on = "pictures it had not seen" if m["measured"] == "valid" else "pictures, cross-validated"
    first = (
        f"Right on {m['n_right']:,} of {m['n_measured']:,} {on}: accuracy {percent(m['accuracy'])} (95 % interval "
        f"{percent(low)} to {percent(high)}); always answering {m['baseline_class']!r} would reach "
        f"{percent(m['baseline_accuracy'])}."
    )
    second = _about_making(m, what=f"{len(m['class_names'])} classes")
    training = [m["training"]["text"]] if "training" in m else []
    test = m.get("test")
    third = [_about_test(test)] if test else []
    promises = [guarantee["text"] for guarantee in m["guarantees"]]
    since = [m["since"]["text"]] if "since" in m else []
    steps = [f"  - {step}" for step in m["next_steps"]]
    notes = [f"Note: {note}" for note in m["notes"]]
    return [
        first,
        second,
        *training,
        *third,
        *promises,
        *since,
        *notes,
        *(["Next:", *steps] if steps else []),
        f"Report: {done.report}",
    ]


def target_lines(done: "Run") -> list[str]:
    """Say the same of a run that tells numbers or labels."""
    from fovea.pages import TargetReport

    m, page = done.metrics, done.page
    said = ["".join(page.lead), page.ranges] if isinstance(page, TargetReport) else []
    what = f"{len(m['label_names'])} labels" if m["target"] == "labels" else f"the number {m['value_name']!r}"
    test = m.get("test")
    about_test = []
    if test and m["target"] == "labels":
        low, high = test["all_right_interval"]
        about_test = [
            f"On the test split, read once: all labels right on {percent(test['all_right'])} ({percent(low)} to {percent(high)})."
        ]
    elif test:
        about_test = [
            f"On the test split, read once: off by {test['mae']:.4g} on average on {test['n']:,} pictures; always the median "
            f"{test['baseline_mae']:.4g}."
        ]
    return [
        *(sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in said if sentence),
        _about_making(m, what=what),
        *([m["training"]["text"]] if "training" in m else []),
        *about_test,
        *(promise["text"] for promise in m.get("promises", {}).values()),
        *(f"Note: {note}" for note in m["notes"]),
        *(["Next:", *(f"  - {step}" for step in m["next_steps"])] if m["next_steps"] else []),
        f"Report: {done.report}",
    ]


def _about_making(m: dict[str, Any], *, what: str) -> str:
    rate = f"{m['images_per_second']:.0f} pictures/s" if m["n_decoded"] else "features were stored"
    return (
        f"{m['n_train']:,} pictures learned from, {what}, {m['backbone']} on {m['engine']} in {m['precision']}: "
        f"{m['seconds']['total']:.1f} s ({rate})."
    )


def _about_test(test: dict[str, Any]) -> str:
    """Say what the test split showed, and without what stands in the other splits too."""
    low, high = test["accuracy_interval"]
    said = (
        f"On the test split, read once: right on {test['n_right']:,} of {test['n']:,}, accuracy {percent(test['accuracy'])} "
        f"(95 % interval {percent(low)} to {percent(high)})"
    )
    apart = test["without_leaks"]
    if not test["n_leaked"]:
        return f"{said}."
    rest = f"; without them {percent(apart['accuracy'])}" if apart else ""
    return f"{said}; {test['n_leaked']:,} of them stand in the other splits too, or nearly so{rest}."
