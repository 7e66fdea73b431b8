"""How much of the grid asv's measuring commands run where ``--bench`` does not say: a profile.

A profile chooses among benchmarks and their parameters, and changes neither: a result is the same in each. asv keeps
results by parameter, so what a smaller profile leaves out stays as a larger one measured it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from alb_core.campaign.part import STANDARD
from alb_core.errors import AlbError

#: Environment variable that names a profile.
VARIABLE = "ALB_PROFILE"


@dataclass(frozen=True)
class Profile:
    """A part of the grid."""

    #: Regular expressions, as ``--bench`` takes them.
    patterns: tuple[str, ...]
    #: What its benchmarks read beside those of the default grid.
    datasets: tuple[str, ...] = ()


#: ``quick`` is what a campaign measures. ``full`` adds the grid that this field's figures are drawn from, for a machine
#: of a g4dn's size.
PROFILES: Mapping[str, Profile] = {
    "quick": Profile(STANDARD),
    "default": Profile((r"^(?!full\.)",)),
    "full": Profile((".",), ("census-2:7", "blocks")),
}


def current() -> Profile:
    """Return the profile that ``ALB_PROFILE`` names; ``default`` where it is not set."""
    name = os.environ.get(VARIABLE) or "default"
    if name not in PROFILES:
        raise AlbError(f"{VARIABLE} is {name!r}, expected one of {', '.join(PROFILES)}")
    return PROFILES[name]
