"""What several peers need: their settings checked, one seed for an epoch, and whether a library is there."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from alb_core.errors import AlbError
from alb_core.peers.contract import Wanted


def settings(wanted: Wanted, **known: Any) -> dict[str, Any]:
    """Return a peer's own settings: what it is asked for, over what it does unasked."""
    unknown = [name for name in wanted.options if name not in known]
    if unknown:
        raise AlbError(f"no setting {', '.join(unknown)}, expected some of: {', '.join(known)}")
    return {**known, **wanted.options}


def epoch_seed(wanted: Wanted) -> int:
    """Seed of an epoch, 0 to 2**31 - 1: one for each (seed, epoch), for loaders that take a single number."""
    return int(np.random.default_rng((wanted.seed, wanted.epoch)).integers(2**31))


def not_installed(*modules: str) -> str | None:
    """Say which of the modules that a peer imports are not in this environment; None if all are."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return f"{', '.join(missing)} is not installed" if missing else None
