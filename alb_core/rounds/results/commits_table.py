"""asv's results of a few commits side by side, as a table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from asv import util
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.results import Results, iter_results_for_machine_and_hash
from tabulate import tabulate

from alb_core.base.errors import AlbError
from alb_core.rounds.results.carried_versions import carry


@dataclass(frozen=True)
class BenchmarkValues:
    """One benchmark with one combination of parameters: asv's unit, and a value for each commit (None: n/a)."""

    benchmark: str
    parameters: tuple[str, ...]
    unit: str
    values: tuple[float | None, ...]


def rows(conf: Config, machine: str, commits: Sequence[str]) -> list[BenchmarkValues]:
    """Return what asv holds of some commits on a machine, where at least one has a value."""
    try:
        benchmarks = Benchmarks.load(conf)
    except util.UserError as error:
        raise AlbError(f"no results in {conf.results_dir} yet: measure with `asv run`") from error
    results = [
        [carry(one) for one in iter_results_for_machine_and_hash(conf.results_dir, machine, commit)]
        for commit in commits
    ]
    found = []
    for name, benchmark in sorted(benchmarks.items()):
        # asv keeps the parameters as reprs.
        combinations = list(itertools.product(*benchmark["params"]))
        columns = [_values(of_commit, name, benchmark, len(combinations)) for of_commit in results]
        for combination, values in zip(combinations, zip(*columns, strict=True), strict=True):
            if any(value is not None for value in values):
                parameters = tuple(text.strip("'") for text in combination)
                found.append(BenchmarkValues(name, parameters, benchmark["unit"], values))
    return found


def table(found: Sequence[BenchmarkValues], names: Sequence[str]) -> str:
    """Return rows as text, a column for each commit, and the last commit's value over the first's."""
    lines = []
    for row in found:
        first, last = row.values[0], row.values[-1]
        ratio = f"{last / first:.2f}" if first and last else ""
        values = ["n/a" if value is None else util.human_value(value, row.unit) for value in row.values]
        lines.append([row.benchmark, ", ".join(row.parameters), *values, ratio])
    headers = ["benchmark", "parameters", *names, "ratio"]
    return str(tabulate(lines, headers, tablefmt="plain", disable_numparse=True))


def _values(results: Sequence[Results], name: str, benchmark: dict[str, object], count: int) -> list[float | None]:
    """Values of one benchmark from the first results that have it; NaN, asv's n/a, as None."""
    for result in results:
        if name in result.get_result_keys({name: benchmark}):
            values = result.get_result_value(name, benchmark["params"])
            return [None if value is None or math.isnan(value) else float(value) for value in values]
    return [None] * count
