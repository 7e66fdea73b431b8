"""Measure contenders: a first pass that proves what each delivers, then interleaved rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alb_core.base.checksum import same_sum
from alb_core.peers.child import Task
from alb_core.peers.compare import run_loader
from alb_core.peers.compare.dataset_facts import Found
from alb_core.peers.compare.loaders import RAW, Member
from alb_core.peers.compare.results import Outcome, Run, shuffle_quality
from alb_core.peers.compare.workload import Contender, Workload, rounds
from alb_core.peers.interface import Wanted


class Progress(Protocol):
    """Told of what is going on."""

    def begin(self, what: str, rows: int) -> None:
        """Begin a run that will deliver so many rows."""
        ...

    def rows(self, number: int) -> None:
        """Say that so many rows of it have come."""
        ...

    def end(self) -> None:
        """End it."""
        ...


@dataclass(frozen=True)
class Holdings:
    """What a dataset holds, by its manifest or by a plain read of it: figures that every loader must deliver."""

    who: str
    n_rows: int
    nnz: int
    total: float
    checksum: str

    def times(self, passes: int) -> Holdings:
        """Return the same, so many times."""
        checksum = f"{int(self.checksum, 16) * passes % 2**64:016x}"
        return Holdings(self.who, self.n_rows * passes, self.nnz * passes, self.total * passes, checksum)


@dataclass(frozen=True)
class Source:
    """A dataset: what was found in it, copies of it by format, and what its manifest says (None without one)."""

    found: Found
    copies: Mapping[str, str]
    holdings: Holdings | None

    def n_rows(self, workload: Workload) -> int:
        """Rows of one pass."""
        return self.found.n_rows if workload.rows is None else min(workload.rows, self.found.n_rows)


def run(
    contenders: Sequence[Contender],
    members: Mapping[str, Member],
    sources: Mapping[str, Source],
    *,
    number: int,
    patience: float,
    progress: Progress,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Measure all contenders.

    Before the rounds each delivers everything once, off the clock, with a checksum of every value at its place; what
    it delivers on the clock is counted and added up. One that delivers something wrong, or nothing, is named, and
    takes part no more.
    """
    outcomes = {id(one): _new(one, members[one.module]) for one in contenders}
    truths: dict[tuple[str, int | None], Holdings | None] = {
        (location, None): source.holdings for location, source in sources.items()
    }
    meeting = _Meeting(members, sources, patience, progress)
    # The plain read first: where there is no manifest, it is what the others are held against.
    for one in sorted(contenders, key=lambda one: one.peer != RAW):
        outcome = outcomes[id(one)]
        if outcome.state != "measured":
            continue
        answer = meeting.let(outcome, f"{one}: proof", epoch=0, check=True)
        if answer is None:
            say(f"{outcome}: {outcome.state}: {outcome.reason}")
            continue
        truth = truths.get(one.workload.truth)
        if truth is None:
            truths[one.workload.truth] = _holdings(str(outcome), answer, one.workload.passes)
        else:
            _judge(outcome, answer, truth.times(one.workload.passes), say)
    timed = [one for one in contenders if outcomes[id(one)].state == "measured" and not one.proof_only]
    for turn, one in rounds(timed, number):
        outcome = outcomes[id(one)]
        if outcome.state != "measured":
            continue
        answer = meeting.let(outcome, f"{one}: round {turn + 1} of {number}", epoch=turn, check=False)
        if answer is None:
            say(f"{outcome}: {outcome.state}: {outcome.reason}")
            continue
        truth = truths[one.workload.truth]
        assert truth is not None
        if _judge(outcome, answer, truth.times(one.workload.passes), say):
            sizes = sources[one.workload.location].found.group_sizes(one.workload.rows)
            outcome.runs.append(_run(turn, answer, shuffle_quality(answer["mixed"], answer["sizes"], sizes)))
    return list(outcomes.values())


def _new(contender: Contender, member: Member) -> Outcome:
    reason = member.reason
    if reason is None and contender.setting not in member.settings:
        reason = f"has no setting {contender.setting}"
    state = "measured" if reason is None else "n/a"
    return Outcome(contender, member.name, member.version, member.versions, {}, [], state, reason)


@dataclass
class _Meeting:
    """Lets one contender after another run."""

    members: Mapping[str, Member]
    sources: Mapping[str, Source]
    patience: float
    progress: Progress

    def let(self, outcome: Outcome, what: str, *, epoch: int, check: bool) -> dict[str, Any] | None:
        """Let one run, and return what its process answers; None where the outcome says why there is nothing."""
        contender = outcome.contender
        workload, source = contender.workload, self.sources[contender.workload.location]
        task = Task(
            contender.module,
            wanted(workload, source, contender.options, epoch),
            contender.setting,
            facts=str(source.found.directory),
            rows=workload.rows,
            passes=workload.passes,
            consumer_ms=0.0 if check else workload.consumer_ms,
            check=check,
        )
        python = self.members[contender.module].python
        assert python is not None
        self.progress.begin(what, source.n_rows(workload) * workload.passes)
        try:
            answer = run_loader.run(python, task, patience=self.patience, progress=self.progress.rows)
        except run_loader.LoaderFailedError as error:
            outcome.state, outcome.reason = "failed", str(error)
            return None
        finally:
            self.progress.end()
        if answer["unsupported"] is not None:
            outcome.state, outcome.reason = "n/a", answer["unsupported"]
            return None
        outcome.options = answer["options"]
        return answer


def wanted(workload: Workload, source: Source, options: Mapping[str, Any], epoch: int) -> Wanted:
    """What a loader is asked for in one round."""
    limited: dict[str, Any] = {}
    if workload.rows is not None:
        limited["rows"] = workload.rows
    if workload.passes > 1:
        limited["passes"] = workload.passes
    return Wanted(
        location=workload.location,
        copies=source.copies,
        n_rows=source.n_rows(workload),
        n_vars=source.found.n_vars,
        batch_size=workload.batch_size,
        chunk_size=workload.chunk_size,
        block_size=workload.block_size,
        shuffle=workload.shuffle,
        seed=workload.seed,
        epoch=epoch,
        options={**options, **limited},
    )


def _holdings(who: str, answer: Mapping[str, Any], passes: int) -> Holdings:
    """What the dataset holds, by what was read of it in one pass."""
    assert passes == 1, "a plain read of several passes proves none of them"
    return Holdings(who, answer["n_rows"], answer["nnz"], answer["total"], answer["checksum"])


def _judge(outcome: Outcome, answer: Mapping[str, Any], truth: Holdings, say: Callable[[str], None]) -> bool:
    """Hold what came against what the dataset holds; name what is wrong."""
    wrong = list(answer["faults"])
    figures = [("non-zeros", answer["nnz"], truth.nnz), ("sum", answer["total"], truth.total)]
    wrong += [f"{name} {got:,}, expected {want:,}" for name, got, want in figures if not same_sum(got, want)]
    if answer["checksum"] is not None and not wrong and answer["checksum"] != truth.checksum:
        wrong.append(f"checksum {answer['checksum']}, expected {truth.checksum}: values stand at wrong places")
    if wrong:
        outcome.state, outcome.reason = "wrong", f"{'; '.join(wrong)} (by {truth.who})"
        say(f"{outcome}: wrong rows: {outcome.reason}")
    return not wrong


def _run(number: int, answer: Mapping[str, Any], quality: float | None) -> Run:
    names = ("n_rows", "rows_after_first", "opening", "elapsed", "first_batch", "after_first", "waiting", "cpu", "peak")
    return Run(number=number, quality=quality, **{name: answer[name] for name in names})
