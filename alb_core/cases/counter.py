"""What counts instructions of user code here: valgrind's callgrind, or the processor by way of the system.

Standard library only. Neither needs a compiler: valgrind is told by machine code that does nothing outside of it, and
the system by calls of its own.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import platform
import re
import shutil
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from alb_core.base.errors import AlbError
from alb_core.base.processes import run

#: The kinds, as benchmarks have them for a parameter: counts of one are never compared with those of the other.
VALGRIND, PROCESSOR = "valgrind", "processor"

#: The oldest valgrind that knows what today's libraries are compiled to.
OLDEST_VALGRIND = (3, 15)


@dataclass(frozen=True)
class Counter:
    """What counts."""

    kind: str
    #: With its version, as results have it.
    name: str


class NoCounterError(AlbError):
    """Nothing here counts instructions."""

    exit_status = 3


@cache
def counter_here() -> Counter:
    """Return what counts instructions here: valgrind, which tells functions, before the processor."""
    try:
        return Counter(VALGRIND, _valgrind())
    except NoCounterError as error:
        try:
            return Counter(PROCESSOR, processor_counter().name)
        except OSError as other:
            raise NoCounterError(
                f"no instructions can be counted here: {error} (its package is named valgrind: `apt install valgrind`, "
                f"`dnf install valgrind`); the processor's own counter: {other.strerror or other}"
            ) from error


def _valgrind() -> str:
    if not (sys.platform == "linux" and platform.machine() in _REQUESTS):
        raise NoCounterError(f"valgrind counts on Linux on {' and '.join(_REQUESTS)}, this is {sys.platform}")
    if shutil.which("valgrind") is None:
        raise NoCounterError("valgrind is not installed")
    said = run(["valgrind", "--version"]).text.strip()
    found = re.search(r"(\d+)\.(\d+)[.\w]*", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_VALGRIND:
        oldest = ".".join(map(str, OLDEST_VALGRIND))
        raise NoCounterError(f"valgrind says it is {said!r}, expected {oldest} or newer")
    return f"valgrind {found[0]}"


# -- valgrind, from within ---------------------------------------------------------------------------------------------

#: By machine: a function of C that takes the address of a request and returns valgrind's answer, 0 outside of it. The
#: words between what passes the arguments are those of valgrind.h (__SPECIAL_INSTRUCTION_PREAMBLE).
_REQUESTS = {
    # mov rax, rdi; xor edx, edx; rol rdi, 3, 13, 61, 51; xchg rbx, rbx; mov rax, rdx; ret
    "x86_64": bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3"),
    # mov x4, x0; mov x3, 0; ror x12, x12, 3, 13, 51, 61; orr x10, x10, x10; mov x0, x3; ret
    "aarch64": struct.pack(
        "<9I",
        *(0xAA0003E4, 0xD2800003, 0x93CC0D8C, 0x93CC358C, 0x93CCCD8C, 0x93CCF58C, 0xAA0A014A, 0xAA0303E0, 0xD65F03C0),
    ),
}
#: Requests of valgrind.h and callgrind.h.
_RUNNING_ON_VALGRIND = 0x1001
_DUMP, _ZERO, _START, _STOP = (0x43540000 + number for number in (0, 1, 4, 5))


class Valgrind:
    """Switches callgrind's counting, from a process that runs under it; each count is a file of its own."""

    def __init__(self) -> None:
        code = _REQUESTS[platform.machine()]
        self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._page.write(code)
        self._call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(
            ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        )
        if not self._request(_RUNNING_ON_VALGRIND):
            raise OSError(0, "this process does not run under valgrind")

    def count(self, function: Callable[[], object]) -> None:
        """Run a function and count its instructions, which the next file then holds."""
        self._request(_START)
        self._request(_ZERO)
        try:
            function()
        finally:
            self._request(_DUMP)
            self._request(_STOP)

    def _request(self, number: int) -> int:
        words = (ctypes.c_uint64 * 6)(number)
        return int(self._call(ctypes.addressof(words)))


# -- the processor -----------------------------------------------------------------------------------------------------


def processor_counter() -> PerfEvents | ProcessUsage:
    """Return what the system lets count; an OSError where it lets nothing."""
    return ProcessUsage() if sys.platform == "darwin" else PerfEvents()


#: By machine, the number of the system call perf_event_open.
_PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
#: Of linux/perf_event.h: counting waits to be told, goes on in threads that begin later, and leaves the system out.
_DISABLED, _INHERIT, _EXCLUDE_KERNEL, _EXCLUDE_HV = 1 << 0, 1 << 1, 1 << 5, 1 << 6
_ENABLE, _DISABLE = 0x2400, 0x2401
#: What is read beside the count: for how long it was to count, and for how long it did.
_TIMES = 1 | 2
#: PERF_TYPE_HARDWARE and PERF_COUNT_HW_INSTRUCTIONS.
INSTRUCTIONS = (0, 1)


class PerfEvents:
    """Counts by Linux's perf events; made before any thread that is to be counted begins."""

    name = "perf instructions:u"

    def __init__(self, event: tuple[int, int] = INSTRUCTIONS) -> None:
        number = _PERF_EVENT_OPEN.get(platform.machine())
        if number is None:
            raise OSError(0, f"perf events are not known on {platform.machine()}")
        kind, config = event
        flags = _DISABLED | _INHERIT | _EXCLUDE_KERNEL | _EXCLUDE_HV
        attributes = struct.pack("<IIQQQQQIIQQ", kind, 72, config, 0, 0, _TIMES, flags, 0, 0, 0, 0)
        libc = ctypes.CDLL(None, use_errno=True)
        self._file = libc.syscall(number, attributes, 0, -1, -1, 0)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), f"perf_event_open: {os.strerror(ctypes.get_errno())}")

    def count(self, function: Callable[[], object]) -> int:
        """Run a function and return what it took, threads that were begun after this object included."""
        # A reset would leave what threads have taken that have ended: the difference counts.
        before = self._read()
        fcntl.ioctl(self._file, _ENABLE)
        try:
            function()
        finally:
            fcntl.ioctl(self._file, _DISABLE)
        count, asked, counted = (after - one for after, one in zip(self._read(), before, strict=True))
        if counted < asked:
            raise OSError(0, "the processor's counter was shared with somebody else's: its count is not whole")
        return count

    def _read(self) -> tuple[int, ...]:
        return struct.unpack("=QQQ", os.read(self._file, 24))


class ProcessUsage:
    """Counts by what macOS says of a process (proc_pid_rusage): ri_instructions, the system's own for it included."""

    name = "macOS ri_instructions"
    #: RUSAGE_INFO_V4, and where the field stands in it: after an uuid and 29 numbers (sys/resource.h).
    _FLAVOR, _AT, _BYTES = 4, 16 + 29 * 8, 16 + 35 * 8

    def __init__(self) -> None:
        self._libproc = ctypes.CDLL("/usr/lib/libproc.dylib", use_errno=True)
        if not self._read():
            raise OSError(0, "this system counts no instructions of a process")

    def count(self, function: Callable[[], object]) -> int:
        """Run a function and return what this process took meanwhile."""
        before = self._read()
        function()
        return self._read() - before

    def _read(self) -> int:
        usage = ctypes.create_string_buffer(self._BYTES)
        if self._libproc.proc_pid_rusage(os.getpid(), self._FLAVOR, usage):
            raise OSError(ctypes.get_errno(), f"proc_pid_rusage: {os.strerror(ctypes.get_errno())}")
        return int(struct.unpack_from("<Q", usage, self._AT)[0])
