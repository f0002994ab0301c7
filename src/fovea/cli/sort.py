"""`fovea sort`: parse, call the task, print."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fovea.cli.console import Console, common_options, require_precision

if TYPE_CHECKING:
    from fovea.tasks.sort import Result, UndoResult

FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=FOLDER, required=False)
@click.argument("scraped", type=FOLDER, required=False)
@click.option("--into", type=FOLDER, help="Folder to fill: new, empty, or of an earlier sort.")
@click.option("--copy", "how", flag_value="copy", default="copy", help="Copy the pictures.  [default]")
@click.option("--link", "how", flag_value="link", help="Hard links; symbolic ones across file systems.")
@click.option("--move", "how", flag_value="move", help="Move the pictures; --undo moves them back.")
@click.option(
    "--precision", type=float, help="Share of right ones promised among the accepted, such as 0.98."
)
@click.option("--confidence", type=float, default=0.95, show_default=True, help="How surely it is promised.")
@click.option("--per-class", is_flag=True, help="Promise it for each class by itself.")
@click.option(
    "--labelled",
    type=FOLDER,
    help="A few labelled pictures of this kind: class folders, or a table path,label.",
)
@click.option("--undo", type=FOLDER, help="Take back what a sort put into this folder.")
@common_options
def command(
    console: Console, model: Path | None, scraped: Path | None, undo: Path | None, **options: object
) -> None:
    """Put pictures into class folders, and what is unsure or unlike anything seen into unsure/.

    Nothing is overwritten; unreadable files stay where they are; sorted.csv says what went where. The same
    command again goes on where it was stopped.

    \b
    Example:
      fovea sort runs/first scraped --into sorted --precision 0.98
      fovea sort --undo sorted
    """
    from fovea.tasks import sort
    from fovea.tasks.options import configure

    if undo is not None:
        result = sort.undo(undo, progress=console.progress)
        console.show(result, lambda: undo_lines(result))
        return
    if model is None or scraped is None or options["into"] is None:
        raise click.UsageError("Give MODEL, SCRAPED and --into FOLDER, or --undo FOLDER.")
    require_precision(options["precision"])
    settings = {"model": model, "source": scraped, "threads": console.threads, **options}
    config = configure(sort.Config, settings)
    done = sort.run(config, progress=console.progress)
    console.show(done, lambda: sort_lines(done))


def sort_lines(result: "Result") -> list[str]:
    """Say what went where."""
    done = {"copy": "copied", "link": "linked", "move": "moved"}[result.how]
    lines = [
        f"{result.n_sorted:,} pictures {done} into class folders of {result.into}, "
        f"{result.n_unsure:,} into unsure/."
    ]
    width = max(len(f"{n:,}") for n in result.classes.values())
    lines += [f"  {n:>{width},}  {name}" for name, n in result.classes.items()]
    if result.left:
        lines.append(f"{len(result.left):,} stay where they are:")
        lines += [f"  {path}: {reason}" for path, reason in result.left[:5]]
        lines += ["  ..."] if len(result.left) > 5 else []
    lines += [*result.notes, result.rule.text]
    if result.check is not None:
        lines.append(result.check.text)
    return [*lines, f"What went where: {result.table}. Take it back: fovea sort --undo {result.into}"]


def undo_lines(result: "UndoResult") -> list[str]:
    """Say what was taken back, and what was left and why."""
    undone = result.undone
    lines = [f"{undone.n_moved_back:,} pictures moved back, {undone.n_removed:,} copies or links removed."]
    if undone.left:
        lines.append(f"{len(undone.left):,} left in {result.into}; run this again when that is settled:")
        lines += [f"  {path}: {reason}" for path, reason in undone.left]
    elif undone.folder_removed:
        lines.append(f"{result.into} is gone.")
    return lines
