"""What is compared: workloads, contenders, and the order of the rounds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LoaderWorkload:
    """What all loaders that are compared with each other do."""

    #: Its name, for people.
    dataset: str
    #: Its path.
    location: str
    #: As :class:`alb_core.peers.interface.Wanted` has them.
    chunk_size: int = 64
    block_size: int = 32768
    batch_size: int = 1024
    shuffle: bool = True
    seed: int = 0
    #: Milliseconds that the consumer takes for each batch.
    consumer_ms: float = 0.0
    #: Only the first rows (None for all), so many times.
    rows: int | None = None
    passes: int = 1

    def __str__(self) -> str:
        """As messages show it."""
        how = f"chunks of {self.chunk_size}, blocks of {self.block_size:,}" if self.shuffle else "sequential"
        rows = f", the first {self.rows:,} rows" if self.rows is not None else ""
        times = f" {self.passes} times" if self.passes > 1 else ""
        consumer = f", a consumer of {self.consumer_ms:g} ms" if self.consumer_ms else ""
        return f"{self.dataset}, {how}{rows}{times}{consumer}"

    @property
    def rows_key(self) -> tuple[str, int | None]:
        """Which values must come, whatever their order."""
        return self.location, self.rows


@dataclass(frozen=True)
class Contender:
    """One loader with one setting, doing one thing."""

    #: What it does.
    workload: LoaderWorkload
    #: Of the loader.
    module: str
    #: A name in its ``OPTIONS``.
    setting: str
    #: On top of them.
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    #: What those mean, for people.
    note: str = ""
    #: It is not timed: it says what others must deliver.
    proof_only: bool = False

    @property
    def peer(self) -> str:
        """Name of the loader's module without its package."""
        return self.module.rpartition(".")[2]

    def __str__(self) -> str:
        """As messages show it."""
        return f"{self.peer} ({self.label})"

    @property
    def label(self) -> str:
        """Its setting, and what was added."""
        return ", ".join(filter(None, (self.setting, self.note)))


def rounds(contenders: Sequence[Contender], number: int) -> Iterator[tuple[int, Contender]]:
    """Interleave the contenders: all of them in each round, another one first in each.

    A computer is slower in one minute than in the next, so what is compared must be measured side by side. A contender
    that always followed the same one would always find what that one left in the caches.
    """
    for one in range(number):
        first = one * len(contenders) // number if number else 0
        for contender in (*contenders[first:], *contenders[:first]):
            yield one, contender


def expanded(settings: Sequence[str], has: Sequence[str]) -> list[str]:
    """Names of the settings to measure of a loader that has these; ``best`` may be several."""
    found: list[str] = []
    for setting in settings:
        others = [name for name in has if name != "default"]
        found += others if setting == "best" and "best" not in has and others else [setting]
    return list(dict.fromkeys(found))
