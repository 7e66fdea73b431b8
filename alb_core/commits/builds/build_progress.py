"""How far a build is, by what its log says; so that half an hour is not silent."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from alb_core.base.processes import Program

#: Seconds between two looks at a log, and between two lines where there is no terminal.
LOOK_EVERY, SAY_EVERY = 0.5, 30.0

#: What cmake (``[ 12%]``), ninja and the staged ``setup.py`` (``[3/40]``) put before what they do.
_COUNT = re.compile(rb"(?m)^\s*\[\s*(?:(\d+)%|(\d+)/(\d+))\]\s*(.*)$")


class Log:
    """What a growing log says of how far a build is."""

    def __init__(self, path: Path) -> None:
        self._path, self._read, self._rest = path, 0, b""
        #: From 0 to 1, of the step of the build that runs; what it does, in words.
        self.part, self.what = 0.0, "preparing"

    def look(self) -> None:
        """Read what is new."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for percent, done, total, what in _COUNT.findall(b"\n".join(lines)):
            self.part = int(percent) / 100 if percent else int(done) / max(1, int(total))
            self.what = what.decode(errors="replace").rpartition("/")[2].strip()


def follow(program: Program, path: Path, name: str, clock: Callable[[], float] = time.monotonic) -> int:
    """Wait for the end of a build and say how far it is: a bar on a terminal, else a line now and then."""
    log, begun = Log(path), clock()
    said = begun
    with tqdm(total=100, disable=None, leave=False, bar_format="{desc} {bar} {percentage:3.0f}% {elapsed}") as bar:
        while True:
            try:
                return program.wait(LOOK_EVERY)
            except subprocess.TimeoutExpired:
                log.look()
            bar.set_description_str(f"{name}: {log.what}", refresh=False)
            bar.update(round(100 * log.part) - bar.n)
            if bar.disable and clock() - said >= SAY_EVERY:
                said = clock()
                minutes, seconds = divmod(round(said - begun), 60)
                line = f"alb: {name}, {minutes}:{seconds:02}: {100 * log.part:.0f} % of this step, {log.what}"
                print(line, file=sys.stderr, flush=True)
