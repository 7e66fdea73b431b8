"""What a campaign measures of the suite's grid, of which releases.

How much of the grid asv's measuring commands run where ``--bench`` does not say: a profile.

A profile chooses among benchmarks and their parameters, and changes neither: a result is the same in each. asv keeps
results by parameter, so what a smaller profile leaves out stays as a larger one measured it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alb_core.base.errors import AlbError
from alb_core.commits.history import releases_lock
from alb_core.commits.history.releases_lock import Release
from alb_core.rounds.cases import Case, Kind

#: The part of the grid that carries the most, as regular expressions over asv's names: what users do with the library,
#: each once. Of the readers and methods those that work differently; peaks where they are their own.
STANDARD = (
    r"importing\.Importing\.timeraw_import\('tiledbsoma'\)",
    r"opening\.Opening\.time_open\('x'\)",
    r"queries\.AxisQueries\.time_query\('enumerated', 'joinids'\)",
    r"queries\.AxisQueries\.(time|peakmem)_query\('number', 'x'\)",
    r"read_chunks\.ReadChunks\.time_epoch\('table', 1024, '(none|global)'\)",
    r"read_chunks\.ReadChunks\.time_epoch\('blockwise_scipy_csr', 1024, 'none'\)",
    r"read_chunks\.ReadChunks\.peakmem_epoch\('(table|blockwise_scipy_csr)', 1024, 'none'\)",
    r"layouts\.Layouts\.time_epoch\('(mini-soma|mini-32)', 'table', 'none'\)",
    r"data_loader\.DataLoader\.(time|peakmem)_epoch\('scipy\.csr', '8x64', 'block'\)",
    r"contexts\.LoaderContexts\.peakmem_epoch\('scipy\.csr', 'default'\)",
    r"repeats\.RepeatedReads\.track_growth\('open'\)",
)

#: Rounds of a case of time where nobody says otherwise. By simulation of a shared machine, 5 % between levels of many
#: releases is found in 40 histories of 40, before the last four releases in 32; 10 % at the last alone in only 15.
ROUNDS = 12

#: Rounds of a peak or a count, which hardly vary: as many as a verdict asks for before it says anything.
FEW_ROUNDS = 4


def wanted(case: Case, rounds: int) -> int:
    """Return how many rounds a case gets in a campaign of so many."""
    return rounds if case.kind is Kind.TIME else min(rounds, FEW_ROUNDS)


def chosen(words: str, releases: Sequence[Release]) -> list[Release]:
    """Return the releases of a range, oldest first."""
    first, dots, last = words.strip().partition("..")
    order = list(releases)
    if not dots:
        return [releases_lock.find(order, first)]
    low = order.index(releases_lock.find(order, first)) if first else 0
    high = order.index(releases_lock.find(order, last)) if last else len(order) - 1
    if low > high:
        raise AlbError(f"the range {words!r} is empty: {first} is newer than {last}, so type {last}..{first}")
    return order[low : high + 1]


#: Environment variable that names a profile.
VARIABLE = "ALB_PROFILE"


@dataclass(frozen=True)
class Profile:
    """A part of the grid."""

    #: Regular expressions, as ``--bench`` takes them.
    patterns: tuple[str, ...]
    #: What its benchmarks read beside those of the default grid.
    datasets: tuple[str, ...] = ()


#: ``quick`` is what a campaign measures. ``full`` adds the grid that this field's figures are drawn from, for a machine
#: of a g4dn's size.
PROFILES: Mapping[str, Profile] = {
    "quick": Profile(STANDARD),
    "default": Profile((r"^(?!full\.)",)),
    "full": Profile((".",), ("census-2:7", "blocks")),
}


def current() -> Profile:
    """Return the profile that ``ALB_PROFILE`` names; ``default`` where it is not set."""
    name = os.environ.get(VARIABLE) or "default"
    if name not in PROFILES:
        raise AlbError(f"{VARIABLE} is {name!r}, expected one of {', '.join(PROFILES)}")
    return PROFILES[name]
