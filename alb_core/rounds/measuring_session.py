"""One measuring session: asv's configuration, history, machine and benchmarks, and empty results."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from asv import util
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.environment import Environment
from asv.machine import Machine
from asv.repo import Repo, get_repo
from asv.results import Results

from alb_core.base.files import locked
from alb_core.base.paths import data_root, suite_root
from alb_core.commits.builds.given import is_digest
from alb_core.rounds import asv_patches, prepare
from alb_core.rounds.installed_commits import CouldNotMeasureError, InstalledCommit
from alb_core.rounds.results import machines


@contextlib.contextmanager
def session(name: str | None, roots: Iterable[Path]) -> Iterator[tuple[Config, Repo, str]]:
    """What asv's own measuring commands have: dataset, history, machine, the only measurement that runs."""
    with contextlib.chdir(suite_root()):
        prepare.install()
        conf = Config.load("asv.conf.json")
        conf.results_dir = str(suite_root() / conf.results_dir)
        prepare.place(conf)
        stop_like_interrupt()
        # Before what takes minutes: a name may be another computer's.
        machine = machines.settle(Path(conf.results_dir), name)
        prepare.ready()
        prepare.steady()
        Machine.load(machine_name=machine).save(conf.results_dir)
        with locked(data_root() / ".measuring.lock", "it measures"), asv_patches.versions_saved(*roots):
            yield conf, get_repo(conf), machine


def stop_like_interrupt() -> None:
    """Let SIGTERM end this process as Ctrl-C does: what it started ends, and what it measured is told."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


def discovered(conf: Config, repo: Repo, commit: InstalledCommit) -> Benchmarks:
    """Let asv find the benchmarks."""
    try:
        found = Benchmarks.discover(conf, repo, [commit.environment], [commit.commit])
    except util.UserError as error:
        if "Interrupted" in str(error):
            raise KeyboardInterrupt from error
        found = None
    if found is None or not commit.installed:
        raise CouldNotMeasureError(
            f"the benchmarks cannot be imported under {commit.label} {commit.name} ({commit.commit[:8]}): see above"
        )
    return found


def empty_results(repo: Repo, environment: Environment, machine: str) -> Callable[[str], Results]:
    """Return what makes empty results of a commit, with the parameters that ``asv run`` would write."""
    hardware = Machine.load(machine_name=machine).__dict__

    def made(commit: str) -> Results:
        parameters = {**hardware, "python": environment.python, **environment.requirements}
        return Results(
            parameters,
            environment.requirements,
            commit,
            0 if is_digest(commit) else repo.get_date(commit),
            environment.python,
            environment.name,
            environment.env_vars,
        )

    return made
