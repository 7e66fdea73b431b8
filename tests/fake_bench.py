"""A bench whose processes take known times, and a clock that they move."""

import contextlib
from dataclasses import dataclass, field

from alb_core.rounds.cases import ProcessResult
from alb_core.rounds.installed_commits import CouldNotMeasureError


@dataclass
class FakeBench:
    #: Seconds by case, of BASE and of HEAD; a second where nothing is said.
    seconds: dict = field(default_factory=dict)
    #: What processes give, by commit and case; their seconds where nothing is said.
    gives: dict = field(default_factory=dict)
    #: Commits that cannot be started.
    broken: set = field(default_factory=set)
    #: Processes before the user ends it, and how that shows.
    interrupt_at: int | None = None
    error: type = KeyboardInterrupt
    now: float = 0.0
    #: Commits that were started together, and processes: commit and case.
    groups: list = field(default_factory=list)
    ran: list = field(default_factory=list)

    @contextlib.contextmanager
    def started(self, commits):
        self.groups.append(commits)
        self.now += 0.5
        if self.broken & set(commits):
            raise CouldNotMeasureError("it cannot import the benchmarks")
        yield

    def run(self, commit, case):
        if len(self.ran) == self.interrupt_at:
            raise self.error("Interrupted.")
        self.ran.append((commit, case))
        seconds = self.seconds.get(case, (1.0, 1.0))[commit == "HEAD"]
        self.now += seconds
        # A percent of noise, the same for both commits of a pair.
        wiggle = (1 + 0.01 * ((len(self.ran) + 1) // 2 * 7 % 5 - 2)) ** (-1 if commit == "HEAD" else 1)
        return self.gives.get((commit, case), ProcessResult((seconds * wiggle,)))

    def clock(self):
        return self.now
