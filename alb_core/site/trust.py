"""The page of each machine's calibration and comparisons of loaders, which lie beside its results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alb_core.base.errors import AlbError
from alb_core.base.files import write_atomically
from alb_core.peers.compare import saved
from alb_core.peers.compare.table import TEXTS, rows
from alb_core.rounds.results.machines import CALIBRATION, LOADERS, describe, registered
from alb_core.verdicts import calibration_file
from alb_core.verdicts.calibration_file import Calibration, Rate, VerdictRates

#: Within the site.
INDEX = "alb/trust.json"


def write(site: Path, results: Path) -> list[str]:
    """Write what the page shows; return what could not be read, a line for each file."""
    faults: list[str] = []
    content = {"machines": [_machine(results, name, faults) for name in machines(results)]}
    write_atomically(site / INDEX, json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
    return faults


def machines(results: Path) -> list[str]:
    """Names of all machines that have anything there."""
    files = ("machine.json", CALIBRATION, LOADERS)
    return sorted({path.parent.name for file in files for path in results.glob(f"*/{file}")})


def _machine(results: Path, name: str, faults: list[str]) -> dict[str, Any]:
    """Return what is known of a machine; a file that cannot be read is said, here and on the page."""
    found: dict[str, Any] = {"name": name, "hardware": _hardware(results, name), "faults": []}

    def read(key: str, what: Any) -> None:
        try:
            found[key] = what()
        except AlbError as error:
            found["faults"].append(str(error))
            found[key] = None

    read("calibration", lambda: _calibration(calibration_file.load(results, name)))
    read("loaders", lambda: [_comparison(one) for one in saved.load(results, name)])
    faults += found["faults"]
    return found


def _hardware(results: Path, name: str) -> str | None:
    try:
        owner: Mapping[str, str] = registered(results, name) or {}
    except AlbError:
        return None  # its results are not published either, and why is said there
    return describe({field: str(owner.get(field) or "") for field in ("cpu", "num_cpu", "ram", "arch")})


def _calibration(known: Calibration | None) -> dict[str, Any] | None:
    """Return a calibration as texts: a table of benchmarks, the whole first."""
    if known is None:
        return None
    everything = {"the verdict as a whole": known.whole, **known.benchmarks}
    sizes = list(dict.fromkeys(size for one in everything.values() for size in one.power))
    head = ["benchmark", "false alarms", *(f"finds {size}" for size in sizes), "visible", "step", "threshold"]
    return {
        "measured": known.measured[:10],
        "commit": known.commit,
        "budget": f"{known.budget / 60:.3g} minutes",
        "rounds": known.rounds,
        "verdict_rounds": known.verdict_rounds,
        "canary": ", ".join(f"{part} {100 * spread:.0f} %" for part, spread in known.canary.items()),
        "table": [head, *(_row(name, one, sizes) for name, one in everything.items())],
    }


def _row(name: str, known: VerdictRates, sizes: list[str]) -> list[str]:
    none = Rate(0, 0)
    found = [_rate(known.power.get(size, none), known.resampled_power.get(size, none)) for size in sizes]
    shares = (known.visible, known.step, known.threshold)
    return [
        name,
        _rate(known.false_alarms, known.resampled_false_alarms),
        *found,
        *("" if share is None else f"{100 * share:.3g} %" for share in shares),
    ]


def _rate(apart: Rate, drawn: Rate) -> str:
    """Two counts and the interval that follows from them; below, the counts of rounds drawn anew, which have none."""
    lines = []
    if apart.of:
        low, high = apart.interval
        lines.append(f"{apart.count} of {apart.of} ({100 * low:.0f} to {100 * high:.0f} %)")
    if drawn.of:
        lines.append(f"{drawn.count:,} of {drawn.of:,} resampled")
    return "\n".join(lines)


def _comparison(found: saved.Comparison) -> dict[str, Any]:
    """Return a comparison as texts: the table that ``alb compare-loaders`` prints."""
    table, others = rows(found.outcomes)
    workload = str(found.outcomes[0].contender.workload) if found.outcomes else found.dataset
    rounds = "1 round" if found.rounds == 1 else f"{found.rounds} rounds"
    return {
        "dataset": found.dataset,
        "said": f"{workload}: {found.n_rows:,} rows, {rounds}",
        "measured": found.measured[:10],
        "texts": TEXTS,
        "table": table,
        "others": others,
    }
