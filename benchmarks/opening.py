"""An experiment opened by a process that has opened none: what every script begins with."""

from alb_core.cases.queries import OpenCase


class Opening:
    """Seconds, and peak bytes, to open ``mini`` at the library's default context."""

    version = "1"
    param_names = ("reach",)
    params = (["experiment", "x"],)
    # A second opening in the same process finds the library's threads and tables made: each sample has a process.
    number = 1
    repeat = 1
    rounds = 8
    warmup_time = 0

    def setup(self, reach):
        """Prove dataset and commit, untimed; nothing is opened yet."""
        self.case = OpenCase("mini", reach)

    def time_open(self, reach):
        """Open it, and close it."""
        self.case.open()

    def peakmem_open(self, reach):
        """Open it, and close it."""
        self.case.open()
