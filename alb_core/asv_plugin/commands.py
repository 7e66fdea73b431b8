"""asv's commands find what they need: dataset, history, machine, and sites to show.

Each command is run within a function here, so that what is missing is made first, with a word about it, and with no
question asked.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from asv.benchmarks import Benchmarks
from asv.commands.asv_profiling import Profile
from asv.commands.check import Check
from asv.commands.compare import Compare
from asv.commands.continuous import Continuous
from asv.commands.find import Find
from asv.commands.preview import Preview
from asv.commands.publish import Publish
from asv.commands.run import Run
from asv.commands.setup import Setup
from asv.commands.show import Show
from asv.config import Config
from asv.environment import get_environments
from asv.plugins.github import GithubPages
from asv.plugins.virtualenv import Virtualenv
from asv.repo import get_repo

from alb_core.asv_plugin import publishers
from alb_core.base.errors import AlbError
from alb_core.base.files import full_disk, locked
from alb_core.base.paths import data_root, environment_roots
from alb_core.commits.builds.install import plan
from alb_core.commits.history.releases import commits_of
from alb_core.commits.history.releases import ensure as ensure_history
from alb_core.rounds import asv_patches, prepare, selections
from alb_core.rounds.asv_environment import StackEnvironment
from alb_core.rounds.results import machines, valid
from alb_core.site.preview import free_port, server
from alb_core.site.site_directory import place_of, require_site, staged

Runner = Callable[[], Any]
Within = Callable[[Config, Namespace, Runner], Any]


def install() -> None:
    """Let asv's commands run within the functions of this module; a second call changes nothing."""
    prepare.install()
    within: dict[Within, tuple[Any, ...]] = {
        lambda conf, args, run: run(): (Setup,),
        _measuring: (Run, Find, Profile),
        _comparing: (Continuous,),
        _reading: (Check, Compare, Show),
        _publishing: (Publish, GithubPages),
        _previewing: (Preview,),
    }
    for function, commands in within.items():
        for command in commands:
            asv_patches.around(command, _placed(function))


def _placed(function: Within) -> Within:
    """Run a function with the configuration of this machine; what the user can mend is one line."""

    def placed(conf: Config, args: Namespace, run: Runner) -> Any:
        try:
            prepare.place(conf)
            if getattr(args, "env_spec", None):
                _require_own(args.env_spec)
                args.env_spec = [_with_stack(spec) for spec in args.env_spec]
            return function(conf, args, run)
        except AlbError as error:
            print(f"alb: {error}", file=sys.stderr)
            sys.exit(2)
        except OSError as error:
            # asv copies and writes what it publishes without a look at the disk.
            reason = full_disk(error)
            if reason is None:
                raise
            print(f"alb: {reason}: make room, and repeat the command", file=sys.stderr)
            sys.exit(2)

    return placed


def _require_own(specs: list[str]) -> None:
    """Refuse an environment that is no build of a commit: a result is recorded under one, and proves that it is."""
    for spec in specs:
        if spec.partition(":")[0] == "existing" or spec.endswith(":same"):
            raise AlbError(
                "--python=same and -E existing measure a tiledbsoma of which nobody knows the commit: type "
                "`alb verdict BASE --head-env PREFIX`, which measures what is installed as such"
            )


def _with_stack(spec: str) -> str:
    """Let ``-E virtualenv`` and ``-E virtualenv:3.11`` mean the suite's own environments."""
    kind, colon, python = spec.partition(":")
    return f"{StackEnvironment.tool_name}{colon}{python}" if kind == Virtualenv.tool_name else spec


def _measuring(conf: Config, args: Namespace, run: Runner) -> Any:
    if not getattr(args, "bench", True):
        args.bench = list(selections.current().patterns)
    machines.settle(Path(conf.results_dir), getattr(args, "machine", None))
    prepare.ready()
    prepare.steady()
    # Without samples `asv compare` has intervals alone, and a verdict's rounds would be dropped.
    if hasattr(args, "record_samples") and "--no-record-samples" not in sys.argv:
        args.record_samples = True
    # Two measurements at once would measure one another, and share one environment.
    with locked(data_root() / ".measuring.lock", "it measures"), asv_patches.versions_saved(*environment_roots()):
        return run()


def _comparing(conf: Config, args: Namespace, run: Runner) -> Any:
    """Compare two commits that can be built: asv would measure HEAD before it finds that BASE cannot."""
    ensure_history()
    head = args.branch or conf.branches[0]
    names = (args.base or f"{head}^", head)
    base_commit, head_commit = commits_of(names)
    if base_commit == head_commit:
        raise AlbError(
            f"{names[0]} and {names[1]} are one commit ({head_commit[:8]}): `alb history use PATH` names your "
            "checkout of tiledb-soma, whose HEAD is compared then"
        )
    sides = (("BASE", names[0], base_commit), ("HEAD", names[1], head_commit))
    for label, name, commit in sides:
        found = plan(commit)
        if not found.possible:
            raise AlbError(f"{label} {name} ({commit[:8]}) cannot be built ({found.kind}): {found.why}")

    def built() -> Any:
        found = get_environments(conf, args.env_spec)
        for environment in (each for each in found if isinstance(each, StackEnvironment)):
            environment.create()
            for label, name, commit in sides:
                try:
                    environment.build(commit)
                except AlbError as error:
                    raise AlbError(f"{label} {name}: {error}") from error
        return run()

    return _measuring(conf, args, built)


def _reading(conf: Config, args: Namespace, run: Runner) -> Any:
    ensure_history()
    with asv_patches.carried_loaded():
        return run()


def _publishing(conf: Config, args: Namespace, run: Runner) -> Any:
    require_site(place_of(conf, args))
    ensure_history()
    with suppress(AlbError):  # of a calibration that cannot be read: its page says so, and the site does without
        conf.regressions_thresholds = {**publishers.thresholds(Path(conf.results_dir)), **conf.regressions_thresholds}
    if not Path(Benchmarks.get_benchmark_file_path(conf.results_dir)).is_file():
        print("alb: no benchmark list in the results yet; discovering the benchmarks", file=sys.stderr)
        machines.settle(Path(conf.results_dir), None)
        Run.run(conf, bench=["just-discover"])
    place = Path(conf.results_dir)
    examined = valid.examine(place, valid.benchmarks_of(place), _published(conf))
    for line in examined.not_published(f"{', '.join(conf.branches)} of {conf.repo}"):
        print(f"alb: {line}", file=sys.stderr)
    with staged(conf, args), valid.drawn_alone(place, examined) as drawn, asv_patches.carried_loaded():
        conf.results_dir = str(drawn)
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
    args.port = free_port(args.port)
    asv_patches.serve_by(server)
    return run()
