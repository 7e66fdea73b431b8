"""What two commits' counts of one case say: by how much work changed, and which functions took the difference. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alb_core.cases.work import LEAST_BYTECODES, Work

#: Functions are named down to this share of the case.
LEAST_SHARE = 0.001

#: Counts of one commit that lie further apart than this share are counted again.
APART = 0.003

#: Functions that a terminal shows.
SHOWN = 10

#: The interpreter's library, or the program where it is linked into that. What Python code takes is counted there.
_INTERPRETER = re.compile(r"(lib)?python\d")
INTERPRETER = "the Python interpreter"


@dataclass(frozen=True)
class FunctionChange:
    """What one function took of a change of work."""

    #: ``library function``; of a Python function, ``module:function``.
    name: str
    before: int
    after: int
    #: ``instructions``; ``bytecodes`` of a Python function, whose instructions are the interpreter's, listed before it.
    unit: str = "instructions"

    @property
    def difference(self) -> int:
        """What it takes more."""
        return self.after - self.before


@dataclass(frozen=True)
class WorkChange:
    """How the work of a case changed."""

    #: Instructions: the least of each commit's counts, since what threads do while they wait only adds to a count.
    base: int
    head: int
    #: How far a commit's own counts lie apart, relative to the least; the greater of both. None if each has one count.
    apart: float | None
    #: Whether every count of one commit lies above every count of the other, of two of each at least.
    certain: bool
    #: The functions that took the difference, largest first, down to :data:`LEAST_SHARE` of the case.
    functions: tuple[FunctionChange, ...] = ()
    #: Relative: 0.1 is ten percent more.
    change: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "change", self.head / self.base - 1)


@dataclass(frozen=True)
class ComparedWork:
    """What is known of the work of two commits."""

    #: What counted, with its version; empty where nothing did.
    counter: str = ""
    #: By row of what is counted.
    changes: Mapping[str, WorkChange] = field(default_factory=dict)
    #: By row, why it has none, or not as many counts as it should, in words.
    notes: Mapping[str, str] = field(default_factory=dict)
    #: Rows without a change because counting failed.
    failed: frozenset[str] = frozenset()


NOT_COUNTED = ComparedWork()


def change_of(base: Sequence[Work], head: Sequence[Work]) -> WorkChange:
    """Return the change between two commits' counts of a case, at least one of each."""
    counts = [[work.instructions for work in works] for works in (base, head)]
    least = [min(works, key=lambda work: work.instructions) for works in (base, head)]
    spreads = [max(each) / min(each) - 1 for each in counts if len(each) > 1]
    return WorkChange(
        base=least[0].instructions,
        head=least[1].instructions,
        apart=max(spreads, default=None),
        certain=min(map(len, counts)) > 1 and (max(counts[0]) < min(counts[1]) or max(counts[1]) < min(counts[0])),
        functions=tuple(_function_changes(*least)),
    )


def apart(works: Sequence[Work]) -> float:
    """How far a commit's counts of a case lie apart, relative to the least."""
    counts = [work.instructions for work in works]
    return max(counts) / min(counts) - 1


def function_lines(change: WorkChange, most: int | None = SHOWN) -> list[str]:
    """Say which functions took the difference, a line each: name, before, after, share of the case."""
    shown = change.functions[:most]
    lines = [
        f"{'  ' * (each.unit == 'bytecodes')}{each.name}: {short_count(each.before)} -> {short_count(each.after)}"
        + (" bytecodes" if each.unit == "bytecodes" else f" ({100 * each.difference / change.base:+.1f} %)")
        for each in shown
    ]
    left = len(change.functions) - len(shown)
    return [*lines, f"and {left} more"] if left else lines


def short_count(count: int) -> str:
    """Return a count in few digits: ``284.7 M``, ``12.0 k``, ``512``."""
    for size, letter in ((10**9, " G"), (10**6, " M"), (10**3, " k")):
        if count >= size:
            return f"{count / size:.1f}{letter}"
    return str(count)


def _function_changes(base: Work, head: Work) -> list[FunctionChange]:
    least = LEAST_SHARE * base.instructions
    natives = [each for each in _differences(base.functions, head.functions) if abs(each.difference) >= least]
    interpreter = FunctionChange(INTERPRETER, _of_interpreter(base.functions), _of_interpreter(head.functions))
    if not base.functions:
        # What counts knows no functions.
        return _python_changes(base, head, base.instructions / max(1, sum(base.bytecodes.values())), least)
    python = []
    if abs(interpreter.difference) >= least:
        # Of a commit that executes little Python, no function of the interpreter is large enough to be kept.
        takes = [_of_interpreter(work.functions) / max(1, sum(work.bytecodes.values())) for work in (base, head)]
        python = _python_changes(base, head, max(takes), least)
    if python:
        # The interpreter's own functions say nothing where those that it executed are known.
        natives = [each for each in natives if not _INTERPRETER.match(each.name)] + [interpreter]
    natives.sort(key=lambda each: -abs(each.difference))
    if python:
        place = natives.index(interpreter) + 1
        natives[place:place] = python
    return natives


def _python_changes(base: Work, head: Work, takes: float, least: float) -> list[FunctionChange]:
    """Python functions that execute another number of bytecodes, each of which takes so many instructions.

    Down to those that are about the share of the case.
    """
    executed = sum(base.bytecodes.values())
    if not executed or not head.bytecodes:
        return []
    found = []
    for each in _differences(base.bytecodes, head.bytecodes, "bytecodes"):
        # A count too small to be kept may be all the difference there is to none.
        unkept = 2 * LEAST_BYTECODES * executed if 0 in (each.before, each.after) else 0
        if each.difference and abs(each.difference) * takes >= least and abs(each.difference) >= unkept:
            found.append(each)
    return sorted(found, key=lambda each: -abs(each.difference))


def _differences(base: Mapping[str, int], head: Mapping[str, int], unit: str = "instructions") -> list[FunctionChange]:
    return [FunctionChange(name, base.get(name, 0), head.get(name, 0), unit) for name in dict.fromkeys([*base, *head])]


def _of_interpreter(functions: Mapping[str, int]) -> int:
    return sum(count for name, count in functions.items() if _INTERPRETER.match(name))
