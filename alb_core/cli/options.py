"""Options that several commands share."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from functools import partial
from typing import Any

import click

from alb_core.base.errors import AlbError, one_line

Command = Callable[..., Any]


def duration(words: str) -> float:
    """Read a time such as ``90s``, ``10m`` or ``1h`` in seconds; a bare number is seconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", words)
    seconds = float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]] if found else 0.0
    if not 0 < seconds < math.inf:
        raise AlbError(f"--budget {words!r}: expected a time such as 90s, 10m or 1h")
    return seconds


def shard(words: str) -> tuple[int, int]:
    """Read a part of many such as ``2/8``."""
    found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", words)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise AlbError(f"--shard {words!r}: expected a part and how many there are, such as 2/8")
    return part, parts


def percent(words: str) -> float:
    """Read a percentage such as ``5%`` as a share; ``5`` means the same."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%?\s*", words)
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share <= 1:
        raise AlbError(f"--threshold {words!r}: expected percent, such as 5%")
    return share


machine_option = click.option("--machine", help="Name of this computer; asv's own choice by default.")
bench_option = click.option(
    *("-b", "--bench", "patterns"), multiple=True, metavar="REGEX", help="Benchmarks, as in asv; repeatable."
)
budget_option = partial(click.option, "--budget", type=duration, show_default=True, metavar="TIME")
tiledb_option = click.option(
    *("--tiledb", "tiledb"),
    metavar="KEY=VALUE",
    multiple=True,
    help="An option of TileDB, repeatable; vfs.s3.endpoint_override and its like reach S3 of another make.",
)
by_option = click.option(
    *("--by", "by"),
    type=click.Choice(["all", "work", "time"]),
    default="all",
    show_default=True,
    help="Count work (instructions), measure time and memory, or all of these.",
)
threshold_option = partial(click.option, "--threshold", type=percent, show_default=True, metavar="PERCENT")


def answer_alone() -> redirect_stdout[Any]:
    """Keep stdout for a command's answer: within the block, what asv tells of its work goes to stderr."""
    return redirect_stdout(sys.stderr)


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
    """Add ``-r/--region`` and ``--tiledb``; a command in which ``-r`` means something else takes them one by one."""
    return click.option("-r", "--region", help="S3 region.")(tiledb_option(command))


def tiledb_config(region: str | None, words: Iterable[str]) -> dict[str, str]:
    """TileDB's options from ``--region`` and ``--tiledb``."""
    config = pairs("--tiledb", words)
    if region is not None:
        config["vfs.s3.region"] = region
    if config:
        _require_accepted(config)
    return config


def _require_accepted(config: dict[str, str]) -> None:
    """Refuse options that TileDB refuses, before anything is begun."""
    import tiledbsoma

    try:
        # Some releases look at the options when the context is made, others when it is used.
        getattr(tiledbsoma.SOMATileDBContext(tiledb_config={**config}), "native_context", None)
    except Exception as error:
        words = " ".join(f"{key}={value}" for key, value in config.items())
        raise AlbError(f"--tiledb {words}: TileDB refuses it: {one_line(error)}") from error


class FiniteRange(click.FloatRange):
    """A range of numbers in which neither ``nan`` nor ``inf`` lies."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number that a word says."""
        number = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value!r} is no number to measure with.", param, ctx)


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
