"""``alb history``: the git history of tiledb-soma, how its commits are built, and what campaigns saw in it."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from alb_core.base.documents import Format
from alb_core.cli.machines import results_root
from alb_core.cli.options import answer_alone, bench_option, by_option, say, threshold_option
from alb_core.commits.builds import cache, needs
from alb_core.commits.builds import plan as plan_module
from alb_core.commits.builds.needs import Need
from alb_core.commits.builds.plan import Planner
from alb_core.commits.history import active, releases, releases_lock
from alb_core.commits.history.active import ActiveHistory
from alb_core.commits.history.git import Objects, git
from alb_core.commits.history.package import Packages
from alb_core.rounds.measuring_needs import measuring_needs
from alb_core.rounds.results import machines


@click.command()
@click.argument("words", metavar="[RANGE]", default="..")
@click.option("--machine", help="Whose results; asv's own choice by default.")
@bench_option
@by_option
@threshold_option(help="Smaller changes are called none.  [default: 5% of time and memory, 1% of work]")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--markdown", "form", flag_value="markdown", help="Print a table of Markdown.")
def steps(
    words: str, machine: str | None, patterns: tuple[str, ...], by: str, threshold: float | None, form: str | None
) -> None:
    """List every release at which work changed, or time or memory by more than the noise of a campaign.

    RANGE is as `alb campaign` takes it. A step of time or memory has its interval (all of them hold at once, 95 %), and
    the noise of a round follows for each benchmark. A step of work has no interval, since counts hardly vary, but
    the functions that took most of it.
    """
    from alb_core.rounds.selections import CAMPAIGN
    from alb_core.verdicts import campaign, step_text
    from alb_core.verdicts.change_points import find_steps
    from alb_core.verdicts.judge import THRESHOLD
    from alb_core.verdicts.work_steps import STEP, work_steps

    asked = campaign.CampaignRequest(words, patterns=patterns or CAMPAIGN.patterns, machine=machine)
    with answer_alone():
        rounds = campaign.recorded(asked) if by != "work" else {}
        # All that is counted is worth a line: it hardly varies.
        work = campaign.recorded_work(dataclasses.replace(asked, patterns=patterns or ("",))) if by != "time" else {}
        campaign.require_recorded(asked, [*rounds.values(), *work.values()])
        found = find_steps(rounds, threshold or THRESHOLD)
        exact = work_steps(work, threshold or STEP)
    forms = {None: step_text.lines, "json": step_text.as_json, "markdown": step_text.markdown}
    for text in forms[form](found, exact):
        click.echo(text)


@click.group()
def history() -> None:
    """Choose, update and describe the tiledb-soma history that is measured, and plan its builds."""


history.add_command(steps)


@history.command("releases")
def make() -> None:
    """Use the history of releases, made where it is missing; list them."""
    releases.use()
    for release in releases_lock.load():
        click.echo(f"{release.version:8} {release.commit[:10]}  {release.released[:10]}")


@history.command()
@click.argument("source", metavar="[URL|PATH]", required=False)
def clone(source: str | None) -> None:
    """Use a clone of a tiledb-soma repository, the public one by default; fetch what is new where it is there."""
    active.clone(source)
    _say(active.show())


@history.command()
@click.argument("path", type=click.Path(path_type=Path))
def use(path: Path) -> None:
    """Use the git checkout of tiledb-soma at PATH, where it lies; it is read and never written to."""
    active.use(path)
    _say(active.show())


@history.command()
def show() -> None:
    """Say which history is in use, its main and its HEAD."""
    _say(active.show())


@history.command()
def update() -> None:
    """Append the releases that appeared since to the lock; bring a clone in use up to date."""
    fresh = releases.update()
    for release in fresh:
        click.echo(f"{release.version:8} {release.commit[:10]}  {release.released[:10]}  new")
    click.echo(f"{len(fresh)} new releases; {releases_lock.load()[-1].version} is the newest")
    if active.show().kind == active.CLONE:
        active.refresh()
        _say(active.show())


@history.command()
@click.argument("words", metavar="[RANGE]", default="HEAD")
@click.option("--count", is_flag=True, help="Say how many commits of each kind there are, and no more.")
@click.option("--needs", "lacking", is_flag=True, help="Say what this machine lacks to build and measure them.")
def plan(words: str, count: bool, lacking: bool) -> None:
    """Say how each commit of RANGE would be built, and why, a line each, oldest first.

    RANGE is as git takes it (main~20..main), along first parents; a single name is that commit alone. `--needs` lists
    what is missing for all of them, each with the command that brings it here.
    """
    root = active.require()
    with Planner(root) as planner:
        found = planner.plan_all(plan_module.commits_of(root, words))
        if lacking:
            compiled = [item.commit for item in found if item.kind == "source"]
            wanted = [need for each in compiled for need in needs.needs(planner.objects, each, planner.layout(each))]
            for line in _missing([*wanted, *measuring_needs()], len(found)):
                click.echo(line)
            return
    if count:
        counted = Counter(item.kind for item in found)
        click.echo(", ".join(f"{counted[kind]} {kind}" for kind in plan_module.KINDS) + f", {len(found)} commits")
        return
    for item in found:
        click.echo(f"{item.commit[:10]}  {item.kind:7}  {item.why}")


@history.command()
@click.argument("words", metavar="RANGE")
@click.option("--machine", help="Whose results NEW counts from; asv's own choice by default.")
def commits(words: str, machine: str | None) -> None:
    """Print those commits of RANGE that change the package, a full hash each: for `asv run HASHFILE:-`.

    A commit counts when its Python sources, native sources, build scripts or requirements are not those of its first
    parent. RANGE is as git takes it (main~20..main); NEW is what came to main after the newest commit that the
    machine has results of.
    """
    root = active.require()
    if words == "NEW":
        words = _since_results(root, machines.default_name() if machine is None else machine)
    with Objects(root) as objects:
        for commit in plan_module.changing(Packages(objects), root, plan_module.commits_of(root, words)):
            click.echo(commit)


@history.command()
@click.option("--to", "most", metavar="GIB", help="Size to come down to; the cache's limit by default.")
def prune(most: str | None) -> None:
    """Remove the wheels that were used least recently until the cache is within its limit."""
    limit = cache.limit(most)
    removed = cache.prune(limit)
    for path in removed:
        click.echo(path)
    click.echo(f"{len(removed)} removed; the cache holds {cache.size() / 2**30:.2f} GiB, limit {limit / 2**30:g} GiB")


def _managers() -> list[str]:
    """Return the package managers of this machine."""
    return [name for name in ("apt", "dnf", "brew") if shutil.which(name)]


def _missing(wanted: Sequence[Need], commits: int) -> list[str]:
    """Say once what is missing, and how many source builds want it, each with a command of this machine."""
    lines, managers = [], _managers()
    asked = Counter(need.name for need in wanted if not need.here)
    for need in {need.name: need for need in wanted if not need.here}.values():
        by = f" ({asked[need.name]} source builds)" if asked[need.name] > 1 else ""
        lines.append(f"missing  {need.name}{by}: {need.said}")
        here = [name for name in need.commands if name in {"pip", *managers}]
        others = [] if managers else list(need.commands)
        lines += [f"         {need.commands[name]}" for name in (here[:1] or others)]
    return lines or [f"nothing is missing to build and measure {commits} commits"]


_RESULT = Format(dict[str, Any], "result of asv")


def _since_results(root: Path, machine: str) -> str:
    """Return the range of main after the newest commit with results of a machine; main alone where it has none."""
    machines.check_name(machine)
    measured = set()
    for path in (results_root() / machine).glob("*-*.json"):
        found = _RESULT.read(path) or {}
        if "commit_hash" not in found:
            raise _RESULT.damaged(path, "it lacks commit_hash")
        measured.add(found["commit_hash"])
    for commit in git(root, "rev-list", "--first-parent", "main").split():
        if commit in measured:
            return f"{commit}..main"
    say(f"no results of machine {machine} on main yet: main alone")
    return "main^!"


def _say(shown: ActiveHistory) -> None:
    click.echo(f"history  {shown.path} ({shown.kind})")
    click.echo(f"main     {shown.main or 'none: `asv continuous main HEAD` needs a branch of that name'}")
    click.echo(f"HEAD     {shown.head or 'none'} ({shown.branch}, {shown.commits} commits)")
    for name in shown.uncommitted[:10]:
        click.echo(f"         not committed, so not measured: {name}")
    if shown.uncommitted[10:]:
        click.echo(f"         and {len(shown.uncommitted) - 10} more")
