"""A calibration as text, or as Markdown for docs/calibration.md."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from alb_core.verdicts.calibration.injected import CHANGES, NOTHING
from alb_core.verdicts.calibration_file import (
    Calibration,
    Effect,
    Rate,
    VerdictRates,
    WaitingRates,
    WorkCalibration,
    WorkRates,
    differs_by_more_in_words,
    more_in_words,
    rate_in_words,
)


def text(known: Calibration, form: str = "plain") -> str:
    """Return the tables of a calibration and what they stand on."""
    parts = [_work_text(known.work, known.machine, form)] if known.work is not None else []
    if known.benchmarks:
        parts.append(_time_text(known, form))
    return "\n\n".join(parts)


def _work_text(work: WorkCalibration, machine: str, form: str) -> str:
    """A row for each case: how far equal commits differ, then of each change how often it was found, and its size."""
    sizes = list(work.whole.found)
    headers = ["work", "false alarms", "equal commits differ by", *sizes]
    rows = [_work_cells("a verdict as a whole", work.whole, sizes)]
    rows += [_work_cells(f"`{name}`" if form == "github" else name, each, sizes) for name, each in work.cases.items()]
    named = [work.whole.named.get(size, Rate(0, 0)) for size in sizes]
    lines = [
        tabulate(rows, headers, tablefmt=form, disable_numparse=True),
        "",
        f"Machine {machine}, {work.measured[:10]}, {work.counter}: {work.pairs} pairs of equal commits, "
        f"{work.pairs_under_load} of them beside eight busy processes. Work is worse or better from "
        f"{100 * work.threshold:.1f} %.",
        *([f"Note: {differs_by_more_in_words(work)}."] if work.differs_by_more else []),
        "A pair of equal commits is a false alarm if it differs by the threshold that the other pairs give, or more.",
        "Each change: how often it was found, and by how much it was counted to change the case, in the median. One "
        "that only waits does no work: the clock finds it.",
        f"Of the changes found, the injected function was named first in {sum(rate.count for rate in named)} of "
        f"{sum(rate.of for rate in named)}.",
    ]
    return "\n".join(lines)


def _work_cells(name: str, known: WorkRates, sizes: Sequence[str]) -> list[str]:
    shares = (known.largest, known.largest_under_load)
    differences = [f"{100 * share:.3f} %" for share in shares if share is not None]
    alarms = known.false_alarms
    found = [name, f"{alarms.count}/{alarms.of}", ", ".join(differences) + " (busy)" * (shares[1] is not None)]
    for size in sizes:
        rate = known.found.get(size)
        found.append("" if rate is None else f"{rate.count}/{rate.of} ({100 * known.effects[size]:+.2f} %)")
    return found


def _time_text(known: Calibration, form: str) -> str:
    headers = ["benchmark", "false alarms", *(f"{size} found" for size in CHANGES), "visible", "step", "measured"]
    rows = [_cells("a verdict as a whole", known.whole)]
    rows += [_cells(f"`{name}`" if form == "github" else name, each) for name, each in known.benchmarks.items()]
    table = tabulate(rows, headers, tablefmt=form, disable_numparse=True)
    return "\n".join(
        [
            table,
            "",
            f"Machine {known.machine}, {known.measured[:10]}: {known.rounds} rounds; verdicts of "
            f"{known.budget / 60:.3g} minutes have {known.verdict_rounds} rounds here.",
            "Each count: of verdicts that share no round, then (in brackets) of those from rounds drawn anew, in which "
            "equal commits are swapped at random: what always favours one is in the first count and in 0% measured.",
            f"A verdict as a whole gives a false alarm in {_said(known.whole, NOTHING)}.",
            *_waiting_lines(known.waiting),
            *(f"It finds {more_in_words(size)} in {_said(known.whole, size)}." for size in known.whole.power),
        ]
    )


def _waiting_lines(known: WaitingRates | None) -> list[str]:
    if known is None:
        return []
    return [
        "Where work is the same, the clock has only to exclude waiting. Of equal commits it is excluded in "
        f"{rate_in_words(known.excluded)}, with a false alarm in {rate_in_words(known.false_alarms)}; 10 % of waiting "
        f"is found in {rate_in_words(known.found)}, and called no change in {rate_in_words(known.missed)}."
    ]


def _cells(name: str, known: VerdictRates) -> list[str]:
    found = [name, _counts(known.false_alarms, known.resampled_false_alarms)]
    for size in CHANGES:
        there = known.power.get(size), known.resampled_power.get(size)
        found.append("" if there[0] is None or there[1] is None else _counts(there[0], there[1]))
    effects = ", ".join(_effect(size, effect) for size, effect in known.effects.items())
    return [*found, _percent(known.visible), _percent(known.step), effects]


def _effect(size: str, effect: Effect) -> str:
    words = f"{size}: {100 * effect.change:+.1f} %"
    # Whether two equal commits differ is a question of its interval.
    return words + (f" ({100 * effect.low:+.1f} to {100 * effect.high:+.1f})" if size == NOTHING else "")


def _counts(disjoint: Rate, resampled: Rate) -> str:
    return f"{disjoint.count}/{disjoint.of} ({resampled.count}/{resampled.of})"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


def _said(known: VerdictRates, size: str) -> str:
    if size == NOTHING:
        return rate_in_words(known.false_alarms, known.resampled_false_alarms)
    return rate_in_words(known.power[size], known.resampled_power[size])
