"""Which contenders the goals need, by what they are measured for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from alb_core import tuning
from alb_core.compare import loaders
from alb_core.compare.plan import Contender, Workload, expanded

OURS, RAW, ML = map(loaders.module_of, (loaders.OURS, loaders.RAW, "tiledbsoma_ml"))

#: Loaders that the goals speak of.
MODULES = (RAW, OURS, ML)

#: Rows at which the cost of a row is compared.
ROWS = (2**14, 2**16, 2**18)

#: Milliseconds that the slow consumer takes for a batch.
CONSUMER_MS = 100.0

#: Rows of a block where layouts are compared.
LAYOUT_BLOCK = 16384


def roles_for_goals(
    workload: Workload, n_rows: int, retiled: Workload | None, settings: Mapping[str, Sequence[str]]
) -> dict[str, list[Contender]]:
    """Choose who is measured for what."""
    sequential = replace(workload, shuffle=False)
    layout = replace(workload, block_size=LAYOUT_BLOCK)
    roles = {
        "sequential": [_ours(sequential)],
        "sequential ml": _best(sequential, ML, settings),
        "sequential raw": _best(sequential, RAW, settings),
        "shuffled": [_ours(workload)],
        "shuffled ml default": [Contender(workload, ML, "default")],
        "shuffled ml": _best(workload, ML, settings),
        "sequential consumer": [_ours(replace(sequential, consumer_ms=CONSUMER_MS))],
        "consumer": [_ours(replace(workload, consumer_ms=CONSUMER_MS))],
        "census layout": [Contender(layout, OURS, "tight")] if retiled else [],
        "retiled": [Contender(replace(retiled, block_size=LAYOUT_BLOCK), OURS, "tight")] if retiled else [],
        "sequential rows": [],
        "rows": [],
        "proof": [],
    }
    for wanted in ROWS:
        limited = of_rows(workload, wanted, n_rows)
        roles["rows"].append(_ours(limited))
        roles["sequential rows"].append(_ours(of_rows(sequential, wanted, n_rows)))
        if limited.rows is not None:
            roles["proof"].append(Contender(replace(limited, passes=1), RAW, "default", proof_only=True))
    return roles


def of_rows(workload: Workload, wanted: int, n_rows: int) -> Workload:
    """The same over so many rows: the first ones, or several epochs where the dataset has fewer."""
    passes = -(-wanted // n_rows)
    rows = wanted // passes
    return replace(workload, rows=rows if rows < n_rows else None, passes=passes)


def _ours(workload: Workload) -> Contender:
    return Contender(workload, OURS, "best")


def _best(workload: Workload, module: str, settings: Mapping[str, Sequence[str]]) -> list[Contender]:
    """All that may be a loader's best setting: its own, and the same with each option of TileDB that ours has."""
    names = [name for name in expanded(["best"], settings.get(module, ())) if name != "default"]
    own = [Contender(workload, module, name) for name in names]
    if module == RAW:
        return own
    return own + [replace(one, options={"config": tuning.config()}, note="alb_core's context") for one in own]
