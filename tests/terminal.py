"""``alb`` on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

from command import ALB, environment


def on_a_terminal(data: Path, *words: str) -> list[str]:
    """Run ``alb`` on a terminal of 120 columns; return all that it wrote, a carriage return where it wrote one."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    with subprocess.Popen([*ALB, *words], env=environment(data), stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # the last process has closed it
                break
    os.close(ours)
    assert process.returncode == 0, seen
    return seen.decode().replace("\r\n", "\n").split("\n")
