"""Reads that live a little longer than their readers, where thousands of them follow each other in one process."""

import collections
import importlib.util

#: The last reads of the process: each outlives what a thread does for it after it is complete.
_READS = collections.deque(maxlen=8)


def reads_linger():
    """Keep the last reads of tiledbsoma.

    In libtiledb 2.30 (tiledbsoma 2.3) a thread that put tiles in order may let go of its part of that work after the
    read is complete; where the read is freed first, it frees memory through what is gone, and the process ends with a
    corrupt heap or a jump to nowhere (TileDB-Inc/TileDB pull request 5723 mends it). It takes thousands of reads on a
    busy machine, which these tests are. A read that is kept keeps what the thread needs.
    """
    if importlib.util.find_spec("tiledbsoma._managed_query") is None:
        return
    from tiledbsoma._managed_query import ManagedQuery

    made = ManagedQuery.__attrs_post_init__

    def kept(self):
        made(self)
        _READS.append(self._handle)

    ManagedQuery.__attrs_post_init__ = kept
