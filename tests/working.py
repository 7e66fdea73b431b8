"""A checkout of tiledb-soma that a user of the suite's copy works in, with commits of their own."""

import json
import shutil
import subprocess
import uuid
from contextlib import contextmanager

from suite_copy import said

from alb_core.base.paths import data_root

#: The file with it.
READERS = "src/tiledbsoma/_read_iters.py"

#: Where 2.3.0 reads a table: all of the suite's readers pass there.
READ = """    def __next__(self) -> pa.Table:
        return self.mq._handle.next()
"""
SLEEPING = """    def __next__(self) -> pa.Table:
        import time

        started = time.perf_counter()
        table = self.mq._handle.next()
        time.sleep(SHARE * (time.perf_counter() - started))
        return table
"""


class Branches:
    """A checkout of tiledb-soma that a user works in, used in place: a branch for each change, on top of 2.3.0."""

    def __init__(self, suite, name):
        self.root = suite.root.parent / name
        made = suite.alb("history", "releases")
        assert made.returncode == 0, said(made)
        self.git("clone", "-q", str(suite.data / "tiledb-soma"), str(self.root), at=None)
        self.commits = []

    def git(self, *arguments, at="here"):
        command = ["git", *(["-C", str(self.root)] if at else []), "-c", "user.name=n", "-c", "user.email=e@f"]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=True).stdout.strip()

    def branch(self, name, path, change, base="main"):
        """Commit a change of one file on a branch of its own, and leave it checked out."""
        self.git("switch", "-q", "-c", name, base)
        file = self.root / path
        file.write_text(change(file.read_text()))
        self.git("commit", "-qam", name)
        self.commits.append(self.git("rev-parse", "HEAD"))
        return self.commits[-1]


def sleeping(text, share):
    """The file's text with reads that take longer by a share of their time."""
    assert READ in text
    # Never the same package twice, or a build of an earlier run would be taken.
    return text.replace(READ, SLEEPING.replace("SHARE", str(share))) + f"# {uuid.uuid4()}\n"


@contextmanager
def working(suite, name):
    """Use a checkout as the suite's history, and the releases again afterwards."""
    made = Branches(suite, name)
    used = suite.alb("history", "use", str(made.root))
    assert used.returncode == 0 and "your own repository" in used.stdout, said(used)
    yield made
    # The cache is the one of the checkout that is tested; what was built for this test alone goes.
    for path in (data_root() / "wheels" / "builds").glob("*/build.json"):
        if json.loads(path.read_text())["commit"] in made.commits:
            shutil.rmtree(path.parent)
    back = suite.alb("history", "releases")
    assert back.returncode == 0, said(back)
