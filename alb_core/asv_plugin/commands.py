"""asv's commands find what they need: dataset, history, machine, and sites to show.

``run_from_conf_args`` is the seam that asv gives its commands between the parsed command line and the work; each
command is wrapped there, so that what is missing is made first, with a word about it, and with no question asked.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from asv import results
from asv.benchmarks import Benchmarks
from asv.commands import Command, preview
from asv.commands.asv_profiling import Profile
from asv.commands.check import Check
from asv.commands.compare import Compare
from asv.commands.continuous import Continuous
from asv.commands.find import Find
from asv.commands.preview import Preview
from asv.commands.publish import Publish
from asv.commands.run import Run
from asv.commands.show import Show
from asv.config import Config
from asv.environment import Environment, ExistingEnvironment, get_environments
from asv.plugins.git import Git
from asv.plugins.github import GithubPages
from asv.repo import get_repo
from asv.util import ProcessError

from alb_core.asv_plugin import continuity, machines, profiles, serving, sound, steps, versions
from alb_core.asv_plugin.measured import only_measured
from alb_core.asv_plugin.offline import OwnScripts
from alb_core.asv_plugin.pages import SpeedPage, TrustPage
from alb_core.asv_plugin.site_place import place_of, require_site, staged
from alb_core.datasets.make import ensure as ensure_dataset
from alb_core.datasets.manifest import quick_check
from alb_core.errors import AlbError
from alb_core.history import checkouts
from alb_core.history.bridge import HOST_PYTHON
from alb_core.history.builds import install_stack
from alb_core.history.places import uncommitted
from alb_core.history.releases import ensure as ensure_history
from alb_core.locks import locked
from alb_core.paths import data_root, environment_roots, history_root
from alb_core.peers.copies import ensure_copy

#: Datasets of the default grid, made where missing before anything is measured.
DATASETS = ("mini", "mini-soma", "mini-32")

#: Formats in which loaders that read no SOMA get the first of them.
COPIES = ("h5ad",)

#: Where libraries read how many threads to start: OpenMP, its makers' own names, numba, and TileDB's two pools.
THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TILEDB_SM_COMPUTE_CONCURRENCY_LEVEL",
    "TILEDB_SM_IO_CONCURRENCY_LEVEL",
)

#: What is added to a published site. asv finds publishers by their base class: importing one is what brings it in.
PUBLISHERS = (SpeedPage, TrustPage, OwnScripts)

Runner = Callable[..., Any]


def install() -> None:
    """Wrap asv's commands; a second call changes nothing."""
    os.environ[HOST_PYTHON] = sys.executable
    Git.checkout = _without_checkout
    results.iter_results_paths = _results_paths
    preview.create_httpd = serving.server
    continuity.install()
    for command in (Run, Continuous, Find, Profile):
        _wrap(command, _measuring)
    for command in (Check, Compare, Show):
        _wrap(command, _reading)
    for command in (Publish, GithubPages):
        _wrap(command, _publishing)
    _wrap(Preview, _previewing)


def place(conf: Config) -> None:
    """Let a configuration follow ``ALB_DATA``, and the launch methods that this system has."""
    conf.repo, conf.env_dir = str(history_root()), str(environment_roots()[0])
    if sys.platform == "darwin":
        conf.launch_method = "spawn"


def ready() -> None:
    """Make the dataset and the history where they are missing, and say what of the history is not measured."""
    path, *_ = [ensure_dataset(name) for name in (*DATASETS, *profiles.current().datasets)]
    for form in COPIES:
        ensure_copy(path, quick_check(path), form)
    _warn_of_uncommitted(ensure_history())


def steady() -> None:
    """Give every library of a benchmark as many threads as CPUs may be used, unless its variable says otherwise.

    Most of them count CPUs by themselves, and not all of them those that ``taskset`` or a container left.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for variable in THREADS:
        os.environ.setdefault(variable, str(cpus))


def _results_paths(root: str) -> Iterator[tuple[str, str, str]]:
    """Stand in for asv's search for results files: what else lies beside them is none, and no cause to warn."""
    return (found for found in _ITER_RESULTS_PATHS(root) if found[1] not in sound.OTHERS)


_ITER_RESULTS_PATHS = results.iter_results_paths


def _measuring(conf: Config, args: Namespace, run: Runner) -> Any:
    if not getattr(args, "bench", True):
        args.bench = list(profiles.current().patterns)
    ready()
    steady()
    # Without samples `asv compare` has intervals alone, and a verdict's rounds would be dropped.
    if hasattr(args, "record_samples") and "--no-record-samples" not in sys.argv:
        args.record_samples = True
    machines.settle(Path(conf.results_dir), getattr(args, "machine", None))
    # Two measurements at once would measure one another, and share one environment.
    with locked(data_root() / ".measuring.lock", "it measures"), versions.recorded(*environment_roots()):
        _install_stacks(conf, args)
        return run()


def _warn_of_uncommitted(history: Path) -> None:
    """Say which files of the history's checkout are not part of any commit: they are not measured."""
    files = uncommitted(history)
    if files:
        named = ", ".join(files[:10]) + (f" and {len(files) - 10} more" if len(files) > 10 else "")
        print(f"alb: commits are measured, and not what is uncommitted in {history}: {named}", file=sys.stderr)


def _without_checkout(self: Git, path: str, commit_hash: str) -> None:
    """Stand in for asv's checkout of a commit: builds read git's objects, and a working tree each costs seconds."""
    Path(path).mkdir(parents=True, exist_ok=True)


def _install_stacks(conf: Config, args: Namespace) -> None:
    """Do here, in sight of the user, what asv's install command would do behind asv's captured output."""
    for environment in get_environments(conf, args.env_spec, verbose=False):
        if not isinstance(environment, ExistingEnvironment):
            prepare(environment)


def prepare(environment: Environment) -> None:
    """Make one of asv's environments, with the stack and the user's checkouts, where it is not made."""
    try:
        environment.create()
    except ProcessError as error:
        raise AlbError(
            f"cannot make the benchmark environment {environment.name}: {error}; its output is above. "
            "Check the network and pip's index-url, then repeat the command"
        ) from error
    root = Path(environment.find_executable("python")).parent.parent
    install_stack(root)
    checkouts.refresh(root)


def _reading(conf: Config, args: Namespace, run: Runner) -> Any:
    ensure_history()
    with continuity.continued():
        return run()


def _publishing(conf: Config, args: Namespace, run: Runner) -> Any:
    require_site(place_of(conf, args))
    ensure_history()
    with suppress(AlbError):  # of a calibration that cannot be read: its page says so, and the site does without
        conf.regressions_thresholds = {**steps.thresholds(Path(conf.results_dir)), **conf.regressions_thresholds}
    if not Path(Benchmarks.get_benchmark_file_path(conf.results_dir)).is_file():
        print("alb: no benchmark list in the results yet; discovering the benchmarks", file=sys.stderr)
        machines.settle(Path(conf.results_dir), None)
        Run.run(conf, bench=["just-discover"])
    place = Path(conf.results_dir)
    known = sound.sift(place, sound.benchmarks_of(place), _published(conf))
    for line in known.said(f"{', '.join(conf.branches)} of {conf.repo}"):
        print(f"alb: {line}", file=sys.stderr)
    with staged(conf, args), sound.view(place, known) as seen, continuity.continued(), only_measured():
        conf.results_dir = str(seen)
        try:
            return run()
        finally:
            conf.results_dir = str(place)


def _published(conf: Config) -> set[str]:
    """Commits that asv publishes: those of its branches, and tags."""
    repository = get_repo(conf)
    branches = (repository.get_branch_commits(branch) for branch in conf.branches)
    return {*repository.get_tags().values(), *(commit for commits in branches for commit in commits)}


def _previewing(conf: Config, args: Namespace, run: Runner) -> Any:
    site = Path(args.html_dir or conf.html_dir)
    if not (site / "index.html").is_file():
        print(f"alb: no site at {site} yet; publishing it", file=sys.stderr)
        conf.html_dir = str(site)
        _publishing(conf, args, lambda: Publish.run(conf))
    return run()


def _wrap(command: type[Command], prepared: Callable[[Config, Namespace, Runner], Any]) -> None:
    original = command.run_from_conf_args
    if getattr(original, "prepared_by_alb", False):
        return

    def run_from_conf_args(cls: type[Command], /, conf: Config, args: Namespace, **options: Any) -> Any:
        try:
            place(conf)
            return prepared(conf, args, lambda: original(conf, args, **options))
        except AlbError as error:
            print(f"alb: {error}", file=sys.stderr)
            sys.exit(2)

    run_from_conf_args.prepared_by_alb = True  # type: ignore[attr-defined]
    command.run_from_conf_args = classmethod(run_from_conf_args)
