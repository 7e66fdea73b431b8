"""One measuring session: asv's configuration, history and machine, and what runs a case on both sides."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from asv import util
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.machine import Machine
from asv.repo import Repo, get_repo
from asv.results import Results
from asv.runner import Spawner

from alb_core.base.files import locked
from alb_core.base.paths import data_root, suite_root
from alb_core.rounds import asv_patches, prepare
from alb_core.rounds.cases import Case
from alb_core.rounds.results import machines
from alb_core.rounds.results.store import Store
from alb_core.rounds.sides import CouldNotMeasureError, Outcome, Side, spawners


class Bench:
    """Runs cases on both sides through asv's runner."""

    def __init__(
        self,
        conf: Config,
        sides: Sequence[Side],
        benchmarks: Mapping[str, dict[str, Any]],
        store: Store,
        attributes: dict[str, Any],
    ) -> None:
        self._conf, self._sides, self._benchmarks, self._store = conf, sides, benchmarks, store
        self._attributes = attributes
        self._stack = contextlib.ExitStack()
        self._spawners: list[Spawner] = []

    def open(self) -> None:
        """Begin a round with new processes to fork from."""
        self._spawners = self._stack.enter_context(spawners(self._sides, self._conf))

    def share(self, opened: Sequence[Spawner]) -> None:
        """Begin a round with processes, one for each side, that somebody else ends."""
        self._spawners = list(opened)

    def close(self) -> None:
        """End them."""
        self._stack.close()

    def run(self, case: Case, base_first: bool) -> tuple[Outcome, Outcome]:
        """Run a case once on each side, a process each."""
        benchmark = {**self._benchmarks[case.benchmark]}
        if benchmark.get("timeout") is None:
            benchmark["timeout"] = self._conf.default_benchmark_timeout
        found: dict[str, Outcome] = {}
        order = (0, 1) if base_first else (1, 0)
        for place in order:
            side = self._sides[place]
            outcome = side.run(case, benchmark, self._spawners[place], self._attributes)
            found[side.label] = outcome
            if not outcome.samples:
                value = float("nan") if outcome.absent else None
                self._store.add_absent(side.commit, case, value, outcome.said)
                if outcome.said:
                    print(f"alb: {case.name} failed on {side.label}:\n{outcome.said}", file=sys.stderr)
        return found["BASE"], found["HEAD"]


@contextlib.contextmanager
def session(name: str | None, roots: Iterable[Path]) -> Iterator[tuple[Config, Repo, str]]:
    """What asv's own measuring commands have: dataset, history, machine, the only measurement that runs."""
    with contextlib.chdir(suite_root()):
        prepare.install()
        conf = Config.load("asv.conf.json")
        conf.results_dir = str(suite_root() / conf.results_dir)
        prepare.place(conf)
        prepare.ready()
        prepare.steady()
        stop_like_interrupt()
        machine = machines.settle(Path(conf.results_dir), name)
        Machine.load(machine_name=machine).save(conf.results_dir)
        with locked(data_root() / ".measuring.lock", "it measures"), asv_patches.versions_saved(*roots):
            yield conf, get_repo(conf), machine


def stop_like_interrupt() -> None:
    """Let SIGTERM end this process as Ctrl-C does: what it started ends, and what it measured is told."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


def discovered(conf: Config, repo: Repo, side: Side) -> Benchmarks:
    """Let asv find the benchmarks."""
    try:
        found = Benchmarks.discover(conf, repo, [side.environment], [side.commit])
    except util.UserError as error:
        if "Interrupted" in str(error):
            raise KeyboardInterrupt from error
        found = None
    if found is None or not side.installed:
        raise CouldNotMeasureError(
            f"the benchmarks cannot be imported under {side.label} {side.name} ({side.commit[:8]}): see above"
        )
    return found


def blank(repo: Repo, side: Side, machine: str) -> Callable[[str], Results]:
    """Return what makes empty results of a commit, with the parameters that ``asv run`` would write."""
    environment = side.environment
    hardware = Machine.load(machine_name=machine).__dict__

    def made(commit: str) -> Results:
        parameters = {**hardware, "python": environment.python, **environment.requirements}
        return Results(
            parameters,
            environment.requirements,
            commit,
            repo.get_date(commit),
            environment.python,
            environment.name,
            environment.env_vars,
        )

    return made
