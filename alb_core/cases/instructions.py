"""Instructions that cases take, counted in a process of its own: many cases, imported for once.

That process (:func:`main`) opens each case, runs it once, counts it once, and then notes the bytecodes that each Python
function executes. Beside it runs what asked (:func:`counting`): asv's ``setup_cache``, or a verdict. Valgrind runs one
thread at a time, so libraries are told not to spin while they wait; what they still do then is in the counts.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import re
import shutil
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from alb_core.base.errors import AlbError
from alb_core.base.paths import suite_root
from alb_core.base.processes import Program, how_it_ended
from alb_core.cases import counter
from alb_core.cases.counter import PROCESSOR, VALGRIND
from alb_core.cases.work import LEAST_BYTECODES, LEAST_SHARE, Work, functions_of, large, name_of

#: Rows that a counted case reads: as many as a chunk of the suite has. A count hardly varies, so it needs no more.
ROWS = 1024

#: How often a case is run that takes so little that the start of a thread is a percent of it.
TIMES = 10

#: Module of the benchmarks that are counted, and the parameter that says by what, their last one.
MODULE = "instructions"

#: Libraries that wait by spinning take a number of instructions that depends on who else uses the machine.
_NO_SPINNING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0", "PYTHONHASHSEED": "0"}


@dataclass(frozen=True)
class Outcome:
    """What counting one case gave."""

    work: Work | None = None
    #: Why the commit cannot do it, in words; empty where it can.
    absent: str = ""
    #: What failed, in words; empty where nothing did.
    failed: str = ""


#: A class of the benchmarks and its parameters, that for the counter left out.
Combination = tuple[str, Sequence[Any]]


class Counting:
    """Combinations that an environment's Python counts, in a process beside this one."""

    def __init__(self, program: Program, scratch: Path, combinations: Sequence[Combination], kind: str) -> None:
        self._program, self._scratch, self._combinations, self._kind = program, scratch, combinations, kind

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._program.poll() is None

    @property
    def counted(self) -> int:
        """How many combinations are done."""
        return (self._scratch / "answers").read_bytes().count(b"\n")

    def outcomes(self) -> dict[str, Outcome]:
        """Wait for its end; what it gave, by :func:`~alb_core.cases.work.name_of`."""
        status = self._program.wait()
        found = {}
        # What follows the last end of a line was cut off with the process.
        for line in (self._scratch / "answers").read_text().split("\n")[:-1]:
            one: dict[str, Any] = json.loads(line)
            found[one["name"]] = self._outcome(one)
        why, later = _why_it_ended(status, self._program.last_line, self._scratch / "said"), ""
        for cls, parameters in self._combinations:
            name = name_of(cls, parameters)
            if name not in found:
                # The first that has no answer is where the process was when it ended.
                found[name] = Outcome(failed=later or why)
                later = later or f"not begun, because the process had ended at {name}: {why}"
        return found

    def _outcome(self, answer: Mapping[str, Any]) -> Outcome:
        if "absent" in answer or "failed" in answer:
            return Outcome(None, answer.get("absent", ""), answer.get("failed", ""))
        instructions: int = answer.get("instructions", 0)
        functions: Mapping[str, int] = {}
        if self._kind == VALGRIND:
            # The request to write a file numbers it.
            try:
                with (self._scratch / f"counted.{answer['file']}").open(errors="replace") as file:
                    instructions, functions = functions_of(file)
            except (OSError, ValueError, LookupError) as error:
                return Outcome(failed=f"what valgrind counted cannot be read: {error}; is the disk full?")
        if not instructions:
            return Outcome(failed=f"{counter.counter_here().name} counted no instructions")
        return Outcome(Work(instructions, large(functions, LEAST_SHARE), large(answer["bytecodes"], LEAST_BYTECODES)))


@contextmanager
def counting(
    python: Path,
    scratch: Path,
    combinations: Sequence[Combination],
    environ: Mapping[str, str],
    module: str = f"benchmarks.{MODULE}",
) -> Iterator[Counting]:
    """Begin to count combinations of a module's classes by an environment's Python; the process ends with the block.

    ``scratch`` is a directory for what it writes: emptied before, and gone afterwards.
    """
    kind = counter.counter_here().kind
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        asked = scratch / "asked"
        listed = [list(each) for each in combinations]
        asked.write_text(json.dumps({"counter": kind, "module": module, "combinations": listed}))
        command = [*(_valgrind_command(scratch) if kind == VALGRIND else []), python, "-W", "ignore", "-m", __name__]
        variables = {**environ, **_NO_SPINNING, "PYTHONPATH": str(suite_root())}
        with (
            asked.open("rb") as given,
            (scratch / "answers").open("wb") as answers,
            Program(command, stdin=given, stdout=answers, env=variables) as program,
        ):
            yield Counting(program, scratch, combinations, kind)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _valgrind_command(scratch: Path) -> list[object]:
    return [
        *("valgrind", "--tool=callgrind", "--instr-atstart=no", "--dump-line=no"),
        # No pipes of a debugger are left in /tmp.
        *("--vgdb=no", f"--callgrind-out-file={scratch}/counted", f"--log-file={scratch}/said"),
    ]


def _why_it_ended(status: int, last_line: str, said: Path) -> str:
    """Say why a process ended before all was counted."""
    text = said.read_text(errors="replace") if said.is_file() else ""
    unknown = re.search(r"Unrecognised instruction at address(.*?)\n\S+ Your program", text, re.DOTALL)
    if unknown:
        bytes_ = re.search(r"unhandled instruction bytes: ((?:0x\w+ ?)+)", text)
        callers = [caller for caller in re.findall(r"(?:at|by) 0x\w+: (.*)", unknown[1]) if caller != "???"]
        where = f" in {callers[0].removeprefix('??? ')}" if callers else ""
        what = f" ({bytes_[1].strip()})" if bytes_ else ""
        return f"{counter.counter_here().name} does not know an instruction{what}{where}: install a newer valgrind"
    if "memory management: out of memory" in text:
        return "valgrind ran out of memory: counting takes more than there is"
    if status in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return "the process that counts was killed: counting may take more memory than there is"
    return f"the process that counts ended with {how_it_ended(status)}: {last_line or 'no output'}"


# -- the process that counts -------------------------------------------------------------------------------------------


def main() -> None:
    """Count what is asked for on stdin; a line of JSON for each combination, as soon as it is counted."""
    # What libraries print is no answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    # Before any library starts threads, which it then counts too.
    by_processor = counter.processor_counter() if asked["counter"] == PROCESSOR else None
    by_valgrind = counter.Valgrind() if asked["counter"] == VALGRIND else None
    benchmarks = importlib.import_module(asked["module"])
    number = 0
    for cls, parameters in asked["combinations"]:
        found: dict[str, Any] = {"name": name_of(cls, parameters)}
        try:
            with getattr(benchmarks, cls).opened(*parameters) as epoch:
                epoch()
                if by_processor is not None:
                    found["instructions"] = by_processor.count(epoch)
                elif by_valgrind is not None:
                    number += 1
                    found["file"] = number
                    by_valgrind.count(epoch)
                found["bytecodes"] = bytecodes_of(epoch)
        except NotImplementedError as error:
            found = {"name": found["name"], "absent": str(error) or "n/a"}
        except Exception:
            found = {"name": found["name"], "failed": traceback.format_exc()}
        answers.write(json.dumps(found) + "\n")


def bytecodes_of(function: Callable[[], object]) -> dict[str, int]:
    """Run a function and return how many bytecodes each Python function executes, by ``module:function``.

    Threads that begin meanwhile are looked at, too. What a bytecode takes depends on what it does.
    """
    found: Counter[Any] = Counter()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        code = frame.f_code

        def step(frame: FrameType, event: str, argument: object) -> Any:
            found[code] += event == "opcode"
            return step

        return step

    with _traced(trace):
        function()
    names: Counter[str] = Counter()
    for code, count in found.items():
        names[f"{_module_path(code.co_filename)}:{code.co_qualname}"] += count
    return dict(names.most_common())


@contextmanager
def _traced(trace: Callable[[FrameType, str, object], Any]) -> Iterator[None]:
    threading.settrace(trace)
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(None)


def _module_path(filename: str) -> str:
    """Return a module's file from its package on."""
    parts = Path(filename).parts
    for root in ("site-packages", f"python{sys.version_info.major}.{sys.version_info.minor}"):
        if root in parts:
            return "/".join(parts[len(parts) - parts[::-1].index(root) :])
    try:
        return str(Path(filename).relative_to(suite_root()))
    except ValueError:
        return Path(filename).name


def repeated(function: Callable[[], object], times: int) -> Callable[[], None]:
    """Return what runs a function so many times."""

    def run() -> None:
        for _ in range(times):
            function()

    return run


# -- asv ---------------------------------------------------------------------------------------------------------------


def count_all(classes: Iterable[type[Instructions]]) -> dict[str, Any]:
    """Count all combinations of some classes, for asv's ``setup_cache``; ``counter`` is what counted them."""
    combinations = [(cls.__name__, parameters) for cls in classes for parameters in cls.combinations()]
    try:
        kind = counter.counter_here().kind
    except counter.NoCounterError as error:
        return {"absent": str(error)}
    scratch = Path(os.environ["ASV_ENV_DIR"]) / "counted"
    with counting(Path(sys.executable), scratch, combinations, os.environ) as process:
        return {"counter": kind, **process.outcomes()}


class Instructions:
    """asv's track method of what a case takes: base class of those of ``benchmarks/instructions.py``."""

    params: tuple[Sequence[Any], ...]

    @classmethod
    def combinations(cls) -> Iterator[tuple[Any, ...]]:
        """Return the parameters of each combination, the counter left out."""
        return itertools.product(*cls.params[:-1])

    def setup(self, counted: Mapping[str, Any], *parameters: Any) -> None:
        """Take this combination's count.

        Raises
        ------
        NotImplementedError
            If nothing counts here, another counter than the one asked for does, or the release cannot do it.
        AlbError
            If it failed.
        """
        *own, kind = parameters
        if counted.get("counter") != kind:
            raise NotImplementedError(counted.get("absent", f"{counted.get('counter')} counts here"))
        outcome = counted[name_of(type(self).__name__, own)]
        if outcome.absent:
            raise NotImplementedError(outcome.absent)
        if outcome.work is None:
            raise AlbError(outcome.failed)
        self._instructions: int = outcome.work.instructions

    def track_instructions(self, *_: object) -> int:
        """Instructions of user code, all threads."""
        return self._instructions

    track_instructions.unit = "instructions"  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
