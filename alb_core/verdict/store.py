"""Rounds in asv's own results files.

A round's samples are appended to those of its commit and environment, as ``asv run --append-samples`` would, so
asv's own commands see them. Which of them are rounds of which two commits stands in the same file, under
``durations``: asv keeps entries in angle brackets there, seconds each, and passes over those that it does not know.
An entry names the samples by place and by digest: where a later ``asv run`` measured anew, it no longer fits, and its
rounds are not counted.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asv import util
from asv.results import Results
from asv.runner import BenchmarkResult

from alb_core.errors import AlbError
from alb_core.verdict.cases import Case, Kind
from alb_core.verdict.rounds import Pair

_ENTRY = re.compile(
    r"<verdict (?P<other>[0-9a-f]{40}) (?P<benchmark>\S+?)-(?P<index>\d+) (?P<session>\d+) "
    r"(?P<offset>\d+)\+(?P<count>\d+)x(?P<size>\d+) (?P<digest>[0-9a-f]{12})>"
)


@dataclass(frozen=True)
class _Segment:
    """Rounds of one call of the command that stand side by side in a case's samples.

    Attributes
    ----------
    other
        The commit that they were paired with; the own one where a commit was measured against itself.
    session
        When the call began, in ms since 1970: the same on both sides.
    offset
        Of the first sample.
    count
        Number of rounds.
    size
        Samples of a round.
    digest
        Of all of them.
    """

    other: str
    benchmark: str
    index: int
    session: int
    offset: int
    count: int
    size: int
    digest: str

    @property
    def key(self) -> str:
        return (
            f"<verdict {self.other} {self.benchmark}-{self.index} {self.session} "
            f"{self.offset}+{self.count}x{self.size} {self.digest}>"
        )

    @property
    def end(self) -> int:
        return self.offset + self.count * self.size

    @classmethod
    def parse(cls, key: str) -> _Segment | None:
        found = _ENTRY.fullmatch(key)
        if found is None:
            return None
        whole = {name: int(found[name]) for name in ("index", "session", "offset", "count", "size")}
        return cls(found["other"], found["benchmark"], digest=found["digest"], **whole)

    def rounds(self, samples: Sequence[float] | None) -> list[tuple[float, ...]] | None:
        """The rounds out of a case's samples; None where they no longer stand there."""
        mine = list(samples or [])[self.offset : self.end]
        if len(mine) != self.count * self.size or _digest(mine) != self.digest:
            return None
        return [tuple(mine[at : at + self.size]) for at in range(0, len(mine), self.size)]


class Store:
    """asv's results of two commits in one environment on one machine.

    Parameters
    ----------
    results
        asv's results directory.
    machine
        The machine's name.
    blank
        Makes empty results for a commit, as asv does before it measures.
    benchmarks
        asv's benchmarks by name.
    base, head
        The two commits; the same one twice where it is measured against itself.
    """

    def __init__(
        self,
        results: Path,
        machine: str,
        blank: Callable[[str], Results],
        benchmarks: Mapping[str, dict[str, Any]],
        base: str,
        head: str,
    ) -> None:
        self._root, self._machine, self._benchmarks = results, machine, benchmarks
        self._base, self._head = base, head
        self._results = {commit: self._load(blank(commit)) for commit in dict.fromkeys((base, head))}
        self._session = self._new_session()

    def pairs(self, case: Case) -> list[Pair]:
        """Return the rounds of a case that stand in both commits' results, oldest first."""
        base, head = self._rounds(self._base, self._head, case), self._rounds(self._head, self._base, case)
        if self._base == self._head:
            halves = [(r[: len(r) // 2], r[len(r) // 2 :]) for session in sorted(base) for r in base[session]]
            return [Pair(one, other) for one, other in halves]
        found = []
        for session in sorted(base.keys() & head.keys()):
            # A call that was killed between the two files leaves one round more in one of them.
            found += [Pair(one, other) for one, other in zip(base[session], head[session], strict=False)]
        return found

    def add(self, case: Case, pair: Pair, started: datetime, seconds: float) -> None:
        """Append a round to both commits' results and save them.

        Parameters
        ----------
        case
            The case.
        pair
            What its processes gave.
        started
            When.
        seconds
            How long it took.

        Raises
        ------
        AlbError
            If a file cannot be written.
        """
        if self._base == self._head:
            self._append(self._base, self._base, case, (*pair.base, *pair.head), started, seconds)
        else:
            self._append(self._base, self._head, case, pair.base, started, seconds / 2)
            self._append(self._head, self._base, case, pair.head, started, seconds / 2)

    def add_absent(self, commit: str, case: Case, value: float | None, said: str) -> None:
        """Record that a commit cannot do a case (NaN) or fails in it (None), unless it has results of it."""
        results = self._results[commit]
        if self._column(results.get_result_value, results, case) is None:
            self._put(results, case, value, None, None, datetime.now(UTC), None, said)
            self._save(results)

    def seconds(self, case: Case) -> float | None:
        """Return what a round of a case took, on the average (s); None where there is none."""
        found = 0.0
        for commit, results in self._results.items():
            other = self._head if commit == self._base else self._base
            mine = [segment for segment in self._segments(results, case) if segment.other == other]
            if not mine:
                return None
            taken = sum(results.duration[segment.key] for segment in mine)
            found += taken / sum(segment.count for segment in mine)
        return found

    def _new_session(self) -> int:
        """When this call began, and later than every other of these results: a clock may stand still, or go back."""
        known = [_Segment.parse(key) for results in self._results.values() for key in results.duration]
        last = max((segment.session for segment in known if segment is not None), default=0)
        return max(int(datetime.now(UTC).timestamp() * 1000), last + 1)

    def _rounds(self, commit: str, other: str, case: Case) -> dict[int, list[tuple[float, ...]]]:
        results = self._results[commit]
        samples = self._column(results.get_result_samples, results, case)
        found: dict[int, list[tuple[float, ...]]] = {}
        for segment in self._segments(results, case):
            rounds = segment.rounds(samples) if segment.other == other else None
            if rounds is not None:
                found.setdefault(segment.session, []).extend(rounds)
        return found

    def _segments(self, results: Results, case: Case) -> list[_Segment]:
        """A case's segments, in the order of their samples."""
        parsed = [segment for segment in map(_Segment.parse, results.duration) if segment is not None]
        mine = [segment for segment in parsed if (segment.benchmark, segment.index) == (case.benchmark, case.index)]
        return sorted(mine, key=lambda segment: segment.offset)

    def _append(
        self, commit: str, other: str, case: Case, samples: tuple[float, ...], started: datetime, seconds: float
    ) -> None:
        results = self._results[commit]
        before = list(self._column(results.get_result_samples, results, case) or [])
        segments = self._segments(results, case)
        for segment in segments:
            # What asv measured anew since then left no round of it.
            if segment.rounds(before) is None:
                del results.duration[segment.key]
        last = next((s for s in reversed(segments) if s.session == self._session and s.key in results.duration), None)
        spent = 0.0
        if last is not None and last.end == len(before) and (last.other, last.size) == (other, len(samples)):
            spent = results.duration.pop(last.key)
            grown = replace(last, count=last.count + 1)
        else:
            grown = _Segment(other, case.benchmark, case.index, self._session, len(before), 1, len(samples), "")
        everything = [*before, *samples]
        value = None if case.kind is Kind.TIME else statistics.median(everything)
        taken = (results.duration.get(case.benchmark) or 0.0) + seconds
        self._put(results, case, value, list(samples), 1 if case.kind is Kind.TIME else None, started, taken, "")
        grown = replace(grown, digest=_digest(everything[grown.offset :]))
        results.duration[grown.key] = spent + seconds
        self._save(results)

    def _put(
        self,
        results: Results,
        case: Case,
        value: float | None,
        samples: list[float] | None,
        number: int | None,
        started: datetime,
        duration: float | None,
        said: str,
    ) -> None:
        """Let asv add a result of one combination to those that it has of the others."""
        benchmark = self._benchmarks[case.benchmark]
        count = math.prod(len(values) for values in benchmark["params"])
        result: list[Any] = [math.nan] * count
        columns: list[list[Any]] = [[None] * count, [None] * count]
        # asv computes a time from its samples, and takes anything there as "there is a result".
        result[case.index] = True if number else value
        columns[0][case.index], columns[1][case.index] = samples, number
        made = BenchmarkResult(result, columns[0], columns[1], 0 if samples or value else 1, said, None)
        results.add_result(
            benchmark,
            made,
            selected_idx=[case.index],
            started_at=started,
            duration=duration,
            record_samples=True,
            append_samples=samples is not None,
        )

    def _column(self, get: Callable[[str, Any], Any], results: Results, case: Case) -> Any:
        """What results hold of a case, under the version that is measured now."""
        benchmark = self._benchmarks[case.benchmark]
        if case.benchmark not in results.get_result_keys({case.benchmark: benchmark}):
            return None
        return get(case.benchmark, benchmark["params"])[case.index]

    def _load(self, results: Results) -> Results:
        path = self._root / results._filename
        try:
            results.load_data(str(self._root))
            if path.is_file():
                content = json.loads(path.read_text())
                found, machine = content["commit_hash"], content["params"].get("machine")
        except (util.UserError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"alb: {path} cannot be read as results of asv; set aside as {set_aside(path).name}", file=sys.stderr)
            for line in str(error).splitlines()[:1]:
                print(f"alb:   {line}", file=sys.stderr)
            return results
        if path.is_file() and (machine != self._machine or found != results.commit_hash):
            raise AlbError(
                f"{path} holds results of commit {found} on machine {machine}, expected {results.commit_hash} on "
                f"{self._machine}: move it to where it belongs"
            )
        return results

    def _save(self, results: Results) -> None:
        results.save(str(self._root))


def set_aside(path: Path) -> Path:
    """Give a file a name under which asv passes over it and nothing overwrites it; return the new path.

    Raises
    ------
    AlbError
        If it cannot be renamed.
    """
    names = [path.with_name(f"{path.name}.corrupt{suffix}") for suffix in ("", *(f"-{n}" for n in range(2, 1000)))]
    target = next(name for name in names if not name.exists())
    try:
        path.rename(target)
    except OSError as error:
        raise AlbError(f"cannot set {path} aside: {error.strerror}") from error
    return target


def _digest(samples: Sequence[float]) -> str:
    return hashlib.sha256(json.dumps(list(samples)).encode()).hexdigest()[:12]
