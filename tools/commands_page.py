"""docs/commands.md, from what every command says of itself; ``python tools/commands_page.py`` writes it."""

import sys

import click

from alb_core.base.paths import suite_root
from alb_core.cli.main import cli

PAGE = suite_root() / "docs" / "commands.md"
WIDTH = 100

HEAD = """# Commands

What `alb COMMAND --help` prints, written by `python tools/commands_page.py` and held true by `tests/test_docs.py`.
Exit status of all: 0 done, 1 found wanting, 2 bad input, 3 could not measure, 130 interrupted.

asv's own commands (`asv run`, `continuous`, `compare`, `publish`, `preview` and more) describe themselves the same way;
what they find made for them is in the [README](../README.md).
"""


def commands(command=cli, name="alb", parent=None):
    """Yield the context of each command that ``--help`` names, groups before what is in them."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            found = command.get_command(context, word)
            if not found.hidden:
                yield from commands(found, word, context)


def page():
    """Return the page's text."""
    sections = [HEAD]
    for context in commands():
        level = "##" if context.parent is None or context.parent.parent is None else "###"
        sections.append(f"{level} {context.command_path}\n\n```text\n{context.get_help()}\n```\n")
    return "\n".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(PAGE, file=sys.stderr)
