"""What is published: the benchmarks that have results.

asv's list has every benchmark that there is, and its grid asks for a graph of each; one that no machine has measured
(another profile's, or left out by ``--bench``) has none, and the grid then draws nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.results import iter_results
from asv.util import UserError


@contextmanager
def only_measured() -> Iterator[None]:
    """Within the block, the list that asv loads has the benchmarks of which there are results, if there are any."""
    original = Benchmarks.load

    def load(cls: type[Benchmarks], conf: Config, regex: Any = None) -> Benchmarks:
        found = original(conf, regex=regex)
        measured = _measured(conf.results_dir, found)
        for name in [name for name in found if measured and name not in measured]:
            del found[name]
        return found

    Benchmarks.load = classmethod(load)
    try:
        yield
    finally:
        Benchmarks.load = original


def _measured(results: str, benchmarks: Benchmarks) -> set[str]:
    found: set[str] = set()
    try:
        for each in iter_results(results):
            found |= set(each.get_result_keys(benchmarks))
    except UserError:
        # asv itself says which file it is, when it comes to it.
        return set()
    return found
