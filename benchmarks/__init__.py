"""The asv suite: parameters, setup, and one call into alb_core for each benchmark.

Parameters are literal and append-only; a class whose timed code changes gets a new ``version``
(tests/benchmarks/test_versions.py holds both).
"""

import sys
from pathlib import Path

# The benchmark environment holds tiledbsoma and the stack; alb_core is the working tree's own. ASV_PYTHONPATH does
# not serve: asv 0.6.6 takes it back out of sys.path before it imports the benchmarks.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
