"""From rounds and counts to what may be said of them: a row for each benchmark, and one word for the whole. Pure.

Work is judged by its counts, memory by its samples, time by the clock. Of what does the same work the clock has only to
exclude that it waits (:mod:`alb_core.verdicts.waiting`).
"""

from __future__ import annotations

import math
import statistics as plain
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial

from alb_core.rounds import pairs as pairs_module
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.pairs import Rounds, flat, gap_of, log_ratios
from alb_core.verdicts import statistics, waiting
from alb_core.verdicts.statistics import Word
from alb_core.verdicts.work_changes import NOT_COUNTED, ComparedWork, WorkChange

#: A change of less than this is called none, unless told otherwise.
THRESHOLD = 0.05

#: The same of work.
WORK_THRESHOLD = 0.005

#: A peak that moved by fewer bytes is called unchanged, however small it was: an allocator keeps or returns some, and
#: the very same libraries have been seen to count for 20 MB more, by how their files came into the page cache.
LEAST_BYTES = 48 * 2**20

#: Samples of memory of each commit that are taken where fewer do not tell.
MOST_SAMPLES = 8

#: Cases of one benchmark from which they are judged together, too.
LEAST_TOGETHER = 3


@dataclass(frozen=True)
class Change:
    """A change and what may be said of it."""

    #: Relative: 0.1 is ten percent more. None where nothing can be said yet.
    change: float | None
    #: Its interval.
    low: float | None
    high: float | None
    #: The smallest change that these rounds could have seen with 95 % probability.
    visible: float | None
    word: Word
    rounds: int
    #: ``s`` or ``bytes``.
    unit: str
    #: The commits' own figures: the medians, in the unit.
    base: float | None = None
    head: float | None = None
    #: Of time: whether the word stands on this alone, that the work is the same, or nearly, and waiting is excluded.
    no_waiting: bool = False


_OPPOSITE = {Word.WORSE: Word.BETTER, Word.BETTER: Word.WORSE}


@dataclass(frozen=True)
class JudgedWork(WorkChange):
    """A change of work and what may be said of it."""

    word: Word = Word.UNKNOWN


@dataclass(frozen=True)
class VerdictRow:
    """A line of the table: work, time and memory of one thing."""

    #: asv's name without ``time_`` and ``peakmem_``; for several together, what they share and how many.
    name: str
    #: Changes; None where it is not measured.
    time: Change | None
    memory: Change | None
    #: What failed, or is n/a.
    notes: tuple[str, ...] = ()
    #: Whether it stands for several rows.
    together: bool = False
    work: JudgedWork | None = None
    #: Whether the time of several rows together, this one among them, says the opposite of what its work does.
    overruled: bool = False

    @property
    def contradicted(self) -> bool:
        """Whether the clock says the opposite of what work does: its word counts."""
        own = self.work is not None and self.time is not None and self.time.word is _OPPOSITE.get(self.work.word)
        return own or self.overruled

    @property
    def words(self) -> dict[str, Word]:
        """The words that count, by what they are of: ``work``, ``time`` and ``memory``."""
        work = None if self.contradicted else self.work
        each = {"work": work, "time": self.time, "memory": self.memory}
        return {name: change.word for name, change in each.items() if change is not None}


@dataclass(frozen=True)
class Verdict:
    """What is said of two commits."""

    #: A benchmark each, those of several together first.
    rows: tuple[VerdictRow, ...]
    #: Of the whole.
    word: Word
    #: How many benchmarks (work, time and memory apart) are of each word.
    counts: Mapping[Word, int]
    #: Counters and dependencies that moved, in words.
    moved: tuple[str, ...] = ()
    #: What the word of the whole is by: ``work``, ``time`` and ``memory``, or some of them.
    by: tuple[str, ...] = ()
    #: What counted the work, with its version; empty where nothing did.
    counter: str = ""

    @property
    def judged(self) -> bool:
        """Whether anything could be judged: some work was counted, or some change has an interval."""
        changes = [change for row in self.rows for change in (row.time, row.memory) if change]
        return any(row.work for row in self.rows) or any(change.low is not None for change in changes)

    @property
    def exit_status(self) -> int:
        """0 no regression, 1 regression, 3 could not measure."""
        if not self.judged:
            return 3
        return 1 if self.word is Word.WORSE else 0


#: Changes of time of cases, and of several together.
Times = dict[tuple[BenchmarkCase, ...], Change]


@dataclass(frozen=True)
class Judge:
    """Judges rounds by one rule."""

    #: Relative change that is called none below it; None for each case's own, or the default.
    threshold: float | None = None
    #: Each case's own, by its name (from a calibration).
    thresholds: Mapping[str, float] = field(default_factory=dict)
    #: The same of work, where ``threshold`` is None.
    work_threshold: float = WORK_THRESHOLD
    #: Chance of a false alarm in the whole verdict.
    alpha: float = statistics.ALPHA
    #: Rounds by which most of it is spent (:func:`~alb_core.verdicts.statistics.planned`).
    usual: int = statistics.USUAL_ROUNDS

    def verdict(self, rounds: Rounds, work: ComparedWork = NOT_COUNTED) -> Verdict:
        """Judge rounds and counts."""
        times = self._times(rounds)
        times |= _known(times, self._without_waiting(rounds, times, work), self._waiting_scale)
        names = [case.row for case in rounds.pairs if case.kind is not Kind.COUNT]
        together = [
            VerdictRow(_name_of(cases), change, None, together=True)
            for cases, change in times.items()
            if len(cases) > 1
        ]
        single = [self._row(rounds, times, work, name) for name in dict.fromkeys([*names, *work.changes, *work.notes])]
        single = [replace(row, overruled=_overruled(row, times)) for row in single]
        rows = (*together, *single)
        words = [(name, word) for row in rows for name, word in row.words.items()]
        # So may one whose count failed, where the clock says nothing.
        words += [("work", Word.UNKNOWN) for row in single if row.name in work.failed and row.time is None]
        # A case that failed may hide a change.
        words += [("time", Word.UNKNOWN)] * bool(rounds.failures)
        overall = overall_word([word for _, word in words])
        by = tuple(kind for kind in ("work", "time", "memory") if (kind, overall) in words)
        known = [word for row in single for word in row.words.values()]
        counts = {word: known.count(word) for word in Word}
        return Verdict(rows, overall, counts, tuple(_moved(rounds)), by, work.counter)

    def still_open(self, rounds: Rounds, work: ComparedWork = NOT_COUNTED) -> list[BenchmarkCase]:
        """Return the cases that more rounds could say more of."""
        times = self._times(rounds, seen=False)
        excluded = self._without_waiting(rounds, times, work)
        found = []
        for case, pairs in rounds.pairs.items():
            if case in rounds.failures or case in rounds.absent:
                continue
            if case.kind is Kind.TIME:
                known = times[(case,)].word is not Word.UNKNOWN or case in excluded
                more = not known and len(pairs) < pairs_module.MOST_ROUNDS
            elif case.kind is Kind.MEMORY:
                word = self._memory(rounds, case).word
                few = len(pairs) < statistics.LEAST_SAMPLES
                more = few or (word is Word.UNKNOWN and len(pairs) < MOST_SAMPLES)
            else:
                # A counter hardly varies; a second run tells whether this one does.
                more = len(pairs) < 2
            if more:
                found.append(case)
        return found

    def work_word(self, change: WorkChange) -> Word:
        """Say what a change of work is."""
        if abs(change.change) < (self.work_threshold if self.threshold is None else self.threshold):
            return Word.SAME
        if not change.certain:
            return Word.UNKNOWN
        return Word.WORSE if change.change > 0 else Word.BETTER

    def only_for_waiting(self, case: BenchmarkCase, work: ComparedWork) -> bool:
        """Whether the clock has only to exclude that a case waits: its work is the same, or nearly."""
        change = work.changes.get(case.row)
        return change is not None and abs(change.change) < self._threshold(case)

    def _without_waiting(self, rounds: Rounds, times: Times, work: ComparedWork) -> list[BenchmarkCase]:
        """Return the cases whose time is known by this alone, that waiting is excluded."""
        looked_at = [
            case
            for case in _single(times)
            if times[(case,)].word is Word.UNKNOWN
            and self.only_for_waiting(case, work)
            # What does not say its processor seconds is for the clock; recorded rounds do not.
            and any(map(waiting.has_epochs, rounds.pairs[case][-1:]))
        ]
        ratios = [waiting.waiting_ratios(rounds.pairs[case]) for case in looked_at]
        return looked_at if waiting.excluded(ratios, self._waiting_scale) else []

    @property
    def _waiting_scale(self) -> float:
        """By how much the waiting that is to be excluded is more than usual, where a threshold is asked for."""
        return 1.0 if self.threshold is None else self.threshold / THRESHOLD

    def _threshold(self, *cases: BenchmarkCase) -> float:
        if self.threshold is not None:
            return self.threshold
        return max(self.thresholds.get(case.name, THRESHOLD) for case in cases)

    def _times(self, rounds: Rounds, seen: bool = True) -> Times:
        """Judge every case of time, and those of a benchmark together, each at its level.

        ``seen`` says whether to compute the smallest visible change, which takes most of the time.
        """
        alone: dict[tuple[BenchmarkCase, ...], list[float]] = {
            (case,): log_ratios(rounds.pairs[case])
            for case in rounds.pairs
            if case.kind is Kind.TIME and _measured(rounds, case)
        }
        groups: dict[str, list[BenchmarkCase]] = {}
        for (case,) in alone:
            groups.setdefault(case.benchmark, []).append(case)
        # All of them, too, where there is more than one benchmark: what slows everything a little shows there first.
        joined = [*groups.values(), *([[case for (case,) in alone]] if len(groups) > 1 else [])]
        several = {
            tuple(cases): _median_ratios([alone[(case,)] for case in cases])
            for cases in joined
            if len(cases) >= LEAST_TOGETHER
        }
        tests = {**alone, **several}
        # The test of all cases has the least noise: half of alpha is for it, and the others share the rest.
        weights = [len(tests) - 1.0 if len({case.benchmark for case in cases}) > 1 else 1.0 for cases in tests]
        held = statistics.holm(list(tests.values()), self.alpha, weights, self.usual)
        found = {}
        for (cases, ratios), alpha in zip(tests.items(), held, strict=True):
            figures = _figures(rounds, cases[0]) if len(cases) == 1 else (None, None)
            level_at = partial(statistics.level_at, alpha, usual=self.usual)
            found[cases] = _change(ratios, level_at, self._threshold(*cases), figures, seen)
        return found

    def _row(self, rounds: Rounds, times: Times, work: ComparedWork, name: str) -> VerdictRow:
        cases = [case for case in rounds.pairs if case.row == name]
        live = [case for case in cases if _measured(rounds, case)]
        time = next((times[(case,)] for case in live if case.kind is Kind.TIME), None)
        memory = next((self._memory(rounds, case) for case in live if case.kind is Kind.MEMORY), None)
        notes = [f"{case.benchmark}: failed on {rounds.failures[case]}" for case in cases if case in rounds.failures]
        notes += [f"{case.benchmark}: n/a on {rounds.absent[case]}" for case in cases if case in rounds.absent]
        notes += [f"work: {work.notes[name]}"] if name in work.notes else []
        judged = None
        if (change := work.changes.get(name)) is not None:
            own = {each.name: getattr(change, each.name) for each in fields(change) if each.init}
            judged = JudgedWork(**own, word=self.work_word(change))
        return VerdictRow(name, time, memory, tuple(notes), work=judged)

    def _memory(self, rounds: Rounds, case: BenchmarkCase) -> Change:
        base, head = flat(rounds.pairs[case])
        found = statistics.shift(base, head)
        if found is None:
            return Change(None, None, None, None, Word.UNKNOWN, len(base), "bytes")
        middle = plain.median(base)
        threshold = max(self._threshold(case) * middle, LEAST_BYTES)
        word = statistics.word(found.low, found.high, threshold)
        if word in {Word.WORSE, Word.BETTER} and abs(found.change) < threshold:
            # A few pages more can be certain, and matter to nobody.
            word = Word.UNKNOWN if max(abs(found.low), abs(found.high)) >= threshold else Word.SAME
        visible = max(threshold, found.high - found.low)
        figures = (middle, plain.median(head))
        change, low, high, seen = (value / middle for value in (found.change, found.low, found.high, visible))
        return Change(change, low, high, seen, word, len(base), "bytes", *figures)


def _name_of(cases: Sequence[BenchmarkCase]) -> str:
    names = {case.row.partition("(")[0] for case in cases}
    return f"{names.pop() if len(names) == 1 else 'all'}, {len(cases)} together"


def _single(times: Times) -> list[BenchmarkCase]:
    """Cases by themselves."""
    return [cases[0] for cases in times if len(cases) == 1]


def _known(times: Times, excluded: Sequence[BenchmarkCase], scale: float) -> Times:
    """Return, anew, the changes that are known because waiting is excluded of some cases; the others are the same."""
    found = {}
    for cases, change in times.items():
        same = all(case in excluded or times[(case,)].word is Word.SAME for case in cases)
        if change.word is Word.UNKNOWN and same and any(case in excluded for case in cases):
            middle = change.change
            if middle is None and change.base and change.head:
                middle = change.head / change.base - 1
            seen = scale * (waiting.EACH if len(cases) == 1 else waiting.TOGETHER)
            found[cases] = replace(change, change=middle, visible=seen, word=Word.SAME, no_waiting=True)
    return found


def _overruled(row: VerdictRow, times: Times) -> bool:
    """Whether several cases together, that of a row among them, took the opposite way of what its work did."""
    if row.work is None or (row.time is not None and row.time.word is row.work.word):
        return False
    return any(
        len(cases) > 1 and change.word is _OPPOSITE.get(row.work.word) and row.name in {case.row for case in cases}
        for cases, change in times.items()
    )


def _measured(rounds: Rounds, case: BenchmarkCase) -> bool:
    """Whether a case has rounds, or may have some yet."""
    return bool(rounds.pairs[case]) or (case not in rounds.absent and case not in rounds.failures)


def overall_word(words: Sequence[Word]) -> Word:
    """Return the word for several: worse if anything is, then better, then not known if anything is."""
    for word in (Word.WORSE, Word.BETTER, Word.UNKNOWN):
        if word in words:
            return word
    return Word.SAME if words else Word.UNKNOWN


def _change(
    ratios: Sequence[float],
    level_at: Callable[[int], float],
    threshold: float,
    figures: tuple[float | None, float | None],
    seen: bool = True,
) -> Change:
    """Judge one sequence of log ratios as it stood when its answer was reached, or as it stands now."""
    word = Word.UNKNOWN
    for rounds, estimate in statistics.interim_estimates(ratios):
        level = level_at(rounds)
        low, high = estimate.interval(level)
        word = statistics.word(low, high, math.log1p(threshold))
        if word is not Word.UNKNOWN:
            break
    if len(ratios) < pairs_module.LEAST_ROUNDS:
        return Change(None, None, None, None, word, len(ratios), "s", *figures)
    visible = _relative(statistics.visible(ratios[:rounds], level)) if seen else None
    middle, low, high = map(_relative, (estimate.log_ratio, low, high))
    return Change(middle, low, high, visible, word, rounds, "s", *figures)


def _relative(log_ratio: float) -> float:
    # Beyond a factor of a million nothing is learned, and early intervals of few rounds reach far.
    return math.expm1(max(-14.0, min(14.0, log_ratio)))


def _figures(rounds: Rounds, case: BenchmarkCase) -> tuple[float | None, float | None]:
    pairs = rounds.pairs[case]
    if not pairs:
        return None, None
    gap = gap_of(pairs)
    return (
        plain.median(math.exp(pairs_module.log_figure(pair.base, gap)) for pair in pairs),
        plain.median(math.exp(pairs_module.log_figure(pair.head, gap)) for pair in pairs),
    )


def _median_ratios(sequences: Sequence[Sequence[float]]) -> list[float]:
    """Of each round the median over the cases that took part in it; a round of fewer than three is left out."""
    longest = max(map(len, sequences), default=0)
    columns = [[sequence[at] for sequence in sequences if at < len(sequence)] for at in range(longest)]
    return [plain.median(column) for column in columns if len(column) >= LEAST_TOGETHER]


def _moved(rounds: Rounds) -> list[str]:
    """Name counters whose every sample of one commit differs from every sample of the other."""
    found = []
    for case, pairs in rounds.pairs.items():
        base, head = flat(rounds.pairs[case])
        if case.kind is Kind.COUNT and pairs and (min(head) > max(base) or max(head) < min(base)):
            found.append(f"a counter moved: {case.name}: {plain.median(base):,.10g} -> {plain.median(head):,.10g}")
    return found
