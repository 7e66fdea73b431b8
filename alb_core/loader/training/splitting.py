"""A split of rows into those to train with and those to validate with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from alb_core.base.errors import ArgumentError

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]


def split(obs: Any, fraction: float, *, by: str | None = None, seed: int = 0) -> tuple[Int64, Int64]:
    """Split rows into those to train with and those to validate with, for ``obs_joinids`` of two loaders.

    Which side a row is on depends on the seed, its joinid (or its value of ``by``) and the other rows, not on their
    order. Rows that are added later change the side of few.

    Parameters
    ----------
    obs
        Joinids, or a table (Arrow or pandas) that has them as ``soma_joinid``.
    fraction
        Part of the rows to train with, above 0 and below 1.
    by
        A column of the table, such as ``donor_id``, whose values stay together: no value is on both sides. The fraction
        is then met as nearly as whole values allow. Rows without a value stay together, too.
    seed
        What is drawn from, 0 or more.

    Returns
    -------
    tuple
        Joinids to train with and joinids to validate with, int64, ascending, neither empty.

    Raises
    ------
    AlbError
        If an argument is wrong, or there are fewer than two rows, or values, to split.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction < 1:
        raise ArgumentError(f"fraction is {fraction!r}, expected a number above 0 and below 1")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ArgumentError(f"seed is {seed!r}, expected 0 or more")
    alone = isinstance(obs, (np.ndarray, Sequence))
    if alone and by is not None:
        raise ArgumentError(f"by is {by!r}, and obs is joinids alone, expected a table with that column")
    joinids = np.asarray(obs if alone else _column(obs, "soma_joinid"))
    if joinids.ndim != 1 or not np.issubdtype(joinids.dtype, np.integer) or len(np.unique(joinids)) != len(joinids):
        raise ArgumentError("obs has joinids that are no whole numbers, or repeat, expected each row once")
    joinids = joinids.astype(np.int64)
    if by is None:
        keys, counts, group = joinids.view(np.uint64), np.ones(len(joinids), np.int64), np.arange(len(joinids))
    else:
        words, group, counts = np.unique(_words(_column(obs, by)), return_inverse=True, return_counts=True)
        keys = np.array([_digest(word) for word in words.tolist()], dtype=np.uint64)
    if len(keys) < 2:
        raise ArgumentError(f"{'obs' if by is None else by} has {len(keys)} to split, expected two or more")
    is_training = _drawn(_mixed(keys, int(seed)), counts, fraction)[group]
    return np.sort(joinids[is_training]), np.sort(joinids[~is_training])


def _column(obs: Any, name: str) -> Any:
    try:
        return obs[name]
    except (KeyError, TypeError, IndexError, ValueError):
        raise ArgumentError(f"obs has no column {name}, expected a table that has") from None


def _words(column: Any) -> npt.NDArray[np.str_]:
    """Values as text; of none, and of NaN, which is not itself, the empty one."""
    # numpy puts another word into the place of a dictionary's null.
    values = column.to_pylist() if hasattr(column, "to_pylist") else np.asarray(column).tolist()
    return np.array(["" if value is None or value != value else str(value) for value in values], dtype=np.str_)


def _digest(word: str) -> int:
    """Make 64 bits of a word, the same in every process."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")


def _mixed(keys: UInt64, seed: int) -> UInt64:
    """Make numbers of keys that look random (splitmix64)."""
    z = keys + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: UInt64 = z ^ (z >> np.uint64(31))
    return mixed


def _drawn(numbers: UInt64, counts: Int64, fraction: float) -> npt.NDArray[np.bool_]:
    """Which groups are to train with: those of the lowest numbers, until they have a fraction of all rows."""
    ascending = np.argsort(numbers, kind="stable")
    middles = np.cumsum(counts[ascending]) - counts[ascending] / 2
    first = int(np.clip(np.searchsorted(middles, fraction * counts.sum()), 1, len(counts) - 1))
    drawn = np.zeros(len(counts), dtype=np.bool_)
    drawn[ascending[:first]] = True
    return drawn
