"""A copy of the suite in a place of its own, for tests that type what a user types."""

import json
import os
import shutil
import subprocess
import sys

from alb_core import proof
from alb_core.paths import data_root, suite_root


class Suite:
    """A copy of the working tree, and a home of its own."""

    def __init__(self, root):
        self.root, self.home = root / "suite", root / "home"
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
        [path] = (self.root / "data" / "env").glob(f"*/{proof.CERTIFICATE}")
        return path.parent


def said(done):
    """What a command wrote."""
    return done.stdout + done.stderr
