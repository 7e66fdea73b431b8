"""Steps on the published site: how large one must be, from the calibrations of the machines.

asv publishes a step of 5 % or more. Runs of one and the same commit differ by more than that on a shared machine, and
by how much is known where it was calibrated. What asv.conf.json says (``regressions_thresholds``) can only add to it.
"""

from __future__ import annotations

import re
from pathlib import Path

from alb_core.asv_plugin.machines import CALIBRATION


def thresholds(results: Path) -> dict[str, float]:
    """Return the relative size of a step by regular expression, as asv's ``regressions_thresholds`` has it.

    A benchmark has one line for all machines: the noisiest of them decides.
    """
    # Here, because it loads scipy, which asv's other commands do without.
    from alb_core.verdict import calibration

    found: dict[str, float] = {}
    for path in sorted(results.glob(f"*/{CALIBRATION}")):
        known = calibration.load(results, path.parent.name)
        for name, benchmark in known.benchmarks.items() if known else ():
            if benchmark.step is not None:
                # asv matches the beginning of the name, or of the name with "@" and a branch.
                pattern = rf"{re.escape(name)}(@|$)"
                found[pattern] = max(benchmark.step, found.get(pattern, 0.0))
    return found
