"""The command line: one command a verb; each parses, calls its task and prints. Commands are imported when they are used."""

import io
import sys
from importlib import import_module

import click

from fovea import __version__
from fovea.cli.console import report_error

INTERRUPTED = "stopped before it was done; nothing of yours is half written. Give the same command to go on."
COMMANDS = {
    "check": "What is in a folder of pictures, what is broken, what is twice.",
    "duplicates": "Pictures that are there more than once, and what could go.",
    "suspects": "Which labels are likely wrong, with the evidence.",
    "cluster": "Pictures without labels into groups, to be looked at and named.",
    "map": "Pictures laid out on a page, alike ones together.",
    "next": "Which pictures to label next, and whether more labels pay.",
    "filter": "Scraped pictures into wanted, junk and unsure, by a few labels.",
    "train": "A folder of pictures in; a checked, saved classifier out.",
    "pseudolabel": "A run learns from unlabelled pictures where that does not hurt.",
    "average": "One model of several runs: their answers' mean, judged anew.",
    "distil": "A small network from a large one's answers.",
    "curve": "How accuracy grows with labels, and what twice as many bring.",
    "evaluate": "The same figures on new labelled pictures.",
    "predict": "Classes and probabilities of pictures.",
    "sort": "Pictures into class folders at a stated precision, or undo it.",
    "index": "Keep a catalogue's pictures ready to be searched.",
    "similar": "The pictures that look most like another.",
    "augment": "What training will see of a picture: augmented copies.",
    "backbones": "Networks to take features with: list, get, use, show.",
    "cache": "Where stored features are, how large; clear what is not used.",
    "doctor": "Versions, processor, engine, and a self-test in seconds.",
    "data": "Write a named data set out as a folder of pictures.",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of a user's day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None where there is no such name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"fovea.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command and offer the closest name where there is none."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(COMMANDS)}."
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fovea")
def group() -> None:
    """Turn a folder of pictures into a checked, calibrated, saved classifier.

    \b
    Example:
      fovea train photos --out runs/first
      fovea predict runs/first new.jpg
    """


def main() -> None:
    """Run the command line and exit: 0 done, 1 a user's mistake, 2 wrong usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="replace"
            )  # a terminal that knows no "×" shows "?" and the work is not lost
    try:
        sys.exit(group.main(standalone_mode=False))  # what --help and --version answer, or None
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        report_error(
            str(error.__cause__ or error) or INTERRUPTED
        )  # click wraps the interrupt that we explain
        sys.exit(130)
