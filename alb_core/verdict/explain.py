"""Code, dependencies or machine? What became worse is measured again with one of them changed at a time.

A commit comes with what it alone pins (somacore, and tiledb before 1.15). BASE is held against BASE with HEAD's
dependencies, and against HEAD with BASE's. Such a mix is no commit's, so its rounds are kept nowhere.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from asv.config import Config

from alb_core.errors import AlbError
from alb_core.history.builds import exchange
from alb_core.paths import mixed_root
from alb_core.verdict import canary
from alb_core.verdict.canary import Canary
from alb_core.verdict.cases import Case, Kind
from alb_core.verdict.judge import Change, Judge, Row, Verdict
from alb_core.verdict.measure import Bench, measure
from alb_core.verdict.rounds import Pair, Rounds
from alb_core.verdict.sides import CouldNotMeasureError, Side, dependencies, environment_at
from alb_core.verdict.statistics import Word
from alb_core.verdict.twin import twin

#: Benchmarks that are measured again, those that became worst: a clear change needs few rounds, and has one cause.
MOST_CASES = 3

#: Measures HEAD, or what stands in for it, against BASE.
Against = Callable[[Side], Verdict]


class Nowhere:
    """Keeps no rounds."""

    def add(self, case: Case, pair: Pair, started: datetime, seconds: float) -> None:
        """Keep nothing."""

    def add_absent(self, commit: str, case: Case, value: float | None, said: str) -> None:
        """Keep nothing."""


def worst(verdict: Verdict, rounds: Rounds) -> list[Case]:
    """Return the cases that became worse, worst first, :data:`MOST_CASES` at most."""
    found: list[tuple[float, Case]] = []
    for row in verdict.rows:
        for kind, change in ((Kind.TIME, row.time), (Kind.MEMORY, row.memory)):
            if not row.together and change is not None and change.word is Word.WORSE:
                own = [case for case in rounds.pairs if case.row == row.name and case.kind is kind]
                found += [(change.change or 0.0, case) for case in own]
    return [case for _, case in sorted(found, key=lambda item: -item[0])[:MOST_CASES]]


def explain(
    conf: Config,
    sides: tuple[Side, Side],
    verdict: Verdict,
    rounds: Rounds,
    budget: float,
    judge: Judge,
    bench: Callable[[tuple[Side, Side]], Bench],
    before: Canary | None,
) -> list[str]:
    """Say whether the commit, its dependencies or the machine is the cause of what became worse."""
    if verdict.word is not Word.WORSE:
        return ["nothing to explain: nothing is worse"]
    said = [] if before is None else [machine(before, canary.look(before.expected))]
    base, head = sides
    if not dependencies(base, head):
        return [*said, "both commits have the same dependencies: the change is the commit's own"]
    cases = worst(verdict, rounds)
    if not cases:
        return [*said, "no benchmark is worse by itself: none is measured with other dependencies"]

    def against(other: Side) -> Verdict:
        again = Rounds.of(cases)
        if measure(bench((base, other)), Nowhere(), again, budget / 2, judge.still_open).interrupted:
            raise KeyboardInterrupt
        return judge.verdict(again)

    try:
        with mixed(conf, base, head.commit, "the old code with the new dependencies") as other:
            alone = against(other)
        with mixed(conf, head, base.commit, "the new code with the old dependencies") as other:
            code = against(other)
    except AlbError as error:
        # The verdict stands, whatever becomes of this.
        return [*said, f"not explained: {error}"]
    return [*said, *causes(cases, dependencies_alone=alone, code_alone=code)]


def causes(cases: list[Case], dependencies_alone: Verdict, code_alone: Verdict) -> list[str]:
    """Say of each case what the dependencies alone do, what the code alone does, and what follows."""
    found = []
    for case in cases:
        one, other = _change(dependencies_alone, case), _change(code_alone, case)
        kind = "peak memory" if case.kind is Kind.MEMORY else "time"
        found.append(
            f"{case.row}, {kind}: old code with new dependencies {_said(dependencies_alone, case, one)}; "
            f"new code with old dependencies {_said(code_alone, case, other)}: {conclusion(_word(one), _word(other))}"
        )
    return found


def conclusion(dependencies_alone: Word, code_alone: Word) -> str:
    """What follows from the words for either alone."""
    if dependencies_alone is code_alone is Word.WORSE:
        return "both are causes"
    if dependencies_alone is Word.WORSE:
        return "the dependencies are the cause" if code_alone is not Word.UNKNOWN else "the dependencies are a cause"
    if code_alone is Word.WORSE:
        return "the commit's code is the cause" if dependencies_alone is not Word.UNKNOWN else "the code is a cause"
    if Word.UNKNOWN in {dependencies_alone, code_alone}:
        return "not known"
    return "neither is by itself: they are the cause together"


def machine(before: Canary, after: Canary) -> str:
    """Say what the machine did between two looks of the canary."""
    drift = canary.drift(before, after)
    told = ", ".join(f"{part} {100 * share:+.0f} %" for part, share in drift.items())
    if any(abs(share) > before.expected[part] for part, share in drift.items()):
        return f"the machine itself changed from before to after: {told}. Both sides ran in turn, and so alike"
    return f"the machine is as fast as before ({told}): it is not the cause"


@contextmanager
def mixed(conf: Config, side: Side, commit: str, name: str) -> Iterator[Side]:
    """One side's commit with the dependencies of another, in an environment that is removed afterwards."""
    source = Path(side.environment._path)
    place = mixed_root() / source.name
    print(f"alb: making {name}", file=sys.stderr, flush=True)
    try:
        # A run that was killed may have left one.
        shutil.rmtree(place, ignore_errors=True)
        try:
            twin(source, place)
            exchange(place, commit)
        except AlbError as error:
            raise CouldNotMeasureError(f"{name}: {error}") from error
        yield replace(side, label="HEAD", name=name, environment=environment_at(conf, mixed_root()))
    finally:
        shutil.rmtree(mixed_root(), ignore_errors=True)


def _change(verdict: Verdict, case: Case) -> Change | None:
    rows: Mapping[str, Row] = {row.name: row for row in verdict.rows if not row.together}
    row = rows.get(case.row)
    return None if row is None else row.memory if case.kind is Kind.MEMORY else row.time


def _word(change: Change | None) -> Word:
    return Word.UNKNOWN if change is None else change.word


def _said(verdict: Verdict, case: Case, change: Change | None) -> str:
    notes = [note for row in verdict.rows if row.name == case.row for note in row.notes]
    if notes:
        # The side is a mix, which the note calls HEAD.
        return f"does not run ({notes[0].rpartition('failed on HEAD: ')[2]})"
    if change is None or change.change is None or change.low is None or change.high is None:
        return "not known"
    ends = f"{100 * change.low:+.1f} .. {100 * change.high:+.1f} %"
    return f"{100 * change.change:+.1f} % ({ends}), {change.word}"
