"""All rows of a dataset through each of tiledbsoma's readers, chunk by chunk."""

from alb_core.cases.epochs import ReadCase


class ReadChunks:
    """Seconds, and peak bytes, to read every row of ``mini`` in chunks."""

    version = "1"
    param_names = ("method", "chunk_size", "shuffle")
    params = (
        ["table", "blockwise_table", "blockwise_scipy_coo", "blockwise_scipy_csr"],
        [1024, 4096],
        ["none", "chunk", "global"],
    )
    # Where one chunk holds all rows, a global shuffle is the chunk's.
    skip_params = (
        ("table", 4096, "global"),
        ("blockwise_table", 4096, "global"),
        ("blockwise_scipy_coo", 4096, "global"),
        ("blockwise_scipy_csr", 4096, "global"),
    )
    number = 1
    repeat = 2
    rounds = 4
    warmup_time = 0

    def setup(self, method, chunk_size, shuffle):
        """Open the dataset, untimed."""
        self.case = ReadCase("mini", method, chunk_size, shuffle, buffer_size=64 * 2**20)

    def teardown(self, method, chunk_size, shuffle):
        """Close it."""
        self.case.close()

    def time_epoch(self, method, chunk_size, shuffle):
        """Read every row."""
        self.case.epoch()

    def peakmem_epoch(self, method, chunk_size, shuffle):
        """Read every row."""
        self.case.epoch(prove=True)
