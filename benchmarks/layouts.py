"""The cells of ``mini`` as others lay them out: tiledbsoma's defaults, and the Census's in 32 fragments."""

from alb_core.cases.epochs import ReadCase


class Layouts:
    """Seconds, and peak bytes, to read every row in chunks of 1,024; ``read_chunks`` has the Census's one fragment."""

    version = "1"
    param_names = ("dataset", "method", "shuffle")
    params = (
        ["mini-soma", "mini-32"],
        ["table"],
        ["none", "global"],
    )
    number = 1
    repeat = 2
    rounds = 4
    warmup_time = 0

    def setup(self, dataset, method, shuffle):
        """Open the dataset, untimed."""
        self.case = ReadCase(dataset, method, 1024, shuffle, buffer_size=64 * 2**20)

    def teardown(self, dataset, method, shuffle):
        """Close it."""
        self.case.close()

    def time_epoch(self, dataset, method, shuffle):
        """Read every row."""
        self.case.epoch()

    def peakmem_epoch(self, dataset, method, shuffle):
        """Read every row."""
        self.case.epoch(prove=True)
