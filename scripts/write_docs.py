"""Write docs/cli.md from the commands' own --help; with --check, fail where the file differs."""

import sys
from pathlib import Path

import click

from fovea.cli import COMMANDS, group

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "cli.md"
HEAD = """# Commands

Written by `make docs` from the commands' own `--help`. What `--json` prints stands in [json.md](json.md).
"""


def main() -> None:
    page = render()
    if "--check" not in sys.argv:
        PAGE.write_text(page)
    elif not PAGE.exists() or PAGE.read_text() != page:
        sys.exit(f"{PAGE.relative_to(ROOT)} differs from what --help says. Run: make docs")


def render() -> str:
    """Return the page: the group's help, then every command's."""
    parts = [HEAD, section("fovea", group, parent=None)]
    with click.Context(group, info_name="fovea", **group.context_settings) as parent:
        for name in COMMANDS:
            command = group.get_command(parent, name)
            if command is not None:
                parts.append(section(f"fovea {name}", command, parent=parent))
    return "\n".join(parts)


def section(title: str, command: click.Command, *, parent: click.Context | None) -> str:
    settings = {"max_content_width": 100, "terminal_width": 100, **command.context_settings}
    context = click.Context(command, info_name=title.rpartition(" ")[2], parent=parent, **settings)
    with context:
        return f"## {title}\n\n```\n{command.get_help(context).rstrip()}\n```\n"


if __name__ == "__main__":
    main()
