"""Which cases the commits of a machine share: those alone are drawn. Nothing of the results is changed.

A line over all commits and a summary of like cases say something; a dot, a line through two points of thirty, or a mean
over other cases at each commit mislead.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from asv.results import Results

from alb_core.rounds.results.carried_versions import keep_only

#: Part of the commits that may lack a case that is drawn: one that failed leaves a gap, not an empty page.
MAY_LACK = 0.1

#: asv's name of a benchmark, and parameters as asv keeps them: reprs.
Case = tuple[str, tuple[str, ...]]


@dataclass
class Line:
    """What the commits of one machine have in one environment."""

    machine: str
    #: Cases with a figure, by commit; commits without any are not drawn.
    commits: dict[str, Set[Case]] = field(default_factory=dict)

    @property
    def cases(self) -> set[Case]:
        """Cases that nearly all commits have."""
        counted = Counter(itertools.chain.from_iterable(self.commits.values()))
        least = len(self.commits) - int(MAY_LACK * len(self.commits))
        return {case for case, number in counted.items() if number >= least}

    def about(self) -> dict[str, Any]:
        """Return what the site says of it."""
        every = set(itertools.chain.from_iterable(self.commits.values()))
        return {
            "machine": self.machine,
            "commits": [*self.commits],
            "benchmarks": sorted({name for name, _ in self.cases}),
            "cases": len(self.cases),
            "left_out": len(every - self.cases),
        }


def cases_of(results: Results, benchmarks: Mapping[str, Mapping[str, Any]]) -> set[Case]:
    """Return the cases of which a commit has a figure."""
    found: set[Case] = set()
    for name in results.get_result_keys(benchmarks):
        parameters = benchmarks[name]["params"]
        values = results.get_result_value(name, parameters)
        for combination, value in zip(itertools.product(*parameters), values, strict=True):
            if isinstance(value, int | float) and math.isfinite(value):
                found.add((name, combination))
    return found


def drawn(results: Results, cases: Set[Case]) -> Results:
    """Leave nothing in results but some cases; return them."""
    for name in list(results.get_all_result_keys()):
        combinations = itertools.product(*(results.get_result_params(name) or []))
        keep_only(results, name, [(name, combination) in cases for combination in combinations])
    return results


def narrowed(benchmarks: Mapping[str, Mapping[str, Any]], cases: Iterable[Case]) -> dict[str, dict[str, Any]]:
    """Return the benchmarks of some cases, with the values of parameters that these have."""
    by_name: dict[str, list[tuple[str, ...]]] = {}
    for name, combination in cases:
        by_name.setdefault(name, []).append(combination)
    return {
        name: {**one, "params": [_used(values, found) for values, found in _by_place(one, by_name[name])]}
        for name, one in benchmarks.items()
        if name in by_name
    }


def _by_place(benchmark: Mapping[str, Any], found: list[tuple[str, ...]]) -> Iterable[tuple[list[str], set[str]]]:
    return zip(benchmark["params"], map(set, zip(*found, strict=True)), strict=True)


def _used(values: list[str], found: set[str]) -> list[str]:
    return [value for value in values if value in found]
