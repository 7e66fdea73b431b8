"""A case is one benchmark of asv with one combination of parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from alb_core.cases.epoch_seconds import EpochSeconds


class Kind(StrEnum):
    """What a case measures, and so by which rule it is judged."""

    TIME = "time"
    MEMORY = "memory"
    COUNT = "count"


@dataclass(frozen=True)
class BenchmarkCase:
    """One benchmark with one combination of parameters."""

    #: asv's name, such as ``read_chunks.ReadChunks.time_epoch``.
    benchmark: str
    #: Of the combination, in asv's order.
    index: int
    #: As asv keeps them: reprs.
    parameters: tuple[str, ...]
    kind: Kind

    @property
    def name(self) -> str:
        """As asv prints it, and as ``-b`` matches it."""
        return f"{self.benchmark}({', '.join(self.parameters)})" if self.parameters else self.benchmark

    @property
    def row(self) -> str:
        """What time and memory of one thing share: the name without ``time_``, ``peakmem_`` or ``track_``."""
        return re.sub(r"(^|\.)(time|peakmem|track)_", r"\1", self.name.partition("(")[0]) + (
            f"({', '.join(self.parameters)})" if self.parameters else ""
        )


@dataclass(frozen=True)
class ProcessResult:
    """What one process of a case gave."""

    #: In seconds, bytes or counts; empty where there is none.
    samples: tuple[float, ...] = ()
    #: What its epochs took, where it says so.
    epochs: tuple[EpochSeconds, ...] = ()
    #: Whether the commit cannot do it: asv's n/a.
    absent: bool = False
    #: What a failed process printed.
    said: str = ""

    @property
    def last_line(self) -> str:
        """The last line that a failed process printed."""
        return (self.said.strip().splitlines() or ["no output"])[-1].strip()


def kind_of(benchmark: dict[str, str]) -> Kind:
    """Return the kind of one of asv's benchmarks."""
    if benchmark["type"] == "peakmemory" or (benchmark["type"], benchmark["unit"]) == ("memory", "bytes"):
        return Kind.MEMORY
    return Kind.TIME if benchmark["unit"] == "seconds" else Kind.COUNT
