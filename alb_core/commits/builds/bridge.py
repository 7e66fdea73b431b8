"""From a command that asv runs in a benchmark environment back to the Python that asv itself runs in.

asv looks for the programs of ``build_command`` and ``install_command`` in the benchmark environment alone. That one
holds the stack under measurement and not what downloads and builds; the plugin names the Python that does.
"""

import os
import sys
from pathlib import Path

#: Set by the asv plugin to the interpreter that runs asv.
HOST_PYTHON = "ALB_PYTHON"

if __name__ == "__main__":
    python = os.environ.get(HOST_PYTHON)
    if not python:
        sys.exit(f"{HOST_PYTHON} is not set: build and install commands are run by asv with the alb_core plugin")
    suite = str(Path(__file__).resolve().parents[3])
    sys.path.insert(0, suite)
    from alb_core.base.die_with_parent import end_with_parent

    # Of asv, which waits for this; what comes in its place is still so bound.
    end_with_parent(os.getppid())
    os.execve(python, [python, "-m", "alb_core.cli", *sys.argv[1:]], {**os.environ, "PYTHONPATH": suite})
