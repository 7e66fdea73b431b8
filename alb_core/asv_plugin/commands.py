"""asv's commands find what they need: dataset, history, machine, and sites to show.

``run_from_conf_args`` is the seam that asv gives its commands between the parsed command line and the work; each
command is wrapped there, so that what is missing is made first, with a word about it, and with no question asked.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

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
from asv.environment import ExistingEnvironment, get_environments
from asv.plugins.github import GithubPages
from asv.repo import get_repo

from alb_core.asv_plugin import publishers
from alb_core.asv_plugin.publishers import SpeedPage, TrustPage
from alb_core.base.errors import AlbError
from alb_core.base.files import locked
from alb_core.base.paths import data_root, environment_roots
from alb_core.commits.history.releases import ensure as ensure_history
from alb_core.rounds import selections
from alb_core.rounds.prepare import install as install_base
from alb_core.rounds.prepare import place, prepare, ready, steady
from alb_core.rounds.results import carried_versions, machines, resolved_versions, valid
from alb_core.rounds.results.valid import only_measured
from alb_core.site import preview as preview_module
from alb_core.site.place import place_of, require_site, staged
from alb_core.site.scripts import OwnScripts

#: What is added to a published site. asv finds publishers by their base class: importing one is what brings it in.
PUBLISHERS = (SpeedPage, TrustPage, OwnScripts)

Runner = Callable[..., Any]


def install() -> None:
    """Wrap asv's commands; a second call changes nothing."""
    install_base()
    preview.create_httpd = preview_module.server
    for command in (Run, Continuous, Find, Profile):
        _wrap(command, _measuring)
    for command in (Check, Compare, Show):
        _wrap(command, _reading)
    for command in (Publish, GithubPages):
        _wrap(command, _publishing)
    _wrap(Preview, _previewing)


def _measuring(conf: Config, args: Namespace, run: Runner) -> Any:
    if not getattr(args, "bench", True):
        args.bench = list(selections.current().patterns)
    ready()
    steady()
    # Without samples `asv compare` has intervals alone, and a verdict's rounds would be dropped.
    if hasattr(args, "record_samples") and "--no-record-samples" not in sys.argv:
        args.record_samples = True
    machines.settle(Path(conf.results_dir), getattr(args, "machine", None))
    # Two measurements at once would measure one another, and share one environment.
    with locked(data_root() / ".measuring.lock", "it measures"), resolved_versions.recorded(*environment_roots()):
        _install_stacks(conf, args)
        return run()


def _install_stacks(conf: Config, args: Namespace) -> None:
    """Do here, in sight of the user, what asv's install command would do behind asv's captured output."""
    for environment in get_environments(conf, args.env_spec, verbose=False):
        if not isinstance(environment, ExistingEnvironment):
            prepare(environment)


def _reading(conf: Config, args: Namespace, run: Runner) -> Any:
    ensure_history()
    with carried_versions.continued():
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
    known = valid.sift(place, valid.benchmarks_of(place), _published(conf))
    for line in known.said(f"{', '.join(conf.branches)} of {conf.repo}"):
        print(f"alb: {line}", file=sys.stderr)
    with staged(conf, args), valid.view(place, known) as seen, carried_versions.continued(), only_measured():
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
