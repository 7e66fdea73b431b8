"""Memory of this process, and of this computer."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")

#: What libraries say when memory ran out and it is no MemoryError. A thread needs memory for its stack.
_EXHAUSTED = (
    "bad_alloc",
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "can't start new thread",
)


def peak_bytes() -> int:
    """Most memory that this process has held at once, since its start or :func:`reset_peak`, in bytes.

    Shared pages count, as they do in asv's ``peakmem``.
    """
    if _STATUS.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, kilobytes elsewhere (getrusage(2)).
    return most if sys.platform == "darwin" else most * 1024


def held_bytes() -> int:
    """Memory that this process holds now, in bytes; its peak where the system does not say."""
    if _STATUS.exists():
        found = re.search(r"^VmRSS:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) * 1024
    return peak_bytes()


def give_back() -> None:
    """Give memory that was freed, and that the allocator kept, back to the system (glibc: malloc_trim(3))."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def reset_peak() -> None:
    """Start :func:`peak_bytes` anew from what is held now, where the system can (Linux: proc(5), clear_refs)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def available_bytes() -> int | None:
    """Memory that a new process could take without swapping, in bytes; None where nobody says.

    The least of what the kernel has available and what the control group of this process is still allowed.
    """
    found = []
    try:
        kernel = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        if kernel:
            found.append(int(kernel[1]) * 1024)
    except OSError:
        if "SC_PHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        if limit.isdigit():
            found.append(max(0, int(limit) - int((group / "memory.current").read_text())))
    except (OSError, ValueError):
        pass
    return min(found) if found else None


def is_exhaustion(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out: Python's, numpy's, Arrow's, torch's or TileDB's."""
    if isinstance(error, MemoryError):  # numpy's and Arrow's are kinds of it
        return True
    words = str(error).lower()
    return any(word in words for word in _EXHAUSTED)


def oom_kills() -> int | None:
    """Processes that this system has killed for want of memory since it started; None where it does not say."""
    try:
        found = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


def be_killed_first() -> None:
    """Let the system kill this process before others when memory runs out (Linux: proc(5), oom_score_adj)."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return
