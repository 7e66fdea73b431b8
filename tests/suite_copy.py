"""A copy of the suite in a place of its own, for tests that type what a user types."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from alb_core.base import certificate
from alb_core.base.paths import data_root, suite_root


class Suite:
    """A copy of the working tree, and a home of its own."""

    def __init__(self, root):
        self.root, self.home = root / "suite", root / "home"
        self.data = self.root / "data"
        self.home.mkdir()
        cache = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True).stdout
        self.pip_cache = {"PIP_CACHE_DIR": cache.strip()} if cache else {}
        listed = ["git", "-C", str(suite_root()), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0"):
            source = suite_root() / name
            if name and source.is_file() and not name.startswith("data/"):
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, self.root / name)
        # What is fetched and installed once serves here too; everything that is made is made anew.
        (self.root / "data").mkdir()
        for shared in ("wheels", "writers", "site"):
            (data_root() / shared).mkdir(parents=True, exist_ok=True)
            (self.root / "data" / shared).symlink_to(data_root() / shared)

    def environment(self):
        kept = {key: value for key, value in os.environ.items() if key not in {"ALB_DATA", "PYTHONDONTWRITEBYTECODE"}}
        # pip would compile all of the stack, which takes four times as long as to install it: a module that is
        # imported is compiled then, and that is kept.
        return {**kept, "HOME": str(self.home), "PIP_COMPILE": "0", **self.pip_cache}

    def run(self, module, *arguments, **variables):
        """Run asv or alb as typed in the suite's directory, with nobody there to answer a question."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.root,
            env={**self.environment(), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def asv(self, *arguments):
        return self.run("asv", *arguments)

    def alb(self, *arguments):
        return self.run("alb_core.cli", *arguments)

    def results(self, release):
        [path] = (self.root / "data" / "results" / "g4dn").glob(f"{release.commit[:8]}-*.json")
        return json.loads(path.read_text())

    @property
    def benchmark_environment(self):
        [path] = (self.root / "data" / "env").glob(f"*/{certificate.CERTIFICATE}")
        return path.parent


#: A benchmark that takes no time to import: neither torch nor scipy.
SMALL = '''"""A few rows."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from alb_core.base import certificate
from alb_core.base.paths import datasets_root
from alb_core.loader import soma


class Case:
    location = Path(datasets_root() / "mini")

    def __init__(self, rows):
        certificate.require_commit()
        self.rows = np.arange(rows)
        self.opened = soma.open_experiment(str(self.location))
        self.experiment = self.opened.__enter__()

    def epoch(self):
        soma.read_table(self.experiment.ms["RNA"].X["raw"], self.rows, None)
        # No loader, which would say where its time went.
        return SimpleNamespace(reading=None)

    def close(self):
        self.opened.__exit__(None, None, None)


class Small:
    """Seconds to read some rows."""

    version = "1"
    param_names = ("rows",)
    params = ([256, 512, 1024],)
    number = 1
    repeat = 2
    rounds = 2
    warmup_time = 0

    def setup(self, rows):
        self.case = Case(rows)

    def teardown(self, rows):
        self.case.close()

    def time_epoch(self, rows):
        self.case.epoch()
'''
COUNTED = '''"""The same, counted."""

from alb_core.cases import counters

from .small import Case


def setup_cache():
    return counters.count_all(("Small", (rows,), Case) for rows in Small.params[0])


class Small(counters.Reading):
    version = "1"
    param_names = ("rows",)
    params = ([256, 512, 1024],)
'''
INSTRUCTIONS = '''"""The same, by instructions."""

from contextlib import contextmanager

from alb_core.cases import instructions

from .small import Case


def setup_cache():
    return instructions.count_all([Small])


class Small(instructions.Instructions):
    version = "1"
    param_names = ("rows", "counter")
    params = ([256, 512, 1024], ["valgrind", "processor"])

    @staticmethod
    @contextmanager
    def opened(rows):
        case = Case(rows)
        yield case.epoch
        case.close()
'''


class SmallSuite(Suite):
    """A copy of the suite with one small benchmark, over the data and the environments of another copy."""

    def __init__(self, suite, root):
        super().__init__(root)
        self.data = suite.root / "data"
        self.log = root / "log"
        for path in (self.root / "benchmarks").glob("[!_]*.py"):
            path.unlink()
        (self.root / "benchmarks" / "small.py").write_text(SMALL)
        (self.root / "benchmarks" / "counters.py").write_text(COUNTED)
        (self.root / "benchmarks" / "instructions.py").write_text(INSTRUCTIONS)

    def environment(self):
        return {**super().environment(), "ALB_DATA": str(self.data)}

    def interrupted(self, number, when, *arguments):
        """Start alb, and send all of its processes a signal when something is so; its exit status and what it wrote."""
        with self.log.open("w") as file:
            command = [sys.executable, "-m", "alb_core.cli", *arguments]
            running = subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                # Tests that run in the background of a shell ignore Ctrl-C, and so would what they start.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
            try:
                while not when():
                    assert running.poll() is None, self.log.read_text()
                    time.sleep(0.02)
                running.send_signal(number)
                return running.wait(), self.log.read_text()
            finally:
                running.kill()

    def certificates(self, *roots):
        """Certificates of the environments in some directories of the data."""
        paths = [path for root in roots for path in self.data.glob(f"{root}/*/{certificate.CERTIFICATE}")]
        return [certificate.certificate(path.parent) for path in paths]

    def results_file(self, commit, machine="*"):
        """asv's results of a commit; None before there are any."""
        return next((self.root / "data" / "results").glob(f"{machine}/{commit[:8]}-*.json"), None)


def rounds_in(path, pattern):
    """Rounds in a file of asv's results: what its durations have under keys of a pattern."""
    keys = json.loads(path.read_text())["durations"] if path else {}
    return sum(int(key.split("+")[1].split("x")[0]) for key in keys if re.match(f"<{pattern}", key))


def samples_in(path, benchmark):
    """Samples of the one combination of a benchmark that was measured."""
    content = json.loads(path.read_text())
    row = dict(zip(content["result_columns"], content["results"][benchmark], strict=False))
    [taken] = [taken for taken in row["samples"] if taken]
    return taken


def said(done):
    """What a command wrote."""
    return done.stdout + done.stderr
