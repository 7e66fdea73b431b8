"""All rows of a dataset through each of tiledbsoma's readers, chunk by chunk."""

from alb_core.suite import ReadCase


class ReadChunks:
    """Seconds, and peak bytes, to read every row of ``mini`` in chunks."""

    version = "1"
    param_names = ("method", "chunk_size", "shuffle")
    params = (
        ["table", "blockwise_table", "blockwise_scipy_coo", "blockwise_scipy_csr"],
        [64, 1024],
        ["none", "chunk", "global"],
    )
    number = 1
    repeat = 3
    rounds = 2
    warmup_time = 0

    def setup(self, method, chunk_size, shuffle):
        """Open the dataset, proved; nothing of it is timed."""
        self.case = ReadCase("mini", method, chunk_size, shuffle, buffer_size=64 * 2**20)

    def teardown(self, method, chunk_size, shuffle):
        """Prove what was read, and close."""
        self.case.close()

    def time_epoch(self, method, chunk_size, shuffle):
        """Read every row."""
        self.case.epoch(prove=True)

    def peakmem_epoch(self, method, chunk_size, shuffle):
        """Read every row."""
        self.case.epoch()
