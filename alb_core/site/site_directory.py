"""The directory of a site. asv first removes what is there, so a site is published beside its place and then moved."""

from __future__ import annotations

import os
import shutil
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asv
from asv.config import Config

from alb_core.base.errors import AlbError
from alb_core.base.files import locked
from alb_core.base.paths import data_root

#: What a published site has at its top beside the files of asv's template.
_MADE = ("graphs", "index.json", "info.json", "regressions.json", "regressions.xml", "alb", "vendor")
#: What others leave in any directory.
_STRAY = (".DS_Store", ".nojekyll")
_TEMPLATE = Path(asv.__file__).parent / "www"
#: Without it a directory is no site.
_MARK = "asv.js"


@contextmanager
def staged(conf: Config, args: Namespace) -> Iterator[None]:
    """Within the block asv publishes into a stage, which takes the site's place when the block ends well.

    A command that is killed meanwhile leaves the site that was there; the next one removes what is left of the stage.
    """
    site = place_of(conf, args)
    with locked(data_root() / ".publishing.lock", f"it publishes {site}"):
        _recover(site)
        require_site(site)
        stage = site.with_name(f".{site.name}.partial-{os.getpid()}")
        given = conf.html_dir, getattr(args, "html_dir", None)
        conf.html_dir, args.html_dir = str(stage), str(stage)
        try:
            yield
            _take_place(stage, site)
        finally:
            conf.html_dir, args.html_dir = given
            shutil.rmtree(stage, ignore_errors=True)


def place_of(conf: Config, args: Namespace) -> Path:
    """Return the directory of the site; one that is a link to another is that other."""
    return Path(getattr(args, "html_dir", None) or conf.html_dir).resolve()


def require_site(site: Path) -> None:
    """Refuse a place that holds anything but a site of asv's."""
    try:
        there = sorted(path.name for path in site.iterdir() if path.name not in _STRAY)
    except FileNotFoundError:
        return
    except OSError as error:
        raise AlbError(
            f"{site} is no directory that can be read ({error.strerror}): choose another with --html-dir"
        ) from error
    own = {*_MADE, *(path.name for path in _TEMPLATE.iterdir())}
    foreign = [name for name in there if name not in own]
    if there and _MARK not in there and not foreign:
        foreign = there
    if foreign:
        named = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if len(foreign) > 5 else "")
        raise AlbError(
            f"{site} is no site of asv's, and publishing would remove what it holds: {named}. "
            "Move it away, or choose another directory with --html-dir"
        )


def read_index(site: Path) -> tuple[Path, str]:
    """Return the path and the text of a site's page."""
    index = site / "index.html"
    try:
        return index, index.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise AlbError(f"cannot read {index}: {error}") from error


def _recover(site: Path) -> None:
    """Put back a site whose successor was stopped between leaving and coming, and remove what others left."""
    for left in site.parent.glob(f".{site.name}.old-*"):
        if site.exists():
            shutil.rmtree(left, ignore_errors=True)
        else:
            with suppress(OSError):
                left.rename(site)
    for left in site.parent.glob(f".{site.name}.partial-*"):
        shutil.rmtree(left, ignore_errors=True)


def _take_place(stage: Path, site: Path) -> None:
    old = site.with_name(f".{site.name}.old-{os.getpid()}")
    try:
        if site.exists():
            site.rename(old)
        stage.rename(site)
    except OSError as error:
        if old.exists() and not site.exists():
            old.rename(site)
        raise AlbError(f"cannot put the site in its place, {site}: {error.strerror}") from error
    shutil.rmtree(old, ignore_errors=True)
