"""`fovea predict`: parse, call the task, print."""

from typing import TYPE_CHECKING, Any

import click

from fovea.cli.console import Console, common_options, plain
from fovea.tasks import predict

if TYPE_CHECKING:
    from fovea.model import AnyPrediction

SHOWN = 40


@click.command(short_help="Classes and probabilities of pictures.")
@click.argument("model", metavar="RUN_OR_NETWORK", type=click.Path())
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@click.option(
    "--csv", type=click.Path(dir_okay=False), help="Write the answers here; a killed run continues."
)
@click.option(
    "--html", type=click.Path(dir_okay=False), help="Write a page of the answers: bars under each picture."
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    help="Tell only the N likeliest classes.  [default: all of a run's, 5 of a network's own]",
)
@click.option(
    "--sure",
    type=float,
    help="Answer dog in place of pug, say, where only that is as probable as this, such as 0.9 (WordNet's classes only).",
)
@click.option(
    "--compute",
    type=click.Choice(["auto", "bf16", "f32"]),
    default="auto",
    show_default=True,
    help="What the network computes in; auto: as it was saved.",
)
@common_options
def command(console: Console, model: str, inputs: tuple[str, ...], **options: Any) -> None:
    """Tell the classes of pictures.

    By a run: its classes with calibrated probabilities, "unsure", "unlike anything seen". By a network as it comes (a
    name that `fovea backbones` lists, or a file of weights): the classes that it was trained on, such as ImageNet's.

    \b
    Example:
      fovea predict runs/first a.jpg folder
      fovea predict runs/first folder --csv out.csv
      fovea predict mobilenetv2 folder --top 5 --html page.html
      fovea predict mobilenetv2 folder --sure 0.9
    """
    config = predict.Config(
        model=model, inputs=inputs, threads=console.threads, offline=console.offline, **options
    )
    result = predict.run(config, progress=console.progress)
    console.show(result, lambda: _lines(result, top=options["top"]))
    for note in result.notes:  # not on stdout, where --json has rows alone
        click.echo(f"Note: {plain(note)}", err=True)


def _lines(result: predict.Result, *, top: int | None) -> list[str]:
    from fovea.manifest import with_words

    answers = result.predictions[:SHOWN]
    paths = [plain(one.path) for one in answers]
    classes = [plain(with_words(one.answer[0] or "-")) for one in answers]
    path_width, class_width = max(map(len, paths), default=0), max(map(len, classes), default=0)
    lines = []
    for path, class_name, one in zip(paths, classes, answers, strict=True):
        probability = one.answer[1]
        sure = "" if probability is None else f"{probability:.3f}"
        beside = "; ".join(part for part in (one.remark, _others(one, is_asked=top is not None)) if part)
        line = f"{path:<{path_width}}  {class_name:<{class_width}}  {sure:<5}  {plain(beside)}"
        lines.append(line.rstrip())
    if result.csv is not None or result.n_pictures > len(answers):
        lines += [*([""] if lines else []), *_summary(result)]
    if result.html is not None:
        lines += [f"Page: {plain(result.html)}"]
    return lines


def _others(one: "AnyPrediction", *, is_asked: bool) -> str:
    """Name the likeliest classes beside the answer: those asked for, or the one that a hedged answer stands for."""
    from fovea.manifest import with_words

    answer, likeliest = one.answer[0], one.likeliest()
    is_hedged = answer not in ("", getattr(one, "class_name", answer))
    beside = [(name, p) for name, p in likeliest if name != answer] if is_asked else likeliest[:is_hedged]
    told = ", ".join(f"{with_words(name)} {p:.3f}" for name, p in beside)
    return f"likeliest: {told}" if is_hedged else told


def _summary(result: predict.Result) -> list[str]:
    from fovea.manifest import with_words

    counts = sorted(result.classes.items(), key=lambda item: -item[1])
    named = [f"{plain(with_words(name))} {n:,}" for name, n in counts if n]
    told = ", ".join(named[:SHOWN]) + (f" and {len(named) - SHOWN:,} more" if len(named) > SHOWN else "")
    resumed = f" ({result.n_resumed:,} of them from an interrupted run)" if result.n_resumed else ""
    where = "--csv FILE or --json gives every row" if result.csv is None else f"rows in {plain(result.csv)}"
    judged = ((result.n_unsure, "unsure"), (result.n_unlike, "unlike anything seen"))
    beside = [f"{n:,} {what}, " for n, what in judged if n is not None]
    return [
        f"{result.n_pictures:,} pictures{resumed}{': ' if told else ''}{told}",
        f"{''.join(beside)}{result.n_problems:,} could not be read",
        where,
    ]
