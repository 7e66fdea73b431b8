"""The grid that this field's figures are drawn from, for a machine of a g4dn's size: ``ALB_PROFILE=full``."""

from alb_core.cases.epochs import LoadCase, ReadCase


class LoaderBlocks:
    """Seconds, and peak bytes, for one shuffled epoch over eight of the largest blocks, at the default context."""

    version = "1"
    param_names = ("method", "block_spec", "shuffle")
    params = (
        ["np.array", "scipy.coo", "scipy.csr", "numba"],
        [
            "8192 / 1",
            "8192 / 2",
            "8192 / 4",
            "8192 / 8",
            "8192 / 16",
            "8192 / 32",
            "8192 / 64",
            "8192 / 128",
            "8192 / 256",
            "8192 / 512",
            "16384 / 1",
            "16384 / 2",
            "16384 / 4",
            "16384 / 8",
            "16384 / 16",
            "16384 / 32",
            "16384 / 64",
            "16384 / 128",
            "16384 / 256",
            "16384 / 512",
            "16384 / 1024",
            "32768 / 1",
            "32768 / 2",
            "32768 / 4",
            "32768 / 8",
            "32768 / 16",
            "32768 / 32",
            "32768 / 64",
            "32768 / 128",
            "32768 / 256",
            "32768 / 512",
            "32768 / 1024",
            "32768 / 2048",
            "65536 / 1",
            "65536 / 2",
            "65536 / 4",
            "65536 / 8",
            "65536 / 16",
            "65536 / 32",
            "65536 / 64",
            "65536 / 128",
            "65536 / 256",
            "65536 / 512",
            "65536 / 1024",
            "65536 / 2048",
            "131072 / 1",
            "131072 / 2",
            "131072 / 4",
            "131072 / 8",
            "131072 / 16",
            "131072 / 32",
            "131072 / 64",
            "131072 / 128",
            "131072 / 256",
            "131072 / 512",
            "131072 / 1024",
            "131072 / 2048",
        ],
        ["block"],
    )
    number = 1
    repeat = 1
    rounds = 8
    warmup_time = 0
    # A million cells, through the slowest method of the oldest release.
    timeout = 3600

    def setup(self, method, block_spec, shuffle):
        """Open the dataset, untimed."""
        self.case = LoadCase("blocks", method, block_spec, shuffle, batch_size=1024)

    def teardown(self, method, block_spec, shuffle):
        """Close it."""
        self.case.close()

    def time_epoch(self, method, block_spec, shuffle):
        """Run one epoch, the first batch included."""
        self.case.epoch()

    def peakmem_epoch(self, method, block_spec, shuffle):
        """Run one epoch."""
        self.case.epoch(prove=True)

    def track_first_batch(self, method, block_spec, shuffle):
        """Seconds until the first batch, which pays for its block."""
        return self.case.first_batch()

    track_first_batch.unit = "seconds"


class ReaderChunks:
    """Seconds, and peak bytes, to read 133,790 rows in chunks, at the default context's buffers of 1 GiB."""

    version = "1"
    param_names = ("method", "chunk_size", "shuffle")
    params = (
        ["table", "blockwise_table", "blockwise_scipy_coo", "blockwise_scipy_csr"],
        [1024, 2048, 4096, 8192, 16384, 32768],
        ["none", "chunk", "global"],
    )
    number = 1
    repeat = 1
    rounds = 8
    warmup_time = 0
    timeout = 3600

    def setup(self, method, chunk_size, shuffle):
        """Open the dataset, untimed."""
        self.case = ReadCase("census-2:7", method, chunk_size, shuffle, buffer_size=2**30)

    def teardown(self, method, chunk_size, shuffle):
        """Close it."""
        self.case.close()

    def time_epoch(self, method, chunk_size, shuffle):
        """Read every row."""
        self.case.epoch()

    def peakmem_epoch(self, method, chunk_size, shuffle):
        """Read every row."""
        self.case.epoch(prove=True)
