"""The page of each machine's calibration and comparisons of loaders, which lie beside its results."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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


#: Columns of the table of verdicts, and of that of loaders, in words; those that are nowhere filled are left out.
MEANINGS = {
    "false alarms": "verdicts of equal commits that said worse or better",
    "finds": "verdicts of a change of this size that found it: apart, which share no round, with their 95 % interval; "
    "and of rounds drawn anew, which have none",
    "visible": "the smallest change that a verdict shows in 95 of 100",
    "step": "runs of one commit differ by less in 99 of 100: smaller steps are none in asv's list",
    "threshold": "smaller changes are called none",
    "setting": "its own defaults, or the best that was found for it",
    "cells/s": "median of the rounds, the first batch counted",
    "range": "slowest and fastest round",
    "after first": "cells/s after the first batch",
    "first batch": "seconds until it is there",
    "peak memory": "of all processes of the loader",
    "waiting": "part of the time in which the consumer waited",
    "shuffle": "how well sources are mixed in a batch, 100 % is a perfect shuffle",
    "of raw read": "speed, as part of reading the same rows by tiledbsoma's tables() at its best",
}


def _calibration(known: Calibration | None) -> dict[str, Any] | None:
    """Return a calibration as a figure, and as texts: a table of benchmarks, the whole first."""
    if known is None:
        return None
    # altair takes a second to import, which asv's other commands do without.
    from alb_core.figures import found

    everything = {"the verdict as a whole": known.whole, **known.benchmarks}
    sizes = list(dict.fromkeys(size for one in everything.values() for size in one.power))
    head = ["benchmark", "false alarms", *(f"finds {size}" for size in sizes), "visible", "step", "threshold"]
    points = list(_points(known))
    return {
        "measured": known.measured[:10],
        "commit": known.commit,
        "budget": f"{known.budget / 60:.3g} minutes",
        "rounds": known.rounds,
        "verdict_rounds": known.verdict_rounds,
        "canary": ", ".join(f"{part} {100 * spread:.0f} %" for part, spread in known.canary.items()),
        "figure": found.curves(points) if points else None,
        **_table([head, *(_row(name, one, sizes) for name, one in everything.items())]),
    }


def _points(known: Calibration) -> Iterator[dict[str, Any]]:
    """Shares that were found, by size, of the whole and of each case; a share of memory is no size of a change."""
    clock = f"by the clock, in {known.budget / 60:.3g} minutes"
    for case, one in {"": known.whole, **known.benchmarks}.items():
        drawn = {"0%": one.resampled_false_alarms, **one.resampled_power}
        for size, apart in {"0%": one.false_alarms, **one.power}.items():
            if "peakmem_" not in case:
                yield from _point(clock, case, size, apart, drawn.get(size, Rate(0, 0)))
    if known.work is not None:
        counter = f"by work, counted by {known.work.counter}"
        for case, counted in {"": known.work.whole, **known.work.cases}.items():
            native = {size.removesuffix(" native"): one for size, one in counted.found.items() if "native" in size}
            for size, rate in {"0%": counted.false_alarms, **native}.items():
                yield from _point(counter, case, size, rate, Rate(0, 0))


def _point(by: str, case: str, size: str, apart: Rate, drawn: Rate) -> Iterator[dict[str, Any]]:
    """Yield a point: of verdicts drawn anew where there are some, with the interval of those that share no round."""
    share = apart.rate if drawn.rate is None else drawn.rate
    if size.endswith("%") and share is not None:
        point = {"by": by, "case": case, "size": float(size.removesuffix("%")), "share": share}
        ends = dict(zip(("low", "high"), apart.interval, strict=True)) if apart.of else {}
        yield {**point, **ends, "said": _rate(apart, drawn).replace("\n", "; ")}


def _table(rows: list[list[str]], texts: int = 1) -> dict[str, Any]:
    """Return a table without columns in which nothing stands, and what the others mean."""
    kept = [at for at, cells in enumerate(zip(*rows, strict=True)) if at < texts or {*cells[1:]} - {"", "n/a"}]
    names = dict.fromkeys("finds" if name.startswith("finds ") else name for name in (rows[0][at] for at in kept))
    return {
        "table": [[row[at] for at in kept] for row in rows],
        "meanings": [[name, MEANINGS[name]] for name in names if name in MEANINGS],
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
    """Return a comparison as figures, and as texts: the table that ``alb compare-loaders`` prints."""
    from alb_core.peers.compare.figure import page_figures

    table, others = rows(found.outcomes)
    workload = found.outcomes[0].contender.workload if found.outcomes else None
    cells = (
        f"all {found.n_rows:,} cells"
        if workload is None or workload.rows is None
        else (f"{min(workload.rows, found.n_rows):,} of {found.n_rows:,} cells")
    )
    rounds = "1 round" if found.rounds == 1 else f"{found.rounds} rounds"
    return {
        "dataset": found.dataset,
        # alb compare-loaders takes datasets on this machine alone.
        "said": f"{workload or found.dataset}: {cells}, from local files, {rounds}",
        "measured": found.measured[:10],
        "texts": TEXTS,
        "figures": page_figures(found.outcomes),
        **_table(table, TEXTS),
        "others": others,
    }
