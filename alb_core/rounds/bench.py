"""What runs a case on a commit: asv's runner, from processes that have imported everything."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from asv.config import Config
from asv.runner import Spawner, get_spawner, run_benchmark

from alb_core.cases.epoch_seconds import taken_out
from alb_core.rounds.cases import BenchmarkCase, ProcessResult
from alb_core.rounds.installed_commits import CouldNotMeasureError, InstalledCommit
from alb_core.rounds.page_cache import libraries, read_anew

#: Commits that are started at once: they import beside each other, on two cores in the time of one.
STARTED_AT_ONCE = 2


class Bench:
    """Runs cases on commits, each in its environment."""

    def __init__(
        self,
        conf: Config,
        commits: Mapping[str, InstalledCommit],
        benchmarks: Mapping[str, dict[str, Any]],
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        self._conf, self._commits, self._benchmarks = conf, commits, benchmarks
        self._attributes = dict(attributes or {})
        self._spawners: dict[str, Spawner] = {}

    @contextlib.contextmanager
    def started(self, names: Sequence[str]) -> Iterator[None]:
        """Start new processes that those of cases fork from, for some commits; end them with the block."""
        with contextlib.ExitStack() as stack:
            for first in range(0, len(names), STARTED_AT_ONCE):
                some = names[first : first + STARTED_AT_ONCE]
                made = stack.enter_context(spawners([self._commits[name] for name in some], self._conf))
                self._spawners.update(zip(some, made, strict=True))
            yield

    def run(self, name: str, case: BenchmarkCase) -> ProcessResult:
        """Run a case once on a commit, in a process of its own; say on stderr how it failed."""
        benchmark = {**self._benchmarks[case.benchmark]}
        if benchmark.get("timeout") is None:
            benchmark["timeout"] = self._conf.default_benchmark_timeout
        done = run_benchmark(
            benchmark, self._spawners[name], False, selected_idx=[case.index], extra_params=self._attributes
        )
        value, samples = done.result[case.index], done.samples[case.index]
        epochs, said = taken_out(done.stderr or "")
        if value is None or done.errcode:
            if said:
                print(f"alb: {case.name} failed {self._commits[name].place}:\n{said}", file=sys.stderr)
            return ProcessResult(said=said)
        if samples is not None:
            return ProcessResult(tuple(map(float, samples)), epochs)
        return ProcessResult((float(value),)) if not math.isnan(value) else ProcessResult(absent=True)


@contextlib.contextmanager
def spawners(commits: Sequence[InstalledCommit], conf: Config) -> Iterator[list[Spawner]]:
    """Processes that fork a benchmark's, one for each commit, with everything imported; gone at the end.

    Each holds its libraries somewhere else in memory, which makes all of its children a little faster or slower: a
    round takes new ones, and reads the files anew (:mod:`alb_core.rounds.page_cache`), so that this varies from round
    to round like any other noise.
    """

    def opened(commit: InstalledCommit) -> Spawner:
        return get_spawner(commit.environment, conf.benchmark_dir, conf.launch_method)

    for commit in commits:
        read_anew(libraries(commit.environment.path))
    with ThreadPoolExecutor(len(commits)) as pool:
        begun = [pool.submit(opened, commit) for commit in commits]
        wait(begun)
        made = [future.result() for future in begun if future.exception() is None]
        try:
            for future in begun:
                future.result()
            answers = list(pool.map(lambda spawner: spawner.preimport(), made))
            for commit, (good, out) in zip(commits, answers, strict=True):
                if not good:
                    raise CouldNotMeasureError(
                        f"{commit.label} {commit.name} cannot import the benchmarks: {out.strip()}"
                    )
            yield made
        finally:
            for spawner in made:
                spawner.close()
