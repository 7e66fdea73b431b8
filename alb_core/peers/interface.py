"""The interface that all peers are put behind: what a loader is asked for, and what it returns.

A peer is a module with the attributes and functions of :class:`Peer`; one of a user's own may lie anywhere that Python
finds it. It is imported in an environment of its own, so at its top it imports numpy, torch and its own library alone,
and this module nothing but the standard library and numpy.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from alb_core.base.errors import AlbError

#: A batch: X, dense, a torch tensor, float32, shape (rows, ``n_vars``); joinids of its rows, int64, shape (rows,).
PeerBatch = tuple[Any, npt.NDArray[np.int64]]

#: Where a peer is measured: as its authors ship it, and as well as it can be set on this machine.
SETTINGS = ("default", "best")


@dataclass(frozen=True)
class Wanted:
    """One epoch that a loader is asked for.

    Attributes
    ----------
    location
        Path of the SOMA experiment; X is layer ``raw`` of measurement ``RNA``.
    copies
        Paths of copies of the same cells by format (``h5ad``, ``zarr``), for loaders that read no SOMA.
    n_rows, n_vars
        Rows and columns of X, all of which are read.
    batch_size
        Rows of a batch.
    chunk_size, block_size
        Rows of a chunk, which are read together, and of a block, within which rows are shuffled.
    shuffle
        Whether chunks are drawn in random order and rows shuffled inside the block; else rows come in their order.
    seed, epoch
        What the order is drawn from, 0 or more.
    options
        Settings of the peer's own, such as ``buffer_size`` (bytes) or ``workers``.
    """

    location: str
    copies: Mapping[str, str]
    n_rows: int
    n_vars: int
    batch_size: int = 1024
    chunk_size: int = 64
    block_size: int = 32768
    shuffle: bool = True
    seed: int = 0
    epoch: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


class Peer(Protocol):
    """What the module of a peer must have at its top level.

    Attributes
    ----------
    NAME
        As tables show it.
    DISTRIBUTION
        Name of its distribution on the package index, of which the version is shown.
    OPTIONS
        ``Wanted.options`` by the name of a setting, at least ``default`` of ``SETTINGS``. One that has no ``best`` has
        several others, of which any may be the best on a machine: each is measured.
    COPIES
        Formats of the copies that it reads; empty where it reads the SOMA experiment itself.
    """

    NAME: str
    DISTRIBUTION: str
    OPTIONS: Mapping[str, Mapping[str, Any]]
    COPIES: tuple[str, ...]

    def unsupported(self, wanted: Wanted) -> str | None:
        """Say why the loader cannot run an epoch; it shows as n/a then.

        Parameters
        ----------
        wanted
            The epoch.

        Returns
        -------
        str or None
            The reason in words; None if it can.
        """
        ...

    def batches(self, wanted: Wanted) -> Iterator[PeerBatch]:
        """Open the dataset, and return the batches of one epoch.

        What opening costs must be paid before the iterator is returned: it is measured apart.

        Parameters
        ----------
        wanted
            The epoch.

        Returns
        -------
        iterator of PeerBatch
            Each row exactly once, in batches of ``batch_size`` rows (the last one may be short); columns in the order
            of ascending joinids. An iterator with ``close()`` is closed at the end.

        Raises
        ------
        AlbError
            If an option is unknown (:func:`settings`).
        """
        ...


def settings(wanted: Wanted, **defaults: Any) -> dict[str, Any]:
    """Return a peer's own settings: the options asked for, over its defaults.

    Parameters
    ----------
    wanted
        The epoch.
    **defaults
        Each setting that the peer knows, with its value unasked.

    Returns
    -------
    dict
        A value for each setting.

    Raises
    ------
    AlbError
        If an option is none of them.
    """
    unknown = [name for name in wanted.options if name not in defaults]
    if unknown:
        raise AlbError(f"no setting {', '.join(unknown)}, expected some of: {', '.join(defaults)}")
    return {**defaults, **wanted.options}


def epoch_seed(wanted: Wanted) -> int:
    """Return the seed of an epoch, 0 to 2**31 - 1: one for each (seed, epoch), for loaders that take one number."""
    return int(np.random.default_rng((wanted.seed, wanted.epoch)).integers(2**31))


def not_installed(*modules: str) -> str | None:
    """Say which of the modules that a peer imports are not in this environment; None if all are."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return f"{', '.join(missing)} is not installed" if missing else None
