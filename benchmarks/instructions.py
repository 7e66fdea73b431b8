"""Instructions of user code that a part of the grid takes: the same from run to run, whoever else uses the machine.

Counted after imports, opening and one run that is not counted. The last parameter is what counts: valgrind, or the
processor where there is no valgrind; the other is n/a.
"""

from contextlib import contextmanager

from alb_core.cases import instructions
from alb_core.cases.epochs import LoadCase, ReadCase
from alb_core.cases.instructions import ROWS, TIMES
from alb_core.cases.queries import OpenCase, QueryCase


def setup_cache():
    """Count all combinations in one process, which imports the library once."""
    return instructions.count_all([ReadChunks, DataLoader, AxisQueries, Opening])


setup_cache.timeout = 1800


class ReadChunks(instructions.Instructions):
    """Of read_chunks.ReadChunks, over one chunk."""

    version = "1"
    param_names = ("method", "chunk_size", "shuffle", "counter")
    params = (["table", "blockwise_scipy_csr"], [1024], ["none", "global"], ["valgrind", "processor"])

    @staticmethod
    @contextmanager
    def opened(method, chunk_size, shuffle):
        """Open the dataset."""
        case = ReadCase("mini", method, chunk_size, shuffle, buffer_size=64 * 2**20, rows=ROWS)
        yield case.epoch
        case.close()


class DataLoader(instructions.Instructions):
    """Of data_loader.DataLoader, over one batch of two blocks."""

    version = "1"
    param_names = ("method", "block_spec", "shuffle", "counter")
    params = (["np.array", "scipy.csr"], ["8x64"], ["none", "block"], ["valgrind", "processor"])

    @staticmethod
    @contextmanager
    def opened(method, block_spec, shuffle):
        """Open the dataset."""
        case = LoadCase("mini", method, block_spec, shuffle, batch_size=1024, buffer_size=64 * 2**20, rows=ROWS)
        yield case.epoch
        case.close()


class AxisQueries(instructions.Instructions):
    """Of queries.AxisQueries: of ten queries that give joinids alone, so that the start of a thread more is little."""

    version = "1"
    param_names = ("column", "result", "counter")
    params = (["enumerated", "number"], ["joinids", "x"], ["valgrind", "processor"])

    @staticmethod
    @contextmanager
    def opened(column, result):
        """Open the dataset and find out what the query has to give."""
        case = QueryCase("mini", column, result)
        yield instructions.repeated(case.query, {"joinids": TIMES, "x": 1}[result])
        case.close()


class Opening(instructions.Instructions):
    """Of opening.Opening: of ten openings, by a process that has opened it before."""

    version = "1"
    param_names = ("reach", "counter")
    params = (["experiment", "x"], ["valgrind", "processor"])

    @staticmethod
    @contextmanager
    def opened(reach):
        """Prove dataset and commit."""
        yield instructions.repeated(OpenCase("mini", reach).open, TIMES)
