"""Which benchmarks a verdict looks at: a case is one benchmark of asv with one combination of parameters."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from asv.benchmarks import Benchmarks
from asv.config import Config

from alb_core.base.errors import AlbError

#: Measured where nothing else is asked for: readers and the loader, Arrow tables and sparse matrices, in order and
#: shuffled. Fewer cases have more rounds: these five 25 or more in ten minutes, where each is judged by itself as well.
STANDARD = (
    r"read_chunks\.ReadChunks\.(time|peakmem)_epoch\('table', 1024, '(none|global)'\)",
    r"read_chunks\.ReadChunks\.(time|peakmem)_epoch\('blockwise_scipy_csr', 1024, 'none'\)",
    r"data_loader\.DataLoader\.(time|peakmem)_epoch\('scipy\.csr', '8x64', '(none|block)'\)",
)


class Kind(StrEnum):
    """What a case measures, and so by which rule it is judged."""

    TIME = "time"
    MEMORY = "memory"
    COUNT = "count"


@dataclass(frozen=True)
class Case:
    """One benchmark with one combination of parameters."""

    #: asv's name, such as ``read_chunks.ReadChunks.time_epoch``.
    benchmark: str
    #: Of the combination, in asv's order.
    index: int
    #: As asv keeps them: reprs.
    parameters: tuple[str, ...]
    #: What it measures.
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


def check(patterns: Sequence[str]) -> None:
    """Refuse what is no regular expression."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise AlbError(f"-b {pattern!r} is no regular expression: {error}") from error


def selected(conf: Config, benchmarks: Benchmarks, patterns: Sequence[str]) -> list[Case]:
    """Return the cases that one of some regular expressions matches, in asv's order."""
    # Counters go with the benchmark that they count, in runs of their own (:mod:`alb_core.verdicts.counters`).
    alone = [benchmark for benchmark in benchmarks.values() if not benchmark.get("setup_cache_key")]
    chosen = Benchmarks(conf, alone, regex=list(patterns))
    found = [
        Case(name, index, parameters, kind_of(benchmark))
        for name, benchmark in sorted(chosen.items())
        for index, parameters in enumerate(itertools.product(*benchmark["params"]))
        if not benchmark["params"] or index in chosen.benchmark_selection[name]
    ]
    if not found:
        raise AlbError(
            f"no benchmark matches {' or '.join(map(repr, patterns))}; there are {', '.join(sorted(benchmarks))}"
        )
    return found


def kind_of(benchmark: dict[str, str]) -> Kind:
    """Return the kind of one of asv's benchmarks."""
    if benchmark["type"] == "peakmemory" or (benchmark["type"], benchmark["unit"]) == ("memory", "bytes"):
        return Kind.MEMORY
    return Kind.TIME if benchmark["unit"] == "seconds" else Kind.COUNT
