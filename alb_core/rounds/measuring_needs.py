"""What measuring needs beside builds, and whether this machine has it."""

from __future__ import annotations

from alb_core.base import pythons
from alb_core.cases.counter import NoCounterError, counter_here
from alb_core.commits.builds.needs import Need
from alb_core.commits.builds.wheels import installable
from alb_core.commits.history import releases_lock


def measuring_needs() -> list[Need]:
    """Return what measuring needs, and whether it is here."""
    return [_reference_python(), _counter()]


def _reference_python() -> Need:
    """All releases have wheels for it; another one does where it is not there."""
    wanted = pythons.pythons()[0]
    commands = {
        "apt": f"apt install python{wanted}",
        "dnf": f"dnf install python{wanted}",
        "brew": f"brew install python@{wanted}",
        "pip": f"python -m pip install uv && uv python install {wanted}",
    }
    if pythons.executable(wanted):
        return Need(f"Python {wanted}", True, "on PATH", commands)
    oldest = installable(releases_lock.load())[0].version
    said = f"commits are measured under {pythons.measured()}, which has no wheels of releases before {oldest}"
    return Need(f"Python {wanted}", False, said, commands)


def _counter() -> Need:
    commands = {"apt": "apt install valgrind", "dnf": "dnf install valgrind"}
    try:
        return Need("valgrind", True, str(counter_here()), commands)
    except NoCounterError:
        return Need("valgrind", False, "without it verdicts ask the clock alone: slower, and they see less", commands)
