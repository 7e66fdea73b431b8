"""What a loader cannot do is n/a, and not a failure, in a class of asv, too."""

import pytest
import timed_code


def test_a_class_that_was_not_set_up_is_torn_down(monkeypatch):
    peers = timed_code.benchmark_class("peers.Peers")

    def not_there(*_, **__):
        raise NotImplementedError("not installed")

    monkeypatch.setitem(peers.setup.__globals__, "PeerCase", not_there)
    benchmark = peers()
    with pytest.raises(NotImplementedError):
        benchmark.setup("annbatch", "none")
    # asv tears it down all the same, and an error there is a failure.
    benchmark.teardown("annbatch", "none")
