"""Epoch records made of asv's results; figures are drawn from records.

asv keeps the time and the peak of an epoch as two benchmarks of one class. Paired by their parameters, and with the
rows of the dataset, they are a record like those of ``alb data-loader``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asv.results import Results

from alb_core.datasets.spec import KNOWN, Spec
from alb_core.rounds.results.machines import describe
from alb_core.site.epoch_settings import EpochSettings, epoch_settings

_TIME, _PEAK, _FIRST = "time_", "peakmem_", "track_first_batch"


@dataclass(frozen=True)
class Subject:
    """What the records of one figure have in common, so that they may stand side by side."""

    machine: str
    #: Variables of the environment: under which dependencies.
    stack: str
    dataset: str
    #: asv's name of the class.
    benchmark: str


@dataclass(frozen=True)
class CommitEpochs:
    """What one commit has of one subject."""

    subject: Subject
    commit: str
    #: Epoch records, as :mod:`alb_core.sweeps.records` has them.
    records: list[dict[str, Any]]
    #: Combinations of parameters without a time and a peak: n/a, failed, or not measured.
    lacking: int


def commit_epochs(results: Results, benchmarks: Mapping[str, Mapping[str, Any]]) -> Iterator[CommitEpochs]:
    """Pair times and peaks of one results file."""
    usable = results.get_result_keys(benchmarks)
    stack = ", ".join(f"{name} {value}" for name, value in sorted(results.env_vars.items()))
    for time in sorted(usable):
        group, _, method = time.rpartition(".")
        peak = f"{group}.{_PEAK}{method.removeprefix(_TIME)}"
        if not method.startswith(_TIME) or peak not in usable:
            continue
        benchmark = benchmarks[time]
        meant = epoch_settings(benchmark)
        if meant is None or benchmarks[peak]["params"] != benchmark["params"]:
            continue
        columns = _columns(results, benchmarks, time, peak, f"{group}.{_FIRST}")
        common = _common(results, time)
        by_dataset: dict[str, list[tuple[EpochSettings, Mapping[str, float | None]]]] = {}
        for workload, values in zip(meant, columns, strict=True):
            by_dataset.setdefault(workload.dataset, []).append((workload, values))
        for dataset, cases in by_dataset.items():
            rows = KNOWN.get(dataset)
            if not isinstance(rows, Spec):
                continue
            found = [
                {**common, **_of(workload, rows.cells), **values}
                for workload, values in cases
                if values["elapsed"] and values["max_mem"]
            ]
            if found:
                subject = Subject(results.params["machine"], stack, dataset, group)
                yield CommitEpochs(subject, results.commit_hash, found, len(cases) - len(found))


def _columns(
    results: Results, benchmarks: Mapping[str, Mapping[str, Any]], time: str, peak: str, first: str
) -> Iterator[dict[str, Any]]:
    """Figures of each combination: seconds and bytes; None where there is none."""
    parameters = benchmarks[time]["params"]
    has_first = first in results.get_result_keys(benchmarks) and benchmarks[first]["params"] == parameters
    times, peaks = (results.get_result_value(name, parameters) for name in (time, peak))
    firsts = results.get_result_value(first, parameters) if has_first else itertools.repeat(None)
    spreads = results.get_result_stats(time, parameters)
    for elapsed, bytes_, batch, spread in zip(times, peaks, firsts, spreads, strict=False):
        at_most = _number(bytes_)
        yield {
            "elapsed": _number(elapsed),
            "max_mem": None if at_most is None else int(at_most),
            "first_batch": _number(batch),
            "Middle half (s)": _between(spread),
            "Samples of the time": _samples(spread),
        }


def _of(workload: EpochSettings, rows: int) -> dict[str, Any]:
    """Columns of a record that say what was done."""
    return {
        "epoch": 0,
        "n_rows": rows,
        "total_rows": rows,
        "dataset": workload.dataset,
        "chunk_method": workload.method,
        "chunk_size": workload.chunk_size,
        "chunks_per_block": workload.chunks_per_block,
        "block_size": workload.chunk_size * workload.chunks_per_block,
        "batch_size": workload.batch_size,
        "shuffle": workload.shuffle,
        "py_buffer_size": workload.buffer_size,
        "soma_buffer_size": workload.buffer_size,
        "first_batch_counted": True,
        "max_batches": 0,
        **({} if workload.context is None else {"TileDB context": workload.context}),
    }


def _common(results: Results, time: str) -> dict[str, Any]:
    """Columns of a record that say where and with what it was measured."""
    started = results.started_at.get(time)
    versions = results._requirements if isinstance(results._requirements, dict) else {}
    return {
        "machine": results.params["machine"],
        "hardware": describe({name: results.params.get(name) or "" for name in ("cpu", "num_cpu", "ram", "arch")}),
        # asv keeps milliseconds since 1970.
        "start_dt": None if started is None else datetime.fromtimestamp(int(started) / 1000),
        **{
            f"{name}_version": versions.get(name) or None
            for name in ("tiledbsoma", "pyarrow", "numpy", "scipy", "torch")
        },
        "Benchmark version": results.benchmark_version.get(time),
        "Environment": results.env_name,
    }


def _number(value: Any) -> float | None:
    """A figure of asv's; its n/a and its failures as None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _between(spread: Mapping[str, float] | None) -> str | None:
    """Quartiles in words."""
    low, high = (spread or {}).get("q_25"), (spread or {}).get("q_75")
    return None if low is None or high is None else f"{low:.4g} to {high:.4g}"


def _samples(spread: Mapping[str, float] | None) -> str | None:
    number = (spread or {}).get("repeat")
    return None if number is None else str(int(number))
