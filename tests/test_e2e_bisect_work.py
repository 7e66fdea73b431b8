"""`alb bisect` by work for real: several commits that do more of it, each named with its function."""

import shutil
import signal
import uuid

import psutil
import pytest
from suite_copy import said
from working import READ, READERS, working

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.nightly,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind counts"),
]

CASE = ("-b", r"Small.time_epoch\(256\)", "--by", "work")

COUNTING_UP = """    def __next__(self) -> pa.Table:
        for _ in range(STEPS):
            pass
        return self.mq._handle.next()
"""


def counting(small):
    """Processes of this suite that run under valgrind."""
    place = str(small.data / "duo")
    found = [(each, " ".join(each.info["cmdline"] or [])) for each in psutil.process_iter(["cmdline"])]
    return [each for each, words in found if "callgrind" in words and place in words]


def test_each_commit_that_does_more_work_is_named_with_its_function(small):
    with working(small, "counted") as made:
        assert READ in (made.root / READERS).read_text()

        def commit(name, base, old="", new=""):
            return made.branch(
                name, READERS, lambda text: f"# {uuid.uuid4()}\n" + (text.replace(old, new) if old else text), base=base
            )

        commit("words", "main")
        more = commit("more", "words", READ, COUNTING_UP.replace("STEPS", "40_000"))
        again = commit("again", "more", "40_000", "90_000")
        for number, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
            ended, output = small.interrupted(number, lambda: len(counting(small)) == 2, "verdict", *CASE)
            assert ended == status, output
            psutil.wait_procs(counting(small), timeout=20)
            assert not counting(small), output
        done = small.alb("verdict", *CASE)
        assert done.returncode == 1 and "\nWORSE by work: " in done.stdout, said(done)
        done = small.alb("bisect", "main", "HEAD", *CASE[:2])
        assert done.returncode == 0, said(done)
        lines = done.stdout.splitlines()
        assert lines[-2:] == [f"FIRST BAD COMMIT: {more[:7]} more", f"FIRST BAD COMMIT: {again[:7]} again"], said(done)
        assert lines[-3].endswith(", once each")
        assert sum("_read_iters.py:ArrowTableRead.__next__: " in line for line in lines) == 2, said(done)
        # What is counted is not counted again.
        done = small.alb("bisect", "main", "HEAD", *CASE)
        assert done.stdout.splitlines() == lines and "counting work" not in done.stderr, said(done)
