"""Rows by a value filter over obs: an axis query, as users select cells."""

from alb_core.cases.queries import QueryCase


class AxisQueries:
    """Seconds, and peak bytes, for one axis query over ``mini`` at the library's default context."""

    version = "1"
    param_names = ("column", "result")
    params = (
        ["enumerated", "number"],
        ["joinids", "x"],
    )
    number = 1
    repeat = 2
    rounds = 4
    warmup_time = 0

    def setup(self, column, result):
        """Open the dataset and find out what the query has to give, untimed."""
        self.case = QueryCase("mini", column, result)

    def teardown(self, column, result):
        """Close it."""
        self.case.close()

    def time_query(self, column, result):
        """Ask once."""
        self.case.query()

    def peakmem_query(self, column, result):
        """Ask once."""
        self.case.query()
