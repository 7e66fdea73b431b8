"""Ctrl-C while the command is still being imported: one line, as later on. Standard library only."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path


def take() -> None:
    """Let Ctrl-C end this process with a line, if it is an ``alb`` that starts."""
    # `python -m alb_core.cli` is called -m until the module is found.
    if Path(sys.argv[0]).name in {"alb", "-m"} and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def give_back() -> None:
    """Let Ctrl-C be a KeyboardInterrupt again, which commands end what they began with."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: object) -> None:
    os.write(2, b"alb: interrupted\n")
    os._exit(130)
