"""`fovea predict`: parse, call the task, print."""

import click

from fovea.cli.console import Console, common_options, plain
from fovea.tasks import predict

SHOWN = 40


@click.command(short_help="Classes and probabilities of pictures.")
@click.argument("run", type=click.Path())
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@click.option(
    "--csv", type=click.Path(dir_okay=False), help="Write the answers here; a killed run continues."
)
@click.option(
    "--compute",
    type=click.Choice(["auto", "bf16", "f32"]),
    default="auto",
    show_default=True,
    help="What the network computes in; auto: as it was saved.",
)
@common_options
def command(console: Console, run: str, inputs: tuple[str, ...], csv: str | None, compute: str) -> None:
    """Tell the classes of pictures, with the model in RUN: probabilities, "unsure", "unlike anything seen".

    \b
    Example:
      fovea predict runs/first a.jpg folder
      fovea predict runs/first folder --csv out.csv
    """
    config = predict.Config(model=run, inputs=inputs, csv=csv, compute=compute, threads=console.threads)
    result = predict.run(config, progress=console.progress)
    console.show(result, lambda: _lines(result))
    for note in result.notes:  # not on stdout, where --json has rows alone
        click.echo(f"Note: {plain(note)}", err=True)


def _lines(result: predict.Result) -> list[str]:
    answers = result.predictions[:SHOWN]
    paths = [plain(one.path) for one in answers]
    classes = [plain(one.class_name or "-") for one in answers]
    path_width, class_width = max(map(len, paths), default=0), max(map(len, classes), default=0)
    lines = []
    for path, class_name, one in zip(paths, classes, answers, strict=True):
        sure = "" if one.probability is None else f"{one.probability:.3f}"
        line = f"{path:<{path_width}}  {class_name:<{class_width}}  {sure:<5}  {plain(one.remark)}"
        lines.append(line.rstrip())
    if result.csv is not None or result.n_pictures > len(answers):
        lines += [*([""] if lines else []), *_summary(result)]
    return lines


def _summary(result: predict.Result) -> list[str]:
    counts = sorted(result.classes.items(), key=lambda item: -item[1])
    told = ", ".join(f"{plain(name)} {n:,}" for name, n in counts if n)
    resumed = f" ({result.n_resumed:,} of them from an interrupted run)" if result.n_resumed else ""
    where = "--csv FILE or --json gives every row" if result.csv is None else f"rows in {plain(result.csv)}"
    return [
        f"{result.n_pictures:,} pictures{resumed}: {told}",
        f"{result.n_unsure:,} unsure, {result.n_unlike:,} unlike anything seen, "
        f"{result.n_problems:,} could not be read",
        where,
    ]
