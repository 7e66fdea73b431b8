"""What a calibration keeps beside asv's results of its rounds: how the machine was meanwhile."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from alb_core.base.documents import DamagedDocumentError, Format
from alb_core.rounds.results.store import set_aside


@dataclass
class MachineState:
    """How the machine was."""

    #: Seconds until two commits of a round were started, a round each.
    openings: list[float] = field(default_factory=list)
    #: Spread of the canary's parts, by part, at each of its runs.
    canaries: list[dict[str, float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        _FORMAT.write(path, self)

    @classmethod
    def load(cls, path: Path) -> MachineState:
        """Read what was saved; a damaged file is set aside with a word about it, and what it held is seen anew."""
        try:
            return _FORMAT.read(path) or cls()
        except DamagedDocumentError as error:
            print(f"alb: {path} cannot be read ({error.reason}); set aside as {set_aside(path).name}", file=sys.stderr)
            return cls()


_FORMAT = Format(MachineState, "state of a calibration", ("version", 1), indent=None)
