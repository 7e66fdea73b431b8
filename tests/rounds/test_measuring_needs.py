"""What measuring needs beside builds."""

from alb_core.rounds import measuring_needs as module
from alb_core.rounds.measuring_needs import measuring_needs


def test_without_the_reference_the_releases_that_are_lost_are_named(under):
    under("3.11")
    assert measuring_needs()[0].here
    under("3.13")
    python = measuring_needs()[0]
    assert not python.here and python.said.endswith("under 3.13, which has no wheels of releases before 1.16.0")
    assert python.commands["apt"] == "apt install python3.11"


def test_without_a_counter_valgrind_is_named(monkeypatch):
    def none():
        raise module.NoCounterError("none")

    monkeypatch.setattr(module, "counter_here", none)
    assert [need.here for need in measuring_needs() if need.name == "valgrind"] == [False]
