"""Entry point of ``alb``: subcommands, and one clear line for a user's mistake."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence

import click

from alb_core import __version__
from alb_core.base.errors import AlbError
from alb_core.cli import interrupts
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

#: What writing to an output that is full or closed gives.
_OUTPUT_GONE = (errno.ENOSPC, errno.EPIPE, errno.EIO, errno.EBADF)

_LARGEST = 2**63 - 1

for command in _COMMANDS:
    cli.add_command(command)


def _require_directory() -> None:
    """Refuse a working directory that is gone."""
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd is the same
    except OSError as error:
        raise AlbError(f"the working directory cannot be found ({error.strerror}): cd to one that exists") from error


def _refuse_no_values(words: Sequence[str]) -> None:
    """Refuse words with nothing in them, as a shell makes of a variable that is not set, and numbers beyond 64 bits."""
    for before, word in zip(("alb", *words), words, strict=False):
        number = re.fullmatch(r"(?:-[a-zA-Z]|--[a-z-]+=)?([+-]?\d{19,})", word)
        if number and abs(int(number[1][:400])) > _LARGEST:
            raise AlbError(f"{word} is beyond 64 bits, expected a smaller number")
        if not word or re.fullmatch("--[a-z-]+=", word):
            raise AlbError(
                f"nothing stands after {word.rstrip('=') or before}, expected a value: is a variable not set?"
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``alb`` and exit: 0 done, 1 found wanting, 2 bad input, 3 could not measure, 130 interrupted."""
    interrupts.give_back()
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _require_directory()
        _refuse_no_values(words)
        status = cli.main(args=words, prog_name="alb", standalone_mode=False)
        sys.stdout.flush()
    except AlbError as error:
        print(f"alb: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        sys.exit(0)
    except click.ClickException as error:
        print(f"alb: {error.format_message()}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _OUTPUT_GONE or error.filename is not None:
            raise
        # What is left cannot be written either: Python would try at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:
            print(f"alb: cannot write the output: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        print("alb: interrupted", file=sys.stderr)
        if threads_running():
            # A thread is in a read of TileDB, which cannot be stopped: end without waiting for it or cleaning up.
            sys.stdout.flush()
            os._exit(130)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
