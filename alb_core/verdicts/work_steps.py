"""Steps of work: commits or releases at which a case began to take more or fewer instructions. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alb_core.cases.work import Work
from alb_core.verdicts.work_changes import WorkChange, change_of, function_lines

#: A smaller step between releases is none. Counts of one commit lie 0.3 % apart at most.
STEP = 0.01

#: Functions of a step that are shown.
SHOWN = 3


@dataclass(frozen=True)
class WorkStep:
    """A change of a case's work at a commit or release."""

    #: Of what is counted, as verdicts have it.
    row: str
    #: The commit or release with the new work, and the one before it.
    version: str
    before: str
    work: WorkChange

    @property
    def said(self) -> str:
        """The counts and the change, in words."""
        return f"{self.work.base:,} -> {self.work.head:,} instructions ({100 * self.work.change:+.2f} %)"

    @property
    def functions(self) -> list[str]:
        """The functions that took most of it, a line each."""
        return function_lines(self.work, SHOWN)


def work_steps(works: Mapping[str, Mapping[str, Sequence[Work]]], threshold: float = STEP) -> list[WorkStep]:
    """Return the steps between neighbours; a row has its counts by release, oldest first."""
    found = [
        WorkStep(row, version, before, change_of(mine[before], mine[version]))
        for row, mine in works.items()
        for before, version in itertools.pairwise(mine)
    ]
    return [step for step in found if abs(step.work.change) >= threshold]
