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
from alb_core.verdicts.judge import Change, JudgedWork, Verdict, VerdictRow
from alb_core.verdicts.statistics import Word
from alb_core.verdicts.work_changes import APART, function_lines, short_count

HEADERS = (
    *("benchmark", "work", "verdict", "time", "95 % interval", "verdict", "visible", "rounds"),
    *("peak memory", "verdict"),
)
#: Columns of words.
VERDICTS = (2, 5, 9)

#: Raised when a field of the JSON changes its meaning.
JSON_VERSION = 1


@dataclass(frozen=True)
class Context:
    """What a verdict is about."""

    #: Names as typed.
    base: str
    head: str
    #: Full object names; of builds that are no commit's, digests.
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
    #: What a build is and what proves that, where it stands for a commit.
    base_build: str | None = None
    head_build: str | None = None
    #: What the machine was like before; None where nobody looked.
    canary: Canary | None = None
    #: How good verdicts of this machine are; None where nobody knows.
    calibration: Calibration | None = None


def headline(verdict: Verdict, context: Context) -> str:
    """Return the one line for the whole."""
    who = f"{_who(context, 'head')} against {_who(context, 'base')}"
    if not verdict.judged:
        return f"COULD NOT MEASURE {who}: {_why(verdict)}"
    several = [
        row.name
        for row in verdict.rows
        if row.together and row.time is not None and row.time.word is verdict.word is not Word.UNKNOWN
    ]
    counted = ", ".join(f"{count} {word}" for word, count in verdict.counts.items() if count)
    together = f"; together: {', '.join(several)}" if several else ""
    return f"{verdict.word.upper()} by {_and(verdict.by)}: {who} on {context.machine}: {counted}{together}"


def _who(context: Context, side: str) -> str:
    """Return what was measured, and what proves that it was."""
    name, commit, build = (getattr(context, f"{side}{field}") for field in ("", "_commit", "_build"))
    return str(build or f"{name} ({commit[:8]})")


def text(verdict: Verdict, context: Context) -> str:
    """Return the table, what is to be known beside it, and the line for the whole at its end."""
    table = tabulate([_cells(row) for row in verdict.rows], HEADERS, tablefmt="plain", disable_numparse=True)
    causes = [line for name, work in _other_work(verdict) for line in _cause(name, work)]
    return "\n".join([table, "", *causes, *_remarks(verdict, context), headline(verdict, context)])


def markdown(verdict: Verdict, context: Context) -> str:
    """Return it as a comment of a pull request."""
    rows = [_cells(row) for row in verdict.rows]
    for row in rows:
        row[0] = f"`{row[0]}`"
        for place in VERDICTS:
            row[place] = f"**{row[place]}**" if row[place] in {Word.WORSE, Word.BETTER} else row[place]
    table = tabulate(rows, HEADERS, tablefmt="github", disable_numparse=True)
    causes = [line for name, work in _other_work(verdict) for line in _folded(name, work)]
    remarks = [f"- {line}" for line in _remarks(verdict, context)]
    return "\n".join([f"### {headline(verdict, context)}", "", table, "", *causes, *remarks])


def as_json(verdict: Verdict, context: Context) -> str:
    """Return everything, for programs."""
    content: dict[str, Any] = {
        "version": JSON_VERSION,
        "verdict": str(verdict.word) if verdict.judged else "could not measure",
        "exit_status": verdict.exit_status,
        "by": list(verdict.by),
        "counter": verdict.counter,
        "headline": headline(verdict, context),
        **{name: getattr(context, name) for name in ("base", "head", "base_commit", "head_commit", "machine")},
        **{name: getattr(context, name) for name in ("base_build", "head_build")},
        **{name: getattr(context, name) for name in ("seconds", "budget", "recorded", "interrupted")},
        "counts": {str(word): count for word, count in verdict.counts.items()},
        "rows": [asdict(row) for row in verdict.rows],
        "moved": list(verdict.moved),
        "canary": None if context.canary is None else asdict(context.canary),
        "calibration": None if context.calibration is None else asdict(context.calibration.whole),
    }
    return json.dumps(content, indent=1)


def _cells(row: VerdictRow) -> list[str]:
    work = ["", ""] if row.work is None else [_work(row.work), str(row.work.word)]
    time = ["", "", "", "", ""] if row.time is None else _time(row.time)
    memory = ["", ""] if row.memory is None else [_memory(row.memory), str(row.memory.word)]
    return [row.name, *work, *time, *memory]


def _work(change: JudgedWork) -> str:
    said = f"{100 * change.change:+.2f} %"
    if change.apart is not None and change.apart > APART:
        said += f" (counts of one commit: {100 * change.apart:.2f} % apart)"
    return said


def _time(change: Change) -> list[str]:
    return [
        "" if change.change is None else _percent(change.change),
        "" if change.low is None or change.high is None else f"{_percent(change.low)} .. {_percent(change.high)}",
        str(change.word),
        "" if change.visible is None else _percent(change.visible).lstrip("+"),
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
    found += [
        f"{row.name}: work is {row.work.word} and time {row.time.word}: the clock's word counts"
        for row in verdict.rows
        if row.contradicted and row.work and row.time
    ]
    if verdict.counter:
        found.append(f"work is instructions, counted by {verdict.counter}")
    excluded = [(row.together, row.time) for row in verdict.rows if row.time and row.time.no_waiting]
    if excluded:
        each = [f"{100 * (time.visible or 0):.0f} % of a benchmark" for together, time in excluded if not together]
        most = [f"{100 * (time.visible or 0):.0f} % in their median" for together, time in excluded if together]
        found.append(
            "where work is the same, or nearly, the clock had only to exclude waiting: "
            f"{max(time.rounds for _, time in excluded)} rounds exclude {_and([*each[:1], *most[:1]])}"
        )
    found += verdict.moved
    if context.recorded:
        found.append(f"{context.recorded} pairs of earlier calls count")
    if context.canary is not None and context.canary.noisy:
        found.append(context.canary.said)
    found += calibration_file.calibration_lines(context.calibration, context.machine, context.budget, verdict.counter)
    if context.interrupted:
        found.append("interrupted: the rounds are kept, and the same command goes on")
    return found


def _other_work(verdict: Verdict) -> list[tuple[str, JudgedWork]]:
    """Names of rows whose work is not the same, and that work."""
    return [(row.name, row.work) for row in verdict.rows if row.work is not None and row.work.word is not Word.SAME]


def _cause(name: str, work: JudgedWork) -> list[str]:
    """Lines that say which functions took the difference."""
    return [_counts(name, work), *(f"  {line}" for line in function_lines(work)), ""]


def _counts(name: str, work: JudgedWork) -> str:
    return f"{name}: {short_count(work.base)} -> {short_count(work.head)} instructions ({_work(work)})"


def _folded(name: str, work: JudgedWork) -> list[str]:
    """The functions as a table that opens."""
    cells = [
        [_code(each.name), f"{each.before:,}", f"{each.after:,}", f"{each.difference:+,}", each.unit]
        for each in work.functions
    ]
    headers = ("function", "before", "after", "difference", "of")
    table = tabulate(cells, headers, tablefmt="github", disable_numparse=True)
    return ["<details>", f"<summary>{_counts(name, work)}</summary>", "", table, "", "</details>", ""]


def _code(name: str) -> str:
    # operator| would be the end of a cell, and who posts the table takes no backslash.
    return f"`{name}`".replace("|", "¦")


def _and(names: Sequence[str]) -> str:
    """Join names: ``work, time and memory``."""
    return " and ".join([part for part in (", ".join(names[:-1]), names[-1] if names else "") if part])


def _why(verdict: Verdict) -> str:
    notes: Sequence[str] = [note for row in verdict.rows for note in row.notes]
    if notes:
        return notes[0]
    return f"nothing has {pairs.LEAST_ROUNDS} rounds; give a larger --budget, or fewer benchmarks by -b"
