"""The loader at the library's default context, and at the tuned one."""

from alb_core.cases.epochs import LoadCase


class LoaderContexts:
    """Seconds, and peak bytes, for one shuffled epoch over ``mini`` in dense batches of 1,024 rows."""

    version = "1"
    param_names = ("method", "context")
    params = (
        ["np.array", "scipy.coo", "scipy.csr", "numba"],
        ["default", "tuned"],
    )
    number = 1
    repeat = 4
    rounds = 2
    warmup_time = 0

    def setup(self, method, context):
        """Open the dataset, untimed."""
        self.case = LoadCase("mini", method, "8x64", "block", batch_size=1024, context=context)

    def teardown(self, method, context):
        """Close it."""
        self.case.close()

    def time_epoch(self, method, context):
        """Run one epoch, the first batch included."""
        self.case.epoch()

    def peakmem_epoch(self, method, context):
        """Run one epoch."""
        self.case.epoch(prove=True)

    def track_first_batch(self, method, context):
        """Seconds until the first batch, which pays for its block."""
        return self.case.first_batch()

    track_first_batch.unit = "seconds"
