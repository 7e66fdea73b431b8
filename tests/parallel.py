"""How pytest-xdist spreads the tests: over how many processes, and which of them stay together."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

#: What a process of tests may need with those that it starts (bytes).
_MEMORY_OF_ONE = 4 * 2**30
#: Those that share a copy of the suite follow one another: with more processes the others are done before them.
_MOST = 6


class ByScope(LoadScopeScheduling):
    """Gives each process a scope at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """What a test stays together with: its file, whose fixtures it shares, or all that take the fixture ``suite``.

    They are known by their names: the process that spreads the tests has nothing else of them.
    """
    file = nodeid.partition("::")[0]
    return "suite" if PurePosixPath(file).name.startswith("test_e2e") else file


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """How many processes ``-n auto`` is: as many as there are cores, memory and scopes for, and none for but one."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    named = {scope_of(word) for word in config.args}
    scopes = len(named) if all(name == "suite" or name.endswith(".py") for name in named) else _MOST
    number = min(cores, memory // _MEMORY_OF_ONE, scopes, _MOST)
    return number if number > 1 else 0


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByScope | None:
    """Spread by scope, unless another way was asked for."""
    return ByScope(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest scope where others run beside it."""
    for item in items:
        if "suite" in getattr(item, "fixturenames", ()) and scope_of(item.nodeid) != "suite":
            raise pytest.UsageError(f"{item.nodeid} takes the fixture suite: name its file test_e2e_*.py")
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: scope_of(item.nodeid) != "suite")
