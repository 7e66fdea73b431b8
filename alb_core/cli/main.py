"""Entry point of ``alb``: subcommands, and one clear line for a user's mistake."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

import click

from alb_core import __version__
from alb_core.base.errors import AlbError
from alb_core.cli.bisect import bisect
from alb_core.cli.build import build
from alb_core.cli.calibrate import calibrate
from alb_core.cli.campaign import campaign
from alb_core.cli.compare_loaders import compare_loaders
from alb_core.cli.data import data
from alb_core.cli.data_loader import data_loader
from alb_core.cli.download import download
from alb_core.cli.history import history
from alb_core.cli.machines import machines
from alb_core.cli.plot import plot
from alb_core.cli.quickstart import quickstart
from alb_core.cli.read_chunks import read_chunks
from alb_core.cli.verdict import verdict
from alb_core.loader.prefetch import threads_running


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="alb")
def cli() -> None:
    """Measure how fast, and in how much memory, cells get from TileDB-SOMA into a PyTorch batch."""


_COMMANDS = (
    *(quickstart, verdict, bisect, calibrate, campaign, read_chunks, data_loader, compare_loaders, download, plot),
    *(data, history, machines, build),
)

for command in _COMMANDS:
    cli.add_command(command)


def _refuse_empty(words: Sequence[str]) -> None:
    """Refuse words with nothing in them, as a shell makes of a variable that is not set."""
    for before, word in zip(("alb", *words), words, strict=False):
        if not word or re.fullmatch("--[a-z-]+=", word):
            raise AlbError(
                f"nothing stands after {word.rstrip('=') or before}, expected a value: is a variable not set?"
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``alb`` and exit: 0 done, 1 found wanting, 2 bad input, 3 could not measure, 130 interrupted."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _refuse_empty(words)
        status = cli.main(args=words, prog_name="alb", standalone_mode=False)
    except AlbError as error:
        print(f"alb: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        sys.exit(0)
    except click.ClickException as error:
        print(f"alb: {error.format_message()}", file=sys.stderr)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        print("alb: interrupted", file=sys.stderr)
        if threads_running():
            # A thread is in a read of TileDB, which cannot be stopped: end without waiting for it or cleaning up.
            sys.stdout.flush()
            os._exit(130)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
