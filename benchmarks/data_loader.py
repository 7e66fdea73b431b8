"""One epoch of alb_core's loader to dense torch batches."""

from alb_core.cases.epochs import LoadCase


class DataLoader:
    """Seconds, and peak bytes, for one epoch over ``mini`` in dense batches of 1,024 rows."""

    version = "3"
    # Version 3 changed how numba reads in stored order, which the others do not pass through.
    same_as = {"2": {"method": ["np.array", "scipy.coo", "scipy.csr"]}}  # noqa: RUF012
    param_names = ("method", "block_spec", "shuffle")
    params = (
        ["np.array", "scipy.coo", "scipy.csr", "numba"],
        ["8x64", "1x512"],
        ["none", "block", "global"],
    )
    # A global shuffle cuts its blocks from single rows, so 1x512 would repeat 8x64.
    skip_params = (
        ("np.array", "1x512", "global"),
        ("scipy.coo", "1x512", "global"),
        ("scipy.csr", "1x512", "global"),
        ("numba", "1x512", "global"),
    )
    number = 1
    repeat = 2
    rounds = 4
    warmup_time = 0

    def setup(self, method, block_spec, shuffle):
        """Open the dataset, untimed."""
        self.case = LoadCase("mini", method, block_spec, shuffle, batch_size=1024, buffer_size=64 * 2**20)

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
