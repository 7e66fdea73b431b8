"""How noisy this machine is right now: ten seconds of fixed work, which no commit under measurement changes.

Two parts are repeated in turn: a computation in numpy, and a read of a TileDB array that the canary writes itself. They
run under the suite's own Python, so that the same software is timed whatever is measured.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alb_core.base.errors import AlbError, one_line
from alb_core.base.files import scratch_directory
from alb_core.base.processes import run
from alb_core.rounds import pairs

#: Seconds that it takes.
SECONDS = 10.0

#: Spread of each part, where no calibration says more: of reads, what a standard deviation of 13 % makes. Less than
#: this has not been seen to matter: rounds varied as much where the sort had varied by 1 % as where by 8 %.
EXPECTED = {"numpy": 0.15, "read": 0.35}

#: A spread of so many times the expected one is told.
NOISY = 1.5

_CELLS = 1_000_000


@dataclass(frozen=True)
class Canary:
    """What the canary saw."""

    #: Median of each part.
    seconds: Mapping[str, float]
    #: Of each part, the range of its middle four fifths over the median.
    spread: Mapping[str, float]
    #: What each part's spread is on this machine.
    expected: Mapping[str, float]

    @property
    def noisy(self) -> list[str]:
        """Parts that vary more than they should."""
        return [part for part, spread in self.spread.items() if spread > NOISY * self.expected[part]]

    @property
    def said(self) -> str:
        """In a line."""
        parts = ", ".join(
            f"{part} {100 * spread:.0f} % (expected {100 * self.expected[part]:.0f} %)"
            for part, spread in self.spread.items()
        )
        if not self.noisy:
            return f"the machine is as quiet as it should be: {parts}"
        # By how many is not known from here: what slows both commits alike is in no ratio.
        return (
            f"the machine is too noisy right now: the same work varies by {parts}. To see the same change takes more "
            "rounds than usual; stop what else runs, or interrupt and come back later"
        )


def look(expected: Mapping[str, float] | None = None, seconds: float = SECONDS) -> Canary:
    """Run the canary in a process of its own."""
    command = [sys.executable, "-m", "alb_core.rounds.canary", str(seconds)]
    try:
        times: dict[str, list[float]] = json.loads(run(command, "the canary failed").text.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise AlbError(f"the canary failed: {one_line(error)}") from error
    return seen(times, expected or {})


def seen(times: Mapping[str, Sequence[float]], expected: Mapping[str, float]) -> Canary:
    """Make what the canary says of its times (s)."""
    spreads = {}
    for part, values in times.items():
        low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
        spreads[part] = float((high - low) / middle)
    return Canary(
        {part: float(np.median(values)) for part, values in times.items()},
        spreads,
        {part: max(expected.get(part, 0.0), EXPECTED[part]) for part in times},
    )


def work(seconds: float) -> dict[str, list[float]]:
    """Repeat both parts in turn for a time; return each repeat's seconds."""
    import pyarrow as pa
    import tiledbsoma

    values = np.random.default_rng(0).random(_CELLS)
    times: dict[str, list[float]] = {"numpy": [], "read": []}
    with scratch_directory("canary") as place:
        uri = str(place / "array")
        column = np.arange(_CELLS, dtype=np.int64)
        with tiledbsoma.SparseNDArray.create(uri, type=pa.float64(), shape=(_CELLS,)) as array:
            array.write(pa.table({"soma_dim_0": column, "soma_data": values}))
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times["read"]) < pairs.LEAST_ROUNDS:
            started = time.perf_counter()
            np.sort(values)
            between = time.perf_counter()
            with tiledbsoma.SparseNDArray.open(uri) as array:
                read = array.read().tables().concat()
            times["numpy"].append(between - started)
            times["read"].append(time.perf_counter() - between)
            if len(read) != _CELLS:
                raise AlbError(f"the canary read {len(read)} cells, expected {_CELLS}")
    # The first of each pays for what is set up once.
    return {part: found[1:] for part, found in times.items()}


if __name__ == "__main__":
    print(json.dumps(work(float(sys.argv[1]))))
