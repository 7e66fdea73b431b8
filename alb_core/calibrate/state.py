"""What a calibration keeps beside asv's results of its rounds: how the machine was meanwhile."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from alb_core.files import write_atomically
from alb_core.verdict.canary import Canary
from alb_core.verdict.store import set_aside

_VERSION = 1


@dataclass
class State:
    """How the machine was."""

    #: Seconds until the two sides of a round were ready, a round each.
    openings: list[float] = field(default_factory=list)
    #: Spread of the canary's parts, by part, at each look.
    canaries: list[dict[str, float]] = field(default_factory=list)

    def looked(self, canary: Canary) -> None:
        """Add a look of the canary."""
        self.canaries.append(dict(canary.spread))

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        write_atomically(path, (json.dumps({"version": _VERSION, **asdict(self)}) + "\n").encode())


def load(path: Path) -> State:
    """Read what was saved; a damaged file is set aside with a word about it, and what it held is seen anew."""
    try:
        content = json.loads(path.read_text())
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}")
        openings = [float(seconds) for seconds in content["openings"]]
        return State(openings, [{part: float(s) for part, s in seen.items()} for seen in content["canaries"]])
    except FileNotFoundError:
        return State()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"alb: {path} cannot be read ({error}); set aside as {set_aside(path).name}", file=sys.stderr)
        return State()
