"""A suite with a history of a dozen commits and results of each, to be published."""

import json
import math
import os
import shutil
import subprocess
import sys

from asv import util
from outcomes import WORKLOAD, run

from alb_core.base.paths import suite_root
from alb_core.peers.compare import saved
from alb_core.peers.compare.results import Outcome
from alb_core.peers.compare.workload import Contender
from alb_core.verdicts import calibration_file
from alb_core.verdicts.calibration_file import Calibration, Rate, VerdictRates

COMMITS = 12
#: The seventh commit takes twice as long as those before it.
STEP = 6
BENCHMARK = "read_chunks.ReadChunks.time_epoch"
#: Figures of every benchmark by asv's kind of it: of its first combination, and how much more each next one has.
FIGURES = {"time": (0.5, 0.1), "peakmemory": (400e6, 25e6), "track": (0.2, 0.01)}
#: Tags of the first and the last commit; the others have none.
RELEASES = {0: "1.7.3", COMMITS - 1: "2.3.0"}


def figures(benchmark, factor=1):
    """Figures of a benchmark, one for each combination of its parameters; the last one is n/a."""
    first, step = FIGURES[benchmark["type"]]
    number = math.prod(map(len, benchmark["params"]))
    return [factor * (first + step * place) for place in range(number - 1)] + [math.nan]


class Site:
    """A suite's configuration with a history of a dozen commits, and results of each."""

    def __init__(self, root):
        self.root, self.data = root, root / "data"
        configuration = util.load_json(str(suite_root() / "asv.conf.json"), js_comments=True)
        (root / "asv.conf.json").write_text(json.dumps(configuration))
        self.commits = self._history(self.data / "tiledb-soma")
        self._results(self.data / "results")

    def _history(self, place):
        place.mkdir(parents=True)
        git = ["git", "-C", str(place), "-c", "user.name=n", "-c", "user.email=e@f"]
        subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
        for number in range(COMMITS):
            date = f"2026-01-{number + 1:02} 12:00:00 +0000"
            # The same commits each time.
            dated = {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
            made = [*git, "commit", "-q", "--allow-empty", "-m", f"commit {number}"]
            subprocess.run(made, env=dated, check=True)
        for number, version in RELEASES.items():
            subprocess.run([*git, "tag", version, f"main~{COMMITS - 1 - number}"], check=True)
        listed = subprocess.run(
            [*git, "log", "--reverse", "--format=%H %ct"], capture_output=True, text=True, check=True
        )
        return [line.split() for line in listed.stdout.splitlines()]

    def _results(self, place):
        """Made-up figures of every benchmark in the file of a commit that is committed, for each commit here."""
        committed = suite_root() / "data" / "results"
        first = next(path for path in sorted(committed.glob("*/*-*.json")) if BENCHMARK in path.read_text())
        self.machine = first.parent.name
        self.results = place / self.machine
        self.results.mkdir(parents=True)
        shutil.copy2(committed / "benchmarks.json", place)
        shutil.copy2(first.parent / "machine.json", self.results)
        self.benchmarks = {
            name: benchmark
            for name, benchmark in json.loads((committed / "benchmarks.json").read_text()).items()
            if name != "version"
        }
        for number, (commit, seconds) in enumerate(self.commits):
            content = json.loads(first.read_text())
            content.update(commit_hash=commit, date=int(seconds) * 1000)
            content["result_columns"] = ["result", "params", "version", "started_at", "duration"]
            content["results"] = {
                name: [
                    figures(benchmark, 2 if name == BENCHMARK and number >= STEP else 1),
                    *(benchmark["params"], benchmark["version"], 1767268800000, 1.0),
                ]
                for name, benchmark in self.benchmarks.items()
            }
            self.file(commit).write_text(json.dumps(content))

    def file(self, commit):
        """Results file of a commit."""
        return self.results / f"{commit[:8]}-virtualenv-py3.11.json"

    def know(self):
        """Calibrate the machine, and compare loaders on it; all made up."""
        known = VerdictRates(Rate(1, 40), {"10%": Rate(18, 20)}, "1", 0.05)
        whole = VerdictRates(Rate(2, 40), {"10%": Rate(20, 20), "25%": Rate(20, 20)})
        times = "2026-11-22T10:00:00+00:00", self.commits[0][0], 600.0
        cases = {f"{BENCHMARK}('table', 1024, 'none')": known}
        calibration_file.save(self.data / "results", Calibration(self.machine, *times, {"sort": 0.15}, cases, whole))
        runs = [run()]
        outcomes = [
            Outcome(Contender(WORKLOAD, "alb_core.peers.raw_tables", "default"), "raw tables()", "2.3.0", runs=runs),
            Outcome(Contender(WORKLOAD, "alb_core.peers.ours", "best"), "alb_core", "0.1.0", runs=runs),
            Outcome(Contender(WORKLOAD, "a.b", "best"), "<b>", state="n/a", reason="<i>not</i> installed"),
        ]
        document = {"dataset": "small", "n_rows": 30_000, "rounds": 1, "user": "me"}
        saved.keep(
            self.data / "results", self.machine, {**document, "loaders": [outcome.as_json() for outcome in outcomes]}
        )

    def environment(self, **variables):
        """As a user has it, with a home and data of its own."""
        return {**os.environ, "HOME": str(self.root), "ALB_DATA": str(self.data), **variables}

    def asv(self, *words, **variables):
        """Run asv as typed; returns what it said, and its status."""
        return subprocess.run(
            [sys.executable, "-m", "asv", *words],
            cwd=self.root,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def publish(self, html, **variables):
        """Publish as typed; returns what asv said."""
        done = self.asv("publish", "--html-dir", html, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done
