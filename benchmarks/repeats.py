"""The same rows again and again in one process, and what grows."""

from alb_core.cases.queries import RepeatCase


class RepeatedReads:
    """Bytes by which a process grows with each read of 1,024 rows of ``mini``, at the library's default context."""

    version = "1"
    param_names = ("what",)
    params = (["read", "open"],)
    number = 1
    repeat = 2
    rounds = 4
    warmup_time = 0

    def setup(self, what):
        """Open the dataset, untimed."""
        self.case = RepeatCase("mini", what)

    def teardown(self, what):
        """Close it."""
        self.case.close()

    def track_growth(self, what):
        """Bytes a read, once what only fills at first is full."""
        return self.case.growth()

    track_growth.unit = "bytes"
