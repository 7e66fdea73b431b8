"""What the epochs of a part of the grid read, and where their time goes: a cause beside an effect.

The combinations are those that `alb verdict` looks at by itself, and two of each class besides.
"""

import itertools

from alb_core.cases import counters
from alb_core.cases.epochs import LoadCase, ReadCase
from alb_core.peers.case import PeerCase


def setup_cache():
    """Run an epoch of each combination in one process, counted by TileDB, which takes longer than an epoch."""
    return counters.count_all(
        (cls.__name__, parameters, cls.case)
        for cls in (ReadChunks, DataLoader, LoaderContexts, Peers)
        for parameters in itertools.product(*cls.params)
    )


setup_cache.timeout = 900


class ReadChunks(counters.Reading):
    """Of read_chunks.ReadChunks."""

    version = "1"
    param_names = ("method", "chunk_size", "shuffle")
    params = (["table", "blockwise_scipy_csr"], [1024], ["none", "global"])

    @staticmethod
    def case(method, chunk_size, shuffle):
        """Open the dataset."""
        return ReadCase("mini", method, chunk_size, shuffle, buffer_size=64 * 2**20)


class DataLoader(counters.Loading):
    """Of data_loader.DataLoader."""

    version = "1"
    param_names = ("method", "block_spec", "shuffle")
    params = (["np.array", "scipy.csr"], ["8x64"], ["none", "block"])

    @staticmethod
    def case(method, block_spec, shuffle):
        """Open the dataset."""
        return LoadCase("mini", method, block_spec, shuffle, batch_size=1024, buffer_size=64 * 2**20)


class LoaderContexts(counters.Loading):
    """Of contexts.LoaderContexts."""

    version = "1"
    param_names = ("method", "context")
    params = (["numba"], ["default", "tuned"])

    @staticmethod
    def case(method, context):
        """Open the dataset."""
        return LoadCase("mini", method, "8x64", "block", batch_size=1024, context=context)


class Peers(counters.Reading):
    """Of peers.Peers."""

    version = "1"
    param_names = ("peer", "shuffle")
    params = (["tiledbsoma-ml"], ["none", "block"])

    @staticmethod
    def case(peer, shuffle):
        """Open the dataset, and run an epoch that is not counted."""
        return PeerCase("mini", peer, "8x64", shuffle, batch_size=1024)
