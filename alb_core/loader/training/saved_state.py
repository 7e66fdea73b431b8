"""Saved states: where an epoch stands, in plain types, so that a later run goes on from there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from alb_core.base.errors import AlbError

if TYPE_CHECKING:
    from alb_core.loader.plan import EpochPlan

#: Raised when an older state no longer means the same place.
STATE_VERSION = 1


@dataclass
class Place:
    """Where an epoch stands: so many of its batches were delivered."""

    epoch: int
    batch: int = 0


def save(plan: EpochPlan, place: Place) -> dict[str, Any]:
    """Return the state of a place."""
    return {"version": STATE_VERSION, "epoch": place.epoch, "batch": place.batch, "settings": _settings(plan)}


def restore(plan: EpochPlan, state: Any) -> Place:
    """Return the place of a state; refuse one of a loader with other settings."""
    try:
        version, epoch, batch, saved = (state[key] for key in ("version", "epoch", "batch", "settings"))
        is_state = all(type(number) is int and number >= 0 for number in (version, epoch, batch))
        is_state = is_state and isinstance(saved, dict)
    except (TypeError, KeyError, IndexError):
        is_state = False
    if not is_state:
        raise AlbError(f"{str(state)[:80]!r} is not the state of a loader, expected what state_dict() gave")
    if version != STATE_VERSION:
        raise AlbError(f"the state is of version {version}, expected {STATE_VERSION}: start the epoch anew")
    here = _settings(plan)
    names = [*here, *(name for name in saved if name not in here)]
    other = [f"{name} {saved.get(name)}, here {here.get(name)}" for name in names if saved.get(name) != here.get(name)]
    if other:
        raise AlbError(f"the state is of a loader with other settings: {'; '.join(other)}")
    if batch > len(plan.batches) and not plan.is_dealt_blocks:
        raise AlbError(f"the state is of batch {batch}, expected at most {len(plan.batches)}")
    return Place(epoch, batch)


def _settings(plan: EpochPlan) -> dict[str, Any]:
    """What must be the same where an epoch is taken up. Not the rank: all ranks are at the same batch."""
    settings: dict[str, Any] = {
        "spec": str(plan.spec),
        "shuffle": plan.shuffle,
        "seed": plan.seed,
        "batch_size": plan.batch_size,
        "drop_last": plan.drop_last,
        "world_size": plan.share.world_size,
        "rows": _fingerprint(plan.joinids),
        "columns": _fingerprint(plan.columns),
    }
    if plan.sample is not None:
        settings["sample"] = f"{plan.sample.n_samples} by weights {_fingerprint(plan.sample.weights)}"
    if plan.worker is not None:
        settings["worker"] = "{} of {}".format(*plan.worker)
    return settings


def _fingerprint(values: npt.NDArray[Any]) -> str:
    """How many values, and which: enough to tell two selections apart."""
    digest = hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
    return f"{len(values)}/{digest[:12]}"
