"""Processes of their own: what they yield, how they fail, and that none is left behind."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command import TESTS, is_alive

from alb_core.base import memory, processes
from alb_core.base.errors import AlbError, WrongResultError

THIS = Path(__file__).stem


# -- what runs in the processes ----------------------------------------------------------------------------------------


def echoing(*words: str) -> Iterator[tuple[int, str]]:
    for word in words:
        yield os.getpid(), word


def timing() -> Iterator[float]:
    for _ in range(3):
        yield time.monotonic()


def failing(error: BaseException) -> Iterator[int]:
    yield 1
    raise error


class TwoArgumentError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def failing_so_that_pickle_cannot() -> Iterator[int]:
    yield 1
    raise TwoArgumentError(1, 2)


def ending(status: int) -> Iterator[int]:
    yield os.getpid()
    os._exit(status)


def sleeping() -> Iterator[int]:
    yield os.getpid()
    print("asleep", flush=True)
    time.sleep(60)


def holding(n_bytes: int) -> Iterator[tuple[int, int]]:
    memory.reset_peak()
    before = memory.peak_bytes()
    held = np.ones(n_bytes, dtype=np.uint8)
    yield before, memory.peak_bytes()
    del held


def collecting() -> Iterator[tuple[int, int]]:
    yield gc.get_freeze_count(), len(gc.get_objects())


def listing_modules() -> Iterator[list[str]]:
    yield list(sys.modules)


# -- what becomes of it ------------------------------------------------------------------------------------------------


def test_items_come_from_another_process() -> None:
    (one, first), (two, second) = processes.iterate(f"{THIS}:echoing", "a", "b")
    assert (first, second) == ("a", "b")
    assert one == two != os.getpid()
    assert not is_alive(one)


def test_no_item_is_made_before_it_is_asked_for() -> None:
    asked = []
    items = processes.iterate(f"{THIS}:timing")
    for made in items:
        assert not asked or made >= asked[-1], "it was made while the one before it was in use"
        time.sleep(0.2)
        asked.append(time.monotonic())
    assert len(asked) == 3


def test_a_process_ends_with_the_iteration() -> None:
    items = processes.iterate(f"{THIS}:echoing", "a", "b")
    pid, _ = next(items)
    assert is_alive(pid)
    items.close()
    assert not is_alive(pid)


@pytest.mark.parametrize("kind", [AlbError, WrongResultError])
def test_errors_of_ours_keep_their_class_and_their_line(kind: type[AlbError]) -> None:
    items = processes.iterate(f"{THIS}:failing", kind("nnz is 5, expected 6"))
    assert next(items) == 1
    with pytest.raises(AlbError, match=r"^nnz is 5, expected 6$") as caught:
        next(items)
    assert type(caught.value) is kind
    assert caught.value.exit_status == kind.exit_status
    assert not hasattr(caught.value, "__notes__"), "a user's mistake needs no traceback"


def test_a_defect_keeps_where_it_happened() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        list(processes.iterate(f"{THIS}:failing", ZeroDivisionError("of ours")))
    assert f"{THIS}.py" in caught.value.__notes__[0]
    assert "in failing" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match=r"(?s)in failing_so_that_pickle_cannot.*TwoArgumentError: 1 and 2"):
        list(processes.iterate(f"{THIS}:failing_so_that_pickle_cannot"))
    with pytest.raises(ModuleNotFoundError):
        list(processes.iterate("nowhere:nothing"))


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("std::bad_alloc"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_errors_that_say_so_are_out_of_memory(error: Exception) -> None:
    with pytest.raises(processes.OutOfMemoryError, match=r"^out of memory: \S+") as caught:
        list(processes.iterate(f"{THIS}:failing", error))
    assert caught.value.exit_status == 1


@pytest.mark.skipif(memory.oom_kills() is None, reason="this system does not count kills for want of memory")
def test_a_kill_by_somebody_is_not_out_of_memory() -> None:
    items = processes.iterate(f"{THIS}:sleeping")
    os.kill(next(items), signal.SIGKILL)
    with pytest.raises(AlbError, match=r"ended with signal 9 \(SIGKILL\) before it was done") as caught:
        next(items)
    assert type(caught.value) is AlbError


def test_a_kill_by_the_system_is_out_of_memory() -> None:
    kills = memory.oom_kills()
    earlier = None if kills is None else kills - 1
    assert isinstance(processes._death(-signal.SIGKILL, earlier), processes.OutOfMemoryError)
    assert not isinstance(processes._death(-signal.SIGSEGV, earlier), processes.OutOfMemoryError)


def test_a_process_that_dies_is_told() -> None:
    with pytest.raises(AlbError, match="ended with status 3 before it was done"):
        list(processes.iterate(f"{THIS}:ending", 3))


def test_no_process_inherits_the_peak_of_another() -> None:
    [(before, after)] = processes.iterate(f"{THIS}:holding", 500 * 2**20)
    assert after - before == pytest.approx(500 * 2**20, rel=0.05)
    [(second_before, second)] = processes.iterate(f"{THIS}:holding", 2**20)
    assert second_before == pytest.approx(before, rel=0.05)
    assert second < before + 50 * 2**20


def test_a_collection_of_garbage_does_not_look_through_the_imports() -> None:
    [(frozen, looked_through)] = processes.iterate(f"{THIS}:collecting")
    assert frozen > 100_000 > 100 * looked_through


SCRIPT = """
import sys
from alb_core.base import processes
import program
if __name__ == "__main__":
    print([name in modules for modules in processes.iterate("test_processes:listing_modules")
           for name in ("program", "alb_core.sweeps.worker")])
"""


def test_the_script_of_the_command_is_not_imported(tmp_path: Path) -> None:
    """It would be on the time and the memory of what is measured, and only where `alb` is called as a script."""
    script = tmp_path / "alb"
    script.write_text(SCRIPT)
    (tmp_path / "program.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(TESTS)])}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[False, True]\n", "")


@pytest.mark.skipif(sys.platform == "darwin", reason="nothing is forked")
def test_a_server_of_forks_that_has_ended_is_told(tmp_path: Path) -> None:
    """Not as Ctrl-C, which is what click makes of an end of file."""
    (tmp_path / "ending.py").write_text("import os\nos._exit(1)\n")
    program = textwrap.dedent(
        f"""
        from alb_core.base import processes
        processes._IMPORTS[:] = ["ending"]
        try:
            list(processes.iterate("{THIS}:sleeping"))
        except processes.AlbError as error:
            print(error)
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("the process that all measuring processes are forked from has ended"), done


# -- other programs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo out; echo one >&2; echo two >&2; echo >&2; exit 1", "two"),
        ("echo out; exit 1", "out"),
        ("exit 3", "status 3"),
        ("kill -9 $$", r"signal 9 \(SIGKILL\)"),
    ],
)
def test_a_program_that_fails_is_one_line(script: str, reason: str) -> None:
    with pytest.raises(AlbError, match=f"^cannot do it: {reason}$"):
        processes.run(["sh", "-c", script], "cannot do it")


def test_what_a_program_says_comes_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = ["sh", "-c", "cat; echo $WORD; echo two >&2; exit 3"]
    variables = {**os.environ, "WORD": "one"}
    done = processes.run(script, given=b"zero ", env=variables)
    assert (done.status, done.text, done.errors) == (3, "zero one\n", "two\n")
    assert processes.run(script, log=tmp_path / "log", env=variables).reason == "two"
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert capfd.readouterr() == ("", "")
    assert processes.run(script, shown=True, env=variables).reason == "two"
    assert capfd.readouterr() == ("", "one\n")


def test_a_program_that_is_not_there_or_does_not_end_is_told() -> None:
    with pytest.raises(processes.CannotStartError, match=r"^no: cannot start /nowhere/it: no such program$"):
        processes.run(["/nowhere/it"], "no")
    with pytest.raises(processes.NoEndError, match=r"^no: no end within 0\.2 s$"):
        processes.run(["sleep", "600"], "no", timeout_seconds=0.2)
    with processes.Program(["sh", "-c", "echo one; sleep 600"], stdout=subprocess.PIPE) as program:
        lines = program.lines(1)
        assert next(lines) == b"one"
        with pytest.raises(processes.NoEndError, match=r"^nothing came for 1 s$"):
            next(lines)
