"""Outcomes -> the table that `alb compare-loaders` prints. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from alb_core.peers.compare.loaders import RAW
from alb_core.peers.compare.results import Outcome, fastest, ratio

COLUMNS = (
    "loader",
    "setting",
    "version",
    "cells/s",
    "range",
    "after first",
    "first batch",
    "peak memory",
    "waiting",
    "shuffle",
    "of raw read",
)
TEXTS = 3  # columns that begin at the left


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    """Lines of the table: what was measured, fastest first under the limit, then what was not, with its reason."""
    shown, others = rows(outcomes)
    widths = [max(len(row[column]) for row in shown) for column in range(len(COLUMNS))]
    found = [
        "  ".join(_aligned(text, width, column) for column, (text, width) in enumerate(zip(row, widths, strict=True)))
        for row in shown
    ]
    return [line.rstrip() for line in found] + others


def rows(outcomes: Sequence[Outcome]) -> tuple[list[list[str]], list[str]]:
    """Cells of the table, its head first, and a line for each that was not measured."""
    limit = fastest([outcome for outcome in outcomes if outcome.contender.peer == RAW])
    measured = [outcome for outcome in outcomes if outcome.is_measured]
    measured.sort(key=lambda one: (one.contender.peer != RAW, -(one.middle(lambda run: run.rate) or 0.0)))
    others = [outcome for outcome in outcomes if not outcome.is_measured]
    return [list(COLUMNS), *(_cells(outcome, limit) for outcome in measured)], [_reason(one) for one in others]


def _aligned(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < TEXTS else text.rjust(width)


def _reason(outcome: Outcome) -> str:
    return f"{outcome.name}  {outcome.contender.label}  {outcome.state}: {outcome.reason or 'no round was finished'}"


def _cells(outcome: Outcome, limit: Outcome | None) -> list[str]:
    """Return an outcome as texts, in the order of the columns; medians, and the range of the rate."""
    is_raw = outcome.contender.peer == RAW
    rates = outcome.extremes(lambda run: run.rate)
    of_limit = ratio(outcome, limit) if limit is not None else None
    mixed = outcome.middle(lambda run: run.quality)
    setting = outcome.contender.label
    if is_raw and outcome is limit:
        setting += " (best)"
    return [
        outcome.name,
        setting,
        outcome.version or "",
        _rate(outcome.middle(lambda run: run.rate)),
        f"{rates[0]:,.0f}-{rates[1]:,.0f}" if rates else "n/a",
        "n/a" if is_raw else _rate(outcome.middle(lambda run: run.rate_after_first)),
        "n/a" if is_raw else f"{outcome.middle(lambda run: run.first_batch):.2f} s",
        f"{(outcome.middle(lambda run: run.peak) or 0) / 2**30:.2f} GiB",
        "n/a" if is_raw else f"{100 * (outcome.middle(lambda run: run.waiting_share) or 0):.0f} %",
        "n/a" if mixed is None else f"{100 * mixed:.1f} %",
        "n/a" if of_limit is None else f"{of_limit.middle:.2f}",
    ]


def _rate(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.0f}"
