"""Named parts of the grid, and the cases that regular expressions select.

A part chooses among benchmarks and their parameters, and changes neither: a result is the same in each. asv keeps
results by parameter, so what a smaller part leaves out stays as a larger one measured it.
"""

from __future__ import annotations

import ast
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asv.benchmarks import Benchmarks
from asv.config import Config

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.cases.instructions import MODULE
from alb_core.rounds.cases import BenchmarkCase, Kind, kind_of
from alb_core.rounds.results.valid import benchmarks_of
from alb_core.rounds.work import work_cases

#: Environment variable that names a profile of :data:`PROFILES`.
VARIABLE = "ALB_PROFILE"


@dataclass(frozen=True)
class Profile:
    """A part of the grid."""

    #: Regular expressions over asv's names, as ``--bench`` takes them.
    patterns: tuple[str, ...]
    #: What its benchmarks read beside the datasets of the default grid.
    datasets: tuple[str, ...] = ()


#: What verdicts and calibrations measure: readers and the loader, Arrow tables and sparse matrices, in order and
#: shuffled. Fewer cases have more rounds: these five 25 or more in ten minutes, where each is judged by itself as well.
VERDICT = Profile(
    (
        r"read_chunks\.ReadChunks\.(time|peakmem)_epoch\('table', 1024, '(none|global)'\)",
        r"read_chunks\.ReadChunks\.(time|peakmem)_epoch\('blockwise_scipy_csr', 1024, 'none'\)",
        r"data_loader\.DataLoader\.(time|peakmem)_epoch\('scipy\.csr', '8x64', '(none|block)'\)",
    )
)

#: What campaigns measure: what users do with the library, each once. Of the readers and methods those that work
#: differently; peaks where they are their own.
CAMPAIGN = Profile(
    (
        r"importing\.Importing\.timeraw_import\('tiledbsoma'\)",
        r"opening\.Opening\.time_open\('x'\)",
        r"queries\.AxisQueries\.time_query\('enumerated', 'joinids'\)",
        r"queries\.AxisQueries\.(time|peakmem)_query\('number', 'x'\)",
        r"read_chunks\.ReadChunks\.time_epoch\('table', 1024, '(none|global)'\)",
        r"read_chunks\.ReadChunks\.time_epoch\('blockwise_scipy_csr', 1024, 'none'\)",
        r"read_chunks\.ReadChunks\.peakmem_epoch\('(table|blockwise_scipy_csr)', 1024, 'none'\)",
        r"layouts\.Layouts\.time_epoch\('(mini-soma|mini-32)', 'table', 'none'\)",
        r"data_loader\.DataLoader\.(time|peakmem)_epoch\('scipy\.csr', '8x64', 'block'\)",
        r"contexts\.LoaderContexts\.peakmem_epoch\('scipy\.csr', 'default'\)",
        r"repeats\.RepeatedReads\.track_growth\('open'\)",
    )
)

#: What asv's measuring commands run where ``--bench`` does not say, by the value of ``ALB_PROFILE``. ``full`` adds the
#: grid that this field's figures are drawn from, for a machine of a g4dn's size.
PROFILES: Mapping[str, Profile] = {
    "quick": CAMPAIGN,
    "default": Profile((r"^(?!full\.)",)),
    "full": Profile((".",), ("census-2:7", "blocks")),
}


def current() -> Profile:
    """Return the profile that ``ALB_PROFILE`` names; ``default`` where it is not set."""
    name = os.environ.get(VARIABLE) or "default"
    if name not in PROFILES:
        raise AlbError(f"{VARIABLE} is {name!r}, expected one of {', '.join(PROFILES)}")
    return PROFILES[name]


def check(patterns: Sequence[str]) -> None:
    """Refuse what is no regular expression, and what no benchmark matches, as far as asv's list of them is whole."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise AlbError(f"-b {pattern!r} is no regular expression: {error}") from error
    conf = Config.load(str(suite_root() / "asv.conf.json"))
    conf.results_dir = str(suite_root() / conf.results_dir)
    if not Path(Benchmarks.get_benchmark_file_path(conf.results_dir)).exists():
        return
    benchmarks_of(Path(conf.results_dir))
    listed = Benchmarks.load(conf)
    if not any(name not in listed for name in _declared()):
        require_some(matched(conf, listed, patterns), listed, patterns)


def _declared() -> list[str]:
    """Names of the benchmarks that classes have in the suite's source; running it needs the stack."""
    return [
        f"{path.stem}.{node.name}.{method.name}"
        for path in (suite_root() / "benchmarks").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        for method in node.body
        if isinstance(method, ast.FunctionDef) and re.match(r"(time|track|peakmem|mem|timeraw)_", method.name)
    ]


def selected(conf: Config, benchmarks: Benchmarks, patterns: Sequence[str]) -> list[BenchmarkCase]:
    """Return the cases that one of some regular expressions matches, in asv's order."""
    return require_some(matched(conf, benchmarks, patterns), benchmarks, patterns)


def require_some(
    found: list[BenchmarkCase], benchmarks: Benchmarks, patterns: Sequence[str], by: str = "all"
) -> list[BenchmarkCase]:
    """Return what patterns found; refuse those that find nothing."""
    if not found:
        what = "no benchmark whose work is counted" if by == "work" else "no benchmark"
        names = [name for name in sorted(benchmarks) if by != "work" or name.split(".")[0] == MODULE]
        raise AlbError(f"{what} matches {' or '.join(map(repr, patterns))}; there are {', '.join(names)}")
    return found


def counted(
    conf: Config, benchmarks: Benchmarks, patterns: Sequence[str], kind: str
) -> dict[BenchmarkCase, BenchmarkCase]:
    """Return the cases that a kind of counter counts, each with the case of time that it counts; either may match."""
    by_row = {case.row: case for case in matched(conf, benchmarks, [""]) if case.kind is Kind.TIME}
    found = {case: by_row[row] for row, case in work_cases(benchmarks, kind).items() if row in by_row}
    return {
        case: timed
        for case, timed in found.items()
        if any(re.search(pattern, name) for pattern in patterns for name in (case.name, timed.name))
    }


def matched(conf: Config, benchmarks: Benchmarks, patterns: Sequence[str]) -> list[BenchmarkCase]:
    """Return the cases that one of some regular expressions matches, in asv's order; there may be none."""
    # Counters go with the benchmark that they count, in runs of their own (:mod:`alb_core.verdicts.counter_runs`).
    alone = [benchmark for benchmark in benchmarks.values() if not benchmark.get("setup_cache_key")]
    chosen = Benchmarks(conf, alone, regex=list(patterns))
    return [
        BenchmarkCase(name, index, parameters, kind_of(benchmark))
        for name, benchmark in sorted(chosen.items())
        for index, parameters in enumerate(itertools.product(*benchmark["params"]))
        if not benchmark["params"] or index in chosen.benchmark_selection[name]
    ]
