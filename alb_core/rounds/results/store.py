"""Rounds in asv's own results files.

A round's samples are appended to those of its commit and environment, as ``asv run --append-samples`` would, so
asv's own commands see them. Which of them are rounds, and of what (a verdict on two commits, a campaign over all
releases), stands in the same file, under ``durations``: asv keeps entries in angle brackets there, seconds each, and
passes over those that it does not know. An entry names the samples by place and by digest: where a later ``asv run``
measured anew, it no longer fits, and its rounds are not counted.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asv import util
from asv.results import Results, get_filename
from asv.runner import BenchmarkResult

from alb_core.base.errors import AlbError
from alb_core.base.paths import given_root
from alb_core.commits.builds.given import is_digest
from alb_core.rounds.cases import BenchmarkCase, Kind
from alb_core.rounds.pairs import Pair
from alb_core.rounds.results import carried_versions
from alb_core.rounds.schedules import TurnResult

_ENTRY = re.compile(
    r"<(?P<label>verdict (?:[0-9a-f]{40}|[0-9a-f]{64})|campaign) (?P<benchmark>\S+?)-(?P<index>\d+) (?P<session>\d+) "
    r"(?P<offset>\d+)\+(?P<count>\d+)x(?P<size>\d+) (?P<digest>[0-9a-f]{12})>"
)

#: Label of the rounds of a campaign.
CAMPAIGN = "campaign"


@dataclass(frozen=True)
class _Segment:
    """Rounds of one call of a command that stand side by side in a case's samples."""

    #: What they are rounds of: :data:`CAMPAIGN`, or ``verdict`` and the commit that they were paired with (the own one
    #: where a commit was measured against itself).
    label: str
    benchmark: str
    index: int
    #: When the call began, in ms since 1970: the same for all commits that it measured.
    session: int
    #: Of the first sample.
    offset: int
    count: int
    #: Samples of a round.
    size: int
    digest: str

    @property
    def key(self) -> str:
        return (
            f"<{self.label} {self.benchmark}-{self.index} {self.session} "
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
        numbers = {name: int(found[name]) for name in ("index", "session", "offset", "count", "size")}
        return cls(found["label"], found["benchmark"], digest=found["digest"], **numbers)

    def rounds(self, samples: Sequence[float] | None) -> list[tuple[float, ...]] | None:
        """The rounds out of a case's samples; None where they no longer stand there."""
        mine = list(samples or [])[self.offset : self.end]
        if len(mine) != self.count * self.size or _digest(mine) != self.digest:
            return None
        return [tuple(mine[at : at + self.size]) for at in range(0, len(mine), self.size)]


def place_of(results: Path, commit: str) -> Path:
    """Return the directory of a commit's results; those of a build that is no commit's are apart."""
    return given_root() if is_digest(commit) else results


class CommitResults:
    """asv's results of one commit in one environment on one machine, and the rounds that stand in them."""

    def __init__(self, results: Path, machine: str, empty: Results, benchmarks: Mapping[str, dict[str, Any]]) -> None:
        self._root, self._machine, self._benchmarks = place_of(results, empty.commit_hash), machine, benchmarks
        self.path = self._root / get_filename(empty.params["machine"], empty.commit_hash, empty.env_name)
        self._damaged = False
        self._results = self._load(empty)

    def rounds(self, label: str, case: BenchmarkCase) -> dict[int, list[tuple[float, ...]]]:
        """Rounds of a case by session, each in the order in which it was measured."""
        samples = self._column(Results.get_result_samples, case)
        found: dict[int, list[tuple[float, ...]]] = {}
        for segment in self._segments(case):
            rounds = segment.rounds(samples) if segment.label == label else None
            if rounds is not None:
                found.setdefault(segment.session, []).extend(rounds)
        return found

    def seconds(self, label: str, case: BenchmarkCase) -> float | None:
        """Seconds that a round of a case took, on average; None where there is none."""
        mine = [segment for segment in self._segments(case) if segment.label == label]
        count = sum(segment.count for segment in mine)
        return sum(self._results.duration[segment.key] for segment in mine) / count if count else None

    def last_session(self) -> int:
        """When the latest call began that left a round here, in ms since 1970; 0 where none did."""
        known = [_Segment.parse(key) for key in self._results.duration]
        return max((segment.session for segment in known if segment is not None), default=0)

    def lacks(self, case: BenchmarkCase) -> bool:
        """Whether a campaign found that the commit cannot do a case; asv's NaN alone may mean: not measured."""
        return self._lacking(case) in self._results.duration

    def append(
        self,
        label: str,
        session: int,
        case: BenchmarkCase,
        samples: tuple[float, ...],
        started: datetime,
        seconds: float,
    ) -> None:
        """Append a round to the samples of a case, and save."""
        results = self._results
        before = list(self._column(Results.get_result_samples, case) or [])
        segments = self._segments(case)
        for segment in segments:
            # What asv measured anew since then left no round of it.
            if segment.rounds(before) is None:
                del results.duration[segment.key]
        last = next((s for s in reversed(segments) if s.session == session and s.key in results.duration), None)
        earlier_seconds = 0.0
        if last is not None and last.end == len(before) and (last.label, last.size) == (label, len(samples)):
            earlier_seconds = results.duration.pop(last.key)
            grown = replace(last, count=last.count + 1)
        else:
            grown = _Segment(label, case.benchmark, case.index, session, len(before), 1, len(samples), "")
        everything = [*before, *samples]
        value = None if case.kind is Kind.TIME else statistics.median(everything)
        taken = (results.duration.get(case.benchmark) or 0.0) + seconds
        self._put(case, value, list(samples), 1 if case.kind is Kind.TIME else None, started, taken, "")
        grown = replace(grown, digest=_digest(everything[grown.offset :]))
        results.duration[grown.key] = earlier_seconds + seconds
        self.save()

    def add_value(self, case: BenchmarkCase, value: float, started: datetime, seconds: float) -> None:
        """Record a figure without samples, in place of an earlier one."""
        self._put(case, value, None, None, started, seconds, "")
        self.save()

    def add_absent(self, case: BenchmarkCase, value: float | None, said: str) -> None:
        """Record that the commit cannot do a case (NaN) or fails in it (None), unless it has results of it."""
        if self._column(Results.get_result_value, case) is None:
            self._put(case, value, None, None, datetime.now(UTC), None, said)
            self.save()

    def add_lacking(self, case: BenchmarkCase, seconds: float) -> None:
        """Record that a campaign found that the commit cannot do a case."""
        self._results.duration[self._lacking(case)] = seconds
        self.add_absent(case, math.nan, "")
        self.save()

    def save(self) -> None:
        """Write the file; a damaged one that is there is set aside."""
        if self._damaged and self.path.exists():
            print(f"alb: {self.path} is set aside as {set_aside(self.path).name}", file=sys.stderr)
        self._damaged = False
        self._results.save(str(self._root))

    def _lacking(self, case: BenchmarkCase) -> str:
        # Another version of the benchmark may do it.
        return f"<{CAMPAIGN} lacks {case.benchmark}-{case.index} {self._benchmarks[case.benchmark]['version']}>"

    def _segments(self, case: BenchmarkCase) -> list[_Segment]:
        """A case's segments, in the order of their samples."""
        parsed = [segment for segment in map(_Segment.parse, self._results.duration) if segment is not None]
        mine = [segment for segment in parsed if (segment.benchmark, segment.index) == (case.benchmark, case.index)]
        return sorted(mine, key=lambda segment: segment.offset)

    def _put(
        self,
        case: BenchmarkCase,
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
        self._results.add_result(
            benchmark,
            made,
            selected_idx=[case.index],
            started_at=started,
            duration=duration,
            record_samples=True,
            append_samples=samples is not None,
        )

    def _column(self, get: Callable[[Results, str, Any], Any], case: BenchmarkCase) -> Any:
        """What results hold of a case, under the version that is measured now, or one that is the same."""
        benchmark = self._benchmarks[case.benchmark]
        results = carried_versions.view(self._results, case.benchmark)
        if case.benchmark not in results.get_result_keys({case.benchmark: benchmark}):
            return None
        return get(results, case.benchmark, benchmark["params"])[case.index]

    def _load(self, results: Results) -> Results:
        path = self.path
        try:
            results.load_data(str(self._root))
            if path.is_file():
                content = json.loads(path.read_text())
                found, machine = content["commit_hash"], content["params"].get("machine")
        except (util.UserError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            # Whoever only looks changes nothing: it is set aside when there is something to write.
            self._damaged = True
            print(f"alb: {path} cannot be read as results of asv, and is passed over", file=sys.stderr)
            for line in str(error).splitlines()[:1]:
                print(f"alb:   {line}", file=sys.stderr)
            return results
        if path.is_file() and (machine != self._machine or found != results.commit_hash):
            raise AlbError(
                f"{path} holds results of commit {found} on machine {machine}, expected {results.commit_hash} on "
                f"{self._machine}: move it to where it belongs"
            )
        return results


class Store:
    """asv's results of some commits in one environment on one machine, for one call of a command."""

    def __init__(
        self,
        results: Path,
        machine: str,
        empty: Callable[[str], Results],
        benchmarks: Mapping[str, dict[str, Any]],
        commits: Iterable[str],
    ) -> None:
        self._results = {
            commit: CommitResults(results, machine, empty(commit), benchmarks) for commit in dict.fromkeys(commits)
        }
        # Later than every other of these results: a clock may stand still, or go back.
        now = int(datetime.now(UTC).timestamp() * 1000)
        self._session = max([now, *(each.last_session() + 1 for each in self._results.values())])

    def of(self, commit: str) -> CommitResults:
        """Return the results of a commit."""
        return self._results[commit]

    def pairs(self, base: str, head: str, case: BenchmarkCase) -> list[Pair]:
        """Return the rounds of a case that stand in both commits' results, oldest first."""
        bases = self._results[base].rounds(_verdict(head), case)
        heads = self._results[head].rounds(_verdict(base), case)
        if base == head:
            halves = [(r[: len(r) // 2], r[len(r) // 2 :]) for session in sorted(bases) for r in bases[session]]
            return [Pair(one, other) for one, other in halves]
        found = []
        for session in sorted(bases.keys() & heads.keys()):
            # A call that was killed between the two files leaves one round more in one of them.
            found += [Pair(one, other) for one, other in zip(bases[session], heads[session], strict=False)]
        return found

    def pair_seconds(self, base: str, head: str, case: BenchmarkCase) -> float | None:
        """Seconds that a round of a case took on both commits, on average; None where there is none."""
        others = {base: head, head: base}
        each = [self._results[commit].seconds(_verdict(other), case) for commit, other in others.items()]
        known = [seconds for seconds in each if seconds is not None]
        return sum(known) if len(known) == len(each) else None

    def add_pair(
        self, base: str, head: str, case: BenchmarkCase, pair: Pair, started: datetime, seconds: float
    ) -> None:
        """Append a round to both commits' results and save them."""
        if base == head:
            self._append(base, _verdict(base), case, (*pair.base, *pair.head), started, seconds)
        else:
            self._append(base, _verdict(head), case, pair.base, started, seconds / 2)
            self._append(head, _verdict(base), case, pair.head, started, seconds / 2)

    def keep_pair(self, base: str, head: str, result: TurnResult) -> None:
        """Append what a turn of two commits gave, or record why it gave nothing."""
        case = result.turn.case
        for commit, process in zip((base, head), result.results, strict=True):
            if not process.samples:
                self._results[commit].add_absent(case, math.nan if process.absent else None, process.said)
        if result.complete:
            one, other = result.results
            self.add_pair(base, head, case, Pair(one.samples, other.samples), result.started, result.seconds)

    def keep_campaign(self, commit: str, result: TurnResult) -> None:
        """Append what a turn of a release gave in a campaign, or record why it gave nothing."""
        [process], case = result.results, result.turn.case
        seconds = result.seconds + result.opening_seconds
        if process.samples:
            self._append(commit, CAMPAIGN, case, process.samples, result.started, seconds)
        elif process.absent:
            self._results[commit].add_lacking(case, seconds)
        else:
            self._results[commit].add_absent(case, None, process.said)

    def _append(
        self,
        commit: str,
        label: str,
        case: BenchmarkCase,
        samples: tuple[float, ...],
        started: datetime,
        seconds: float,
    ) -> None:
        self._results[commit].append(label, self._session, case, samples, started, seconds)


def _verdict(other: str) -> str:
    """Label of the rounds of a verdict that were paired with a commit."""
    return f"verdict {other}"


def set_aside(path: Path, why: str = "corrupt") -> Path:
    """Give a file a name under which asv passes over it and nothing overwrites it; return the new path."""
    names = [path.with_name(f"{path.name}.{why}{suffix}") for suffix in ("", *(f"-{n}" for n in range(2, 1000)))]
    target = next(name for name in names if not name.exists())
    try:
        path.rename(target)
    except OSError as error:
        raise AlbError(f"cannot set {path} aside: {error.strerror}") from error
    return target


def _digest(samples: Sequence[float]) -> str:
    return hashlib.sha256(json.dumps(list(samples)).encode()).hexdigest()[:12]
