"""Measure contenders: a first pass that proves what each delivers, then interleaved rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alb_core.base.checksum import Totals
from alb_core.peers.child import Task
from alb_core.peers.compare import run_loader
from alb_core.peers.compare.dataset_facts import DatasetFacts
from alb_core.peers.compare.loaders import RAW, LoaderInfo
from alb_core.peers.compare.results import Outcome, Run, shuffle_quality
from alb_core.peers.compare.workload import Contender, LoaderWorkload, rounds
from alb_core.peers.interface import Wanted


class Progress(Protocol):
    """Shows what is going on."""

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
class Reference:
    """What every loader must deliver in one pass, and who says so: the manifest, or a plain read."""

    who: str
    totals: Totals


@dataclass(frozen=True)
class ComparedDataset:
    """A dataset: what was found in it, copies of it by format, and what its manifest says (None without one)."""

    facts: DatasetFacts
    copies: Mapping[str, str]
    reference: Reference | None

    def n_rows(self, workload: LoaderWorkload) -> int:
        """Rows of one pass."""
        return self.facts.n_rows if workload.rows is None else min(workload.rows, self.facts.n_rows)


def run(
    contenders: Sequence[Contender],
    loaders: Mapping[str, LoaderInfo],
    datasets: Mapping[str, ComparedDataset],
    *,
    number: int,
    timeout_seconds: float,
    progress: Progress,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Measure all contenders.

    Before the rounds each delivers all rows once, not timed, with a checksum of every value at its place; in the timed
    rounds what it delivers is counted and added up. One that delivers something wrong, or fails, is named, and takes
    no further part.
    """
    outcomes = {id(one): _new(one, loaders[one.module]) for one in contenders}
    references: dict[tuple[str, int | None], Reference | None] = {
        (location, None): dataset.reference for location, dataset in datasets.items()
    }
    runner = _Runner(loaders, datasets, timeout_seconds, progress)
    # The plain read first: where there is no manifest, the others must deliver what it read.
    for one in sorted(contenders, key=lambda one: one.peer != RAW):
        outcome = outcomes[id(one)]
        if outcome.state != "measured":
            continue
        answer = runner.run(outcome, f"{one}: proof", epoch=0, check=True)
        if answer is None:
            say(f"{outcome}: {outcome.state}: {outcome.reason}")
            continue
        reference = references.get(one.workload.rows_key)
        if reference is None:
            assert one.workload.passes == 1, "a plain read of several passes proves none of them"
            references[one.workload.rows_key] = Reference(str(outcome), _totals(answer))
        else:
            _judge(outcome, answer, reference, say)
    timed = [one for one in contenders if outcomes[id(one)].state == "measured" and not one.proof_only]
    for turn, one in rounds(timed, number):
        outcome = outcomes[id(one)]
        if outcome.state != "measured":
            continue
        answer = runner.run(outcome, f"{one}: round {turn + 1} of {number}", epoch=turn, check=False)
        if answer is None:
            say(f"{outcome}: {outcome.state}: {outcome.reason}")
            continue
        reference = references[one.workload.rows_key]
        assert reference is not None
        if _judge(outcome, answer, reference, say):
            sizes = datasets[one.workload.location].facts.group_sizes(one.workload.rows)
            outcome.runs.append(_run(turn, answer, shuffle_quality(answer["entropies"], answer["sizes"], sizes)))
    return list(outcomes.values())


def _new(contender: Contender, loader: LoaderInfo) -> Outcome:
    reason = loader.reason
    if reason is None and contender.setting not in loader.settings:
        reason = f"has no setting {contender.setting}"
    state = "measured" if reason is None else "n/a"
    return Outcome(contender, loader.name, loader.version, loader.versions, {}, [], state, reason)


@dataclass
class _Runner:
    """Runs one contender after another."""

    loaders: Mapping[str, LoaderInfo]
    datasets: Mapping[str, ComparedDataset]
    timeout_seconds: float
    progress: Progress

    def run(self, outcome: Outcome, what: str, *, epoch: int, check: bool) -> dict[str, Any] | None:
        """Run one, and return what its process answers; None where the outcome says why there is nothing."""
        contender = outcome.contender
        workload, dataset = contender.workload, self.datasets[contender.workload.location]
        task = Task(
            contender.module,
            wanted(workload, dataset, contender.options, epoch),
            contender.setting,
            expected=str(dataset.facts.directory),
            rows=workload.rows,
            passes=workload.passes,
            consumer_ms=0.0 if check else workload.consumer_ms,
            check=check,
        )
        python = self.loaders[contender.module].python
        assert python is not None
        self.progress.begin(what, dataset.n_rows(workload) * workload.passes)
        try:
            answer = run_loader.run(python, task, timeout_seconds=self.timeout_seconds, progress=self.progress.rows)
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


def wanted(workload: LoaderWorkload, dataset: ComparedDataset, options: Mapping[str, Any], epoch: int) -> Wanted:
    """The epoch that a loader is asked for in one round."""
    limited: dict[str, Any] = {}
    if workload.rows is not None:
        limited["rows"] = workload.rows
    if workload.passes > 1:
        limited["passes"] = workload.passes
    return Wanted(
        location=workload.location,
        copies=dataset.copies,
        n_rows=dataset.n_rows(workload),
        n_vars=dataset.facts.n_vars,
        batch_size=workload.batch_size,
        chunk_size=workload.chunk_size,
        block_size=workload.block_size,
        shuffle=workload.shuffle,
        seed=workload.seed,
        epoch=epoch,
        options={**options, **limited},
    )


def _totals(answer: Mapping[str, Any]) -> Totals:
    return Totals(answer["n_rows"], answer["nnz"], answer["total"], answer["checksum"])


def _judge(outcome: Outcome, answer: Mapping[str, Any], reference: Reference, say: Callable[[str], None]) -> bool:
    """Compare what came with what must come, and name what is wrong; return whether all is right."""
    expected = reference.totals.times(outcome.contender.workload.passes)
    wrong = [*answer["faults"], *_totals(answer).differences(expected)]
    if wrong:
        outcome.state, outcome.reason = "wrong", f"{'; '.join(wrong)} (by {reference.who})"
        say(f"{outcome}: wrong rows: {outcome.reason}")
    return not wrong


def _run(number: int, answer: Mapping[str, Any], quality: float | None) -> Run:
    names = ("n_rows", "rows_after_first", "opening", "elapsed", "first_batch", "after_first", "waiting", "cpu", "peak")
    return Run(number=number, quality=quality, **{name: answer[name] for name in names})
