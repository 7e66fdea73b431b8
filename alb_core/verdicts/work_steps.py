"""Steps of work: commits or releases at which a case began to take more or fewer instructions. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from alb_core.cases.work import Work
from alb_core.rounds.cases import BenchmarkCase
from alb_core.rounds.work import CommitWork
from alb_core.verdicts.work_search import share

#: A smaller step between releases is none. Counts of one commit differ by 0.3 % at most.
STEP = 0.01


@dataclass(frozen=True)
class WorkStep:
    """A case that took other work from one commit to another one."""

    #: What was counted.
    case: BenchmarkCase
    #: The row of what it counts, as verdicts have it.
    row: str
    #: The commits or releases.
    before: str
    after: str
    old: Work
    new: Work

    @property
    def change(self) -> float:
        """Of the new work over the old one, less one."""
        return share(self.old.instructions, self.new.instructions)

    @property
    def said(self) -> str:
        """The counts and the change, in words."""
        return f"{self.old.instructions:,} -> {self.new.instructions:,} instructions ({self.change:+.2%})"


def least(known: CommitWork, case: BenchmarkCase) -> Work | None:
    """Return the smallest count of a case: what is counted too much is a chance event."""
    return min(known.works.get(case, ()), key=lambda work: work.instructions, default=None)


def work_steps(
    works: Mapping[BenchmarkCase, Mapping[str, Work]], rows: Mapping[BenchmarkCase, str], threshold: float = STEP
) -> list[WorkStep]:
    """Return the steps between neighbouring releases, of which each case has some, oldest first."""
    found = [
        WorkStep(case, rows[case], before, after, mine[before], mine[after])
        for case, mine in works.items()
        for before, after in itertools.pairwise(mine)
    ]
    return [step for step in found if abs(step.change) >= threshold]
