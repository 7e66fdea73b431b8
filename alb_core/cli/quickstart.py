"""``alb quickstart``: from nothing to a published graph of the oldest and the newest release."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
from asv.config import Config

from alb_core.base.errors import AlbError
from alb_core.base.files import scratch_directory
from alb_core.base.paths import suite_root
from alb_core.base.processes import Program
from alb_core.commits.builds.wheels import installable
from alb_core.commits.history import active, releases, releases_lock
from alb_core.datasets.synthetic.make import ensure as ensure_dataset
from alb_core.rounds.prepare import DATASETS
from alb_core.rounds.results import commits_table, machines

#: The short form: few combinations, one sample of each, every class and every kind of figure. Nothing of a result's
#: meaning changes; the rest of the grid is simply not there yet.
SHORT_FORM = (
    r"read_chunks.*epoch\('(table|blockwise_scipy_csr)', 1024, '(none|global)'\)",
    r"data_loader.*\('(np.array|scipy.csr)', '8x64', '(none|block)'\)",
)


@click.command()
def quickstart() -> None:
    """Make the dataset and the history, measure the oldest and the newest release briefly, and publish."""
    started = time.monotonic()
    conf = Config.load(str(suite_root() / "asv.conf.json"))
    conf.results_dir = str(suite_root() / conf.results_dir)
    _say("1/4 dataset")
    for name in DATASETS:
        click.echo(ensure_dataset(name))
    _say("2/4 history")
    click.echo(releases.ensure())
    if active.show().kind != active.RELEASES:
        raise AlbError("quickstart measures releases: type `alb history releases` first, or `asv run` instead")
    oldest, *_, newest = installable(releases_lock.load())
    _say(f"3/4 measuring tiledb-soma {oldest.version} and {newest.version} (short form)")
    machine = machines.settle(Path(conf.results_dir), None)
    with scratch_directory("quickstart") as place:
        hashes = place / "hashes"
        hashes.write_text(f"{oldest.commit}\n{newest.commit}\n")
        selection = [word for pattern in SHORT_FORM for word in ("--bench", pattern)]
        once = ["--attribute", "rounds=1", "--attribute", "repeat=1", "--skip-existing-successful"]
        _asv("run", f"HASHFILE:{hashes}", "--machine", machine, *selection, *once)
    _say("4/4 publishing")
    _asv("publish")
    found = commits_table.rows(conf, machine, [oldest.commit, newest.commit])
    click.echo()
    click.echo(commits_table.table(found, [oldest.version, newest.version]))
    click.echo(
        f"\nOne sample each, on machine {machine}, in {time.monotonic() - started:.0f} s. Of single samples a quarter "
        f"more is chance: `alb verdict {oldest.version} {newest.version}` tells what changed. Next:\n"
    )
    commands = {
        f"asv run --machine {machine}": "the newest release, the whole grid",
        "asv continuous main HEAD": "your branch against main, after `alb history use PATH`",
        "asv publish && asv preview": "look at the graphs",
    }
    width = max(map(len, commands))
    for command, meaning in commands.items():
        click.echo(f"    {command:{width}}   {meaning}")


def _say(step: str) -> None:
    click.secho(f"\n== {step}", bold=True)


def _asv(*arguments: str) -> None:
    """Run asv in the suite's directory, its output as it comes."""
    sys.stdout.flush()
    with Program([sys.executable, "-m", "asv", *arguments], cwd=suite_root(), stderr=None) as asv:
        status = asv.wait()
    if status:
        raise AlbError(f"asv {arguments[0]} ended with exit status {status}: see its messages above")
