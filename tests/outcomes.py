"""Made-up outcomes for tests that need no loader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alb_core.peers.compare.results import Outcome, Run
from alb_core.peers.compare.workload import Contender, LoaderWorkload

WORKLOAD = LoaderWorkload("small", "/data/small")


def run(number: int = 0, **changed: Any) -> Run:
    """30,000 rows in 10 s, the first 1,000 in 2 s, waiting 4 s of them, at most 2 GiB."""
    figures: dict[str, Any] = {
        "n_rows": 30_000,
        "rows_after_first": 29_000,
        "opening": 0.1,
        "elapsed": 10.0,
        "first_batch": 2.0,
        "after_first": 8.0,
        "waiting": 4.0,
        "cpu": 15.0,
        "peak": 2 * 2**30,
        "quality": 0.98,
    }
    return Run(number=number, **{**figures, **changed})


def outcome(
    peer: str = "ours",
    setting: str = "best",
    rates: Sequence[float] = (3000.0,),
    workload: LoaderWorkload = WORKLOAD,
    state: str = "measured",
    reason: str | None = None,
    **changed: Any,
) -> Outcome:
    """A loader with a run of 30,000 rows for each rate; none where it was not measured."""
    contender = Contender(workload, f"alb_core.peers.{peer}", setting)
    runs = [run(number, **{"elapsed": 30_000 / rate, **changed}) for number, rate in enumerate(rates)]
    return Outcome(contender, peer, "1.2", {}, {}, runs if state == "measured" else [], state, reason)
