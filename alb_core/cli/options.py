"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from alb_core.base.errors import AlbError

Command = Callable[..., Any]


def pairs(option: str, words: Iterable[str]) -> dict[str, str]:
    """Read words of the form ``key=value``."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise AlbError(f"{option} {word!r}: expected KEY=VALUE")
        found[key.strip()] = value
    return found


def s3_options(command: Command) -> Command:
    """Add ``-r/--region`` and ``--tiledb``, to be read by :func:`tiledb_config`."""
    return click.option("-r", "--region", help="S3 region.")(tiledb_option(command))


def tiledb_option(command: Command) -> Command:
    """Add ``--tiledb`` alone, where ``-r`` has another meaning."""
    return click.option(
        "--tiledb",
        "tiledb",
        metavar="KEY=VALUE",
        multiple=True,
        help="An option of TileDB, repeatable; vfs.s3.endpoint_override and its like reach S3 of another make.",
    )(command)


def tiledb_config(region: str | None, words: Iterable[str]) -> dict[str, str]:
    """TileDB's options from ``--region`` and ``--tiledb``."""
    config = pairs("--tiledb", words)
    if region is not None:
        config["vfs.s3.region"] = region
    return config


def say(line: str) -> None:
    """Print a line that is not a result."""
    click.echo(f"alb: {line}", err=True)


def one_of(what: str, prefix: str, names: Sequence[str]) -> str:
    """Return the only one of some names that begins with a prefix, or is it."""
    fitting = [name for name in names if name == prefix] or [
        name for name in names if prefix and name.startswith(prefix)
    ]
    if len(fitting) != 1:
        found = f"fits {', '.join(fitting)}" if fitting else "is unknown"
        raise AlbError(f"{what} {prefix!r} {found}, expected one of {', '.join(names)}")
    return fitting[0]
