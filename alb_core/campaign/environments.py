"""An environment for each release, made once: rounds then spend no time on installing.

The stack is linked from asv's own environment (:mod:`alb_core.verdict.twin`), so that one release takes the room of its
own wheels alone. Their paths are equally long (:func:`alb_core.paths.environment_roots` says why).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from asv.config import Config
from asv.environment import Environment
from asv.repo import Repo
from tqdm import tqdm

from alb_core.asv_plugin.commands import prepare
from alb_core.errors import AlbError
from alb_core.history.lock import Release
from alb_core.paths import campaign_root
from alb_core.verdict.sides import Side, environment_at
from alb_core.verdict.twin import twin

#: Environments that are made at once: one waits for the index or the disk while another one computes.
_AT_ONCE = 2


def root_of(release: Release) -> Path:
    """Directory that holds a release's environment."""
    return campaign_root() / release.commit[:8]


def sides_of(conf: Config, releases: Sequence[Release]) -> list[Side]:
    """Return releases as they are measured, their environments made or not."""
    return [
        Side("release", release.version, release.commit, environment_at(conf, root_of(release))) for release in releases
    ]


def make(conf: Config, repo: Repo, sides: Sequence[Side]) -> dict[str, str]:
    """Make the environments that are missing, and install in each its release."""
    base = environment_at(conf, Path(conf.env_dir))
    prepare(base)
    failures: dict[str, str] = {}

    def made(side: Side) -> tuple[Side, str | None]:
        try:
            _make(base, side.environment)
            side.install(conf, repo)
        except AlbError as error:
            return side, str(error)
        # asv keeps each wheel that it installs; the suite's own cache has it already.
        shutil.rmtree(Path(side.environment._path) / "asv-build-cache", ignore_errors=True)
        return side, None

    missing = [side for side in sides if not side.installed]
    bar = tqdm(total=len(missing), desc="installing", unit=" releases", disable=None)
    with ThreadPoolExecutor(_AT_ONCE) as pool, bar:
        for side, reason in pool.map(made, missing):
            if reason is not None:
                failures[side.name] = reason
            bar.update()
    if len(failures) == len(sides):
        version, reason = next(iter(failures.items()))
        raise AlbError(f"none of the releases can be installed; {version}: {reason}")
    return failures


def _make(base: Environment, environment: Environment) -> None:
    if not environment.check_presence():
        shutil.rmtree(environment._path, ignore_errors=True)
        twin(Path(base._path), Path(environment._path))
    prepare(environment)
