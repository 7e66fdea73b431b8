"""What an epoch reads and where its time goes, counted in a run of its own, since counting costs time.

One process runs an epoch of each combination (asv's ``setup_cache``), and asv's track methods return its figures. The
variable :data:`CHOSEN` chooses combinations; a verdict reads their figures out of the cache itself.
"""

from __future__ import annotations

import json
import math
import os
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alb_core.base.errors import AlbError
from alb_core.cases import io_counts
from alb_core.cases.work import name_of

if TYPE_CHECKING:
    from alb_core.cases.epochs import Case

#: Names of combinations to count, as ``name_of`` has them, a JSON list; all where it is not set.
CHOSEN = "ALB_COUNT"

#: Figures of a combination by counter, None for n/a; ``absent`` or ``failed`` says in words why there are none.
Figures = dict[str, Any]


def count_all(combinations: Iterable[tuple[str, Sequence[Any], Callable[..., Case]]]) -> dict[str, Figures]:
    """Run an epoch of each combination that is chosen and count."""
    wanted = os.environ.get(CHOSEN)
    chosen = None if wanted is None else set(json.loads(wanted))
    found = {}
    for cls, parameters, opened in combinations:
        name = name_of(cls, parameters)
        if chosen is None or name in chosen:
            found[name] = _figures(opened, parameters)
    return found


def _figures(opened: Callable[..., Case], parameters: Sequence[Any]) -> Figures:
    """Figures of one combination; an error in it stops no other."""
    try:
        case = opened(*parameters)
        try:
            return count(case)
        finally:
            case.close()
    except NotImplementedError as error:
        return {"absent": str(error)}
    except Exception:
        return {"failed": traceback.format_exc()}


def count(case: Case) -> Figures:
    """Run one epoch and count."""
    with io_counts.count_fragments(case.location) as read_fragments, io_counts.count_all() as counts:
        result = case.epoch()
        counted: Mapping[str, int | None] = counts() or dict.fromkeys(io_counts.COUNTERS)
        seconds = dict.fromkeys(("reading", "converting", "waiting"))
        if result.reading is not None:  # of a loader that says where its time goes
            seconds = {name: getattr(result, name) for name in seconds}
        return {**counted, "fragments": read_fragments(), **seconds}


class Reading:
    """asv's track methods of what an epoch reads: base class of those of ``benchmarks/counters.py``.

    Each figure is one number of a run that all methods share, so one method of asv costs a fork and no epoch.
    """

    def setup(self, counted: Mapping[str, Figures], *parameters: object) -> None:
        """Take this combination's figures.

        Raises
        ------
        NotImplementedError
            If the release or the environment cannot do it, or it was not to be counted.
        AlbError
            If its epoch failed.
        """
        found = counted.get(name_of(type(self).__name__, parameters), {"absent": "not chosen"})
        if "absent" in found:
            raise NotImplementedError(found["absent"])
        if "failed" in found:
            raise AlbError(found["failed"])
        self._found = found

    def _figure(self, counter: str) -> float:
        value = self._found[counter]
        # asv's n/a, of a method that has begun.
        return math.nan if value is None else value

    def track_bytes_read(self, *_: object) -> float:
        """Bytes read from storage, compressed as they lie there."""
        return self._figure("bytes_read")

    def track_requests(self, *_: object) -> float:
        """Reads of storage."""
        return self._figure("requests")

    def track_tiles(self, *_: object) -> float:
        """Tiles read, each column's counted."""
        return self._figure("tiles")

    def track_fragments(self, *_: object) -> float:
        """Fragments of which cells are read."""
        return self._figure("fragments")

    track_bytes_read.unit = "bytes"  # type: ignore[attr-defined]
    track_requests.unit = "reads"  # type: ignore[attr-defined]
    track_tiles.unit = "tiles"  # type: ignore[attr-defined]
    track_fragments.unit = "fragments"  # type: ignore[attr-defined]


class Loading(Reading):
    """Track methods of a loader that says where its time goes, too."""

    def track_reading(self, *_: object) -> float:
        """Seconds of reading, waiting for other threads that read included."""
        return self._figure("reading")

    def track_converting(self, *_: object) -> float:
        """Seconds of making batches of what was read."""
        return self._figure("converting")

    def track_waiting(self, *_: object) -> float:
        """Seconds in which the consumer waited for a batch."""
        return self._figure("waiting")

    track_reading.unit = track_converting.unit = track_waiting.unit = "seconds"  # type: ignore[attr-defined]
