"""What tests let a process count in place of the benchmarks: under valgrind, so it imports little."""

import ctypes
import mmap
import os
import signal
import threading
import zlib
from contextlib import contextmanager

#: vaddps zmm0, zmm0, zmm1; ret: valgrind has no AVX-512.
UNKNOWN_INSTRUCTION = bytes.fromhex("62f17c4858c1 c3")

started = 0


def loop(times):
    total = 0
    for number in range(times):
        total += number
    return total


class Loop:
    @staticmethod
    @contextmanager
    def opened(times):
        loop(100_000)
        yield lambda: loop(times)


class Native:
    @staticmethod
    @contextmanager
    def opened(size):
        data = bytes(size)
        yield lambda: zlib.crc32(data)


class InThread:
    @staticmethod
    @contextmanager
    def opened(times):
        def run():
            thread = threading.Thread(target=loop, args=(times,))
            thread.start()
            thread.join()

        yield run


class Absent:
    @staticmethod
    @contextmanager
    def opened():
        raise NotImplementedError("this release has no such reader")
        yield


class Failing:
    @staticmethod
    @contextmanager
    def opened():
        yield lambda: {}["missing"]


class Killed:
    @staticmethod
    @contextmanager
    def opened():
        yield lambda: os.kill(os.getpid(), signal.SIGKILL)


class Unknown:
    @staticmethod
    @contextmanager
    def opened():
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(UNKNOWN_INSTRUCTION)
        yield ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
