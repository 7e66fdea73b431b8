"""Seconds of epochs, by the clock and of the processor: said by a case's process, read by what started it.

Standard library only: both sides import it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import NamedTuple

#: Environment variable that makes a case say them.
VARIABLE = "ALB_EPOCHS"

_MARK = "alb-epoch "


class EpochSeconds(NamedTuple):
    """What an epoch took."""

    #: By the clock.
    elapsed: float
    #: Of all threads, in user code and in the kernel.
    processor: float


def say(epochs: Iterable[EpochSeconds]) -> None:
    """Say epochs on stderr, a marked line each, if :data:`VARIABLE` is set."""
    if os.environ.get(VARIABLE):
        for epoch in epochs:
            print(f"{_MARK}{epoch.elapsed!r} {epoch.processor!r}", file=sys.stderr, flush=True)


def taken_out(said: str) -> tuple[tuple[EpochSeconds, ...], str]:
    """Return the epochs that a process said, and the rest of what it said."""
    found, rest = [], []
    for line in said.splitlines(keepends=True):
        if line.startswith(_MARK):
            elapsed, processor = line.removeprefix(_MARK).split()
            found.append(EpochSeconds(float(elapsed), float(processor)))
        else:
            rest.append(line)
    return tuple(found), "".join(rest)
