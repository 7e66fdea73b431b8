"""Reads that are given up half-way."""

from __future__ import annotations

import subprocess
import sys

from tiny import Tiny

# In a process of its own: what this guards against is a crash.
PROGRAM = """
import sys
from alb_core.opened import Opened, Wanted
from alb_core.selection import Selection
buffers = {"soma.init_buffer_bytes": 4096, "py.init_buffer_bytes": 4096}
for _ in range(60):
    opened = Opened(sys.argv[1], Wanted("RNA", "raw", Selection("obs"), Selection("var")), {"config": buffers})
    tables = opened.tables(opened.rows)
    next(tables)
    tables.close()
    del tables
    assert opened.table(opened.rows).num_rows > 0
    opened.close()
print("done")
"""


def test_a_read_that_is_given_up_does_not_end_the_process(tiny: Tiny) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, tiny.uri], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-2000:]
