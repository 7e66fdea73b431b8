"""A copy of the suite in a place of its own, for tests that type what a user types."""

import json
import os
import shutil
import signal
import subprocess
import sys

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
        return soma.read_table(self.experiment.ms["RNA"].X["raw"], self.rows, None)

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


class SmallSuite(Suite):
    """A copy of the suite with one small benchmark, over the data and the environments of another copy."""

    def __init__(self, suite, root):
        super().__init__(root)
        self.data = suite.root / "data"
        for path in (self.root / "benchmarks").glob("[!_]*.py"):
            path.unlink()
        (self.root / "benchmarks" / "small.py").write_text(SMALL)
        (self.root / "benchmarks" / "counters.py").write_text(COUNTED)

    def environment(self):
        return {**super().environment(), "ALB_DATA": str(self.data)}

    def start(self, *arguments):
        """Start alb and go on; its words are in a file beside the suite."""
        with (self.root.parent / "said").open("w") as file:
            command = [sys.executable, "-m", "alb_core.cli", *arguments]
            return subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment(),
                stdout=file,
                stderr=file,
                # Tests that run in the background of a shell are deaf to Ctrl-C, and so would be what they start.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )


def said(done):
    """What a command wrote."""
    return done.stdout + done.stderr
