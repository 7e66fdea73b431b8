"""A calibration as text, or as Markdown for the README."""

from __future__ import annotations

from tabulate import tabulate

from alb_core.verdicts.calibration.injected import CHANGES, NOTHING
from alb_core.verdicts.calibration_file import Calibration, Effect, Rate, VerdictRates, rate_in_words


def text(known: Calibration, form: str = "plain") -> str:
    """Return the table of a calibration and what it stands on."""
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
            *(f"It finds {size} more in {_said(known.whole, size)}." for size in known.whole.power),
        ]
    )


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
