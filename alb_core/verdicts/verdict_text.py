"""A verdict as text, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tabulate import tabulate

from alb_core.rounds import pairs
from alb_core.rounds.canary import Canary
from alb_core.verdicts import calibration_file
from alb_core.verdicts.calibration_file import Calibration
from alb_core.verdicts.judge import Change, Verdict, VerdictRow
from alb_core.verdicts.statistics import Word

HEADERS = ("benchmark", "time", "95 % interval", "verdict", "visible", "rounds", "peak memory", "verdict")

#: Raised when a field of the JSON changes its meaning.
JSON_VERSION = 1


@dataclass(frozen=True)
class Context:
    """What a verdict is about."""

    #: Names as typed.
    base: str
    head: str
    #: Full object names.
    base_commit: str
    head_commit: str
    machine: str
    #: That this call measured.
    seconds: float
    #: That it was given (s).
    budget: float
    #: Rounds of single benchmarks that were there before.
    recorded: int
    interrupted: bool = False
    #: What the machine was like before; None where nobody looked.
    canary: Canary | None = None
    #: How good verdicts of this machine are; None where nobody knows.
    calibration: Calibration | None = None


def headline(verdict: Verdict, context: Context) -> str:
    """Return the one line for the whole."""
    who = f"{context.head} ({context.head_commit[:8]}) against {context.base} ({context.base_commit[:8]})"
    if not verdict.judged:
        return f"COULD NOT MEASURE {who}: {_why(verdict)}"
    several = [
        row.name
        for row in verdict.rows
        if row.together and row.time is not None and row.time.word is verdict.word is not Word.UNKNOWN
    ]
    counted = ", ".join(f"{count} {word}" for word, count in verdict.counts.items() if count)
    together = f"; together: {', '.join(several)}" if several else ""
    return f"{verdict.word.upper()}: {who} on {context.machine}: {counted}{together}"


def text(verdict: Verdict, context: Context) -> str:
    """Return the table, what is to be known beside it, and the line for the whole at its end."""
    table = tabulate([_cells(row) for row in verdict.rows], HEADERS, tablefmt="plain", disable_numparse=True)
    return "\n".join([table, "", *_remarks(verdict, context), headline(verdict, context)])


def markdown(verdict: Verdict, context: Context) -> str:
    """Return it as a comment of a pull request."""
    rows = [_cells(row) for row in verdict.rows]
    for row in rows:
        row[0] = f"`{row[0]}`"
        for place in (3, 7):
            row[place] = f"**{row[place]}**" if row[place] in {Word.WORSE, Word.BETTER} else row[place]
    table = tabulate(rows, HEADERS, tablefmt="github", disable_numparse=True)
    remarks = [f"- {line}" for line in _remarks(verdict, context)]
    return "\n".join([f"### {headline(verdict, context)}", "", table, "", *remarks])


def as_json(verdict: Verdict, context: Context) -> str:
    """Return everything, for programs."""
    content: dict[str, Any] = {
        "version": JSON_VERSION,
        "verdict": str(verdict.word) if verdict.judged else "could not measure",
        "exit_status": verdict.exit_status,
        "headline": headline(verdict, context),
        **{name: getattr(context, name) for name in ("base", "head", "base_commit", "head_commit", "machine")},
        **{name: getattr(context, name) for name in ("seconds", "budget", "recorded", "interrupted")},
        "counts": {str(word): count for word, count in verdict.counts.items()},
        "rows": [asdict(row) for row in verdict.rows],
        "moved": list(verdict.moved),
        "canary": None if context.canary is None else asdict(context.canary),
        "calibration": None if context.calibration is None else asdict(context.calibration.whole),
    }
    return json.dumps(content, indent=1)


def _cells(row: VerdictRow) -> list[str]:
    time = ["", "", "", "", ""] if row.time is None else _time(row.time)
    memory = ["", ""] if row.memory is None else [_memory(row.memory), str(row.memory.word)]
    return [row.name, *time, *memory]


def _time(change: Change) -> list[str]:
    if change.change is None or change.low is None or change.high is None or change.visible is None:
        return ["", "", str(change.word), "", str(change.rounds)]
    return [
        _percent(change.change),
        f"{_percent(change.low)} .. {_percent(change.high)}",
        str(change.word),
        _percent(change.visible).lstrip("+"),
        str(change.rounds),
    ]


def _memory(change: Change) -> str:
    if change.change is None or change.base is None:
        return ""
    megabytes = change.change * change.base / 1e6
    return f"{_percent(change.change)} ({megabytes:+,.0f} MB)"


def _percent(share: float) -> str:
    if share > 9.99:
        return "> +999 %"
    return f"{100 * share:+.1f} %"


def _remarks(verdict: Verdict, context: Context) -> list[str]:
    found = [f"{row.name}: {note}" for row in verdict.rows for note in row.notes]
    found += verdict.moved
    if context.recorded:
        found.append(f"{context.recorded} pairs of earlier calls count")
    if context.canary is not None and context.canary.noisy:
        found.append(context.canary.said)
    found += calibration_file.calibration_lines(context.calibration, context.machine, context.budget)
    if context.interrupted:
        found.append("interrupted: the rounds are kept, and the same command goes on")
    return found


def _why(verdict: Verdict) -> str:
    notes: Sequence[str] = [note for row in verdict.rows for note in row.notes]
    if notes:
        return notes[0]
    return f"nothing has {pairs.LEAST_ROUNDS} rounds; give a larger --budget, or fewer benchmarks by -b"
