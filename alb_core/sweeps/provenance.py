"""Where and with what a record was measured: computer, user, versions, and the commit of this tool."""

from __future__ import annotations

import getpass
import platform
import socket
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.commits.history.git import git

_DMI = Path("/sys/devices/virtual/dmi/id")


def of_computer() -> dict[str, str | None]:
    """User, host and, on EC2, instance, as columns of the table of records."""
    try:
        user: str | None = getpass.getuser()
    except (KeyError, OSError):
        user = None  # a container may run under a number that has no name
    return {"user": user, "hostname": socket.gethostname(), **_instance()}


def of_software() -> dict[str, str | None]:
    """Versions that a figure depends on, and the commit of the tool, as columns of the table of records."""
    versions: dict[str, str | None] = {"python_version": platform.python_version(), "sha": commit_of_tool()}
    for package in ("tiledbsoma", "pyarrow", "numpy", "scipy", "torch"):
        try:
            versions[f"{package}_version"] = version(package)
        except PackageNotFoundError:
            versions[f"{package}_version"] = None
    return versions


def commit_of_tool() -> str | None:
    """Commit of the checkout that this package is imported from, ``-dirty`` where files differ; None outside of git."""
    root = suite_root()
    try:
        if Path(git(root, "rev-parse", "--show-toplevel")) != root:
            return None
        dirty = "-dirty" if git(root, "status", "--porcelain", "--untracked-files=no") else ""
        return git(root, "rev-parse", "HEAD") + dirty
    except AlbError:
        return None


def _instance() -> Mapping[str, str | None]:
    """EC2's instance, read off the firmware's tables: no address is asked, so nothing waits where there is none."""
    if not _read("sys_vendor").startswith("Amazon"):
        return {"instance_id": None, "instance_type": None}
    return {"instance_id": _read("board_asset_tag") or None, "instance_type": _read("product_name") or None}


def _read(name: str) -> str:
    try:
        return (_DMI / name).read_text().strip()
    except OSError:
        return ""
