"""The import of tiledbsoma, in a process that has imported nothing."""

from alb_core.cases.preflight import ready


class Importing:
    """Seconds until ``import`` is done."""

    version = "1"
    param_names = ("module",)
    params = (["tiledbsoma"],)
    number = 1
    repeat = 1
    rounds = 8
    warmup_time = 0

    def setup(self, module):
        """Prove the commit, untimed."""
        ready("mini")

    def timeraw_import(self, module):
        """Give the statement that asv times in a process of its own."""
        return f"import {module}"
