"""What a commit alone pins: packages beyond the common stack, from the lock where a release has them."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from alb_core.history.lock import Companion, Release
from alb_core.history.resolve import companion, stack_pins, unmet_requirements
from alb_core.history.wheels import fitting


def of_commit(requires: Sequence[str], releases: Sequence[Release], base: Release | None, what: str) -> list[Companion]:
    """Return what is installed with a commit, as its own requirements say."""
    found = []
    for need in unmet_requirements(requires, stack_pins(), what):
        found.append(_locked(need, releases, base) or companion(need))
    return found


def unlocked(requires: Sequence[str], releases: Sequence[Release], what: str) -> list[str]:
    """Return the requirements of a commit that only the package index can answer."""
    unmet = unmet_requirements(requires, stack_pins(), what)
    return [str(need) for need in unmet if _locked(need, releases, None) is None]


def _locked(need: Requirement, releases: Sequence[Release], base: Release | None) -> Companion | None:
    """Return the base's companion where it satisfies a requirement, else the newest of the lock that does."""
    known = {item for release in releases for item in release.companions}
    newest = sorted(known, key=lambda item: Version(item.version), reverse=True)
    for item in [*(base.companions if base is not None else ()), *newest]:
        answers = item.name == canonicalize_name(need.name) and need.specifier.contains(item.version)
        if answers and fitting(item.wheels) is not None:
            return item
    return None
