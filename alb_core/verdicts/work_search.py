"""The search for the steps of work in a range of commits: which commits to count, and where the steps are. Pure.

A count hardly varies, so each commit is counted once, and commits between two that do the same work are taken to do it
as well. Every interval whose ends do other work is narrowed down, so several steps are all found. A step that is taken
back between two counted commits goes unseen.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping

#: Two places of a range, the first before the second.
Interval = tuple[int, int]


def share(before: int, after: int) -> float:
    """Return how much more work there is afterwards, as a share of that before."""
    return after / before - 1 if before else float(after > 0)


def intervals(counts: Mapping[int, int], threshold: float) -> list[Interval]:
    """Return the neighbouring counted places between which the work changed, oldest first.

    Where the ends of the range differ, and no two neighbours by so much, those are returned between which half of the
    change was passed.
    """
    places = sorted(counts)
    first, last = counts[places[0]], counts[places[-1]]
    pairs = list(itertools.pairwise(places))
    found = [pair for pair in pairs if abs(share(counts[pair[0]], counts[pair[1]])) >= threshold]
    if not found and abs(share(first, last)) >= threshold:
        half = (first + last) / 2
        return [next(pair for pair in pairs if (counts[pair[1]] > half) is (last > half))]
    return found


def next_places(
    counts: Iterable[Mapping[int, int]], skipped: Collection[int], threshold: float, at_once: int
) -> list[int]:
    """Return the places to count next, as many as are counted at once; none at the end.

    ``counts`` has those of each case by place. Places go to the widest intervals, and cut them into equal parts.
    """
    wide = {pair for case in counts for pair in intervals(case, threshold)}
    inner = {
        pair: places
        for pair in sorted(wide)
        if (places := [place for place in range(pair[0] + 1, pair[1]) if place not in skipped])
    }
    parts = dict.fromkeys(inner, 1)
    for _ in range(at_once):
        pairs = [pair for pair in inner if parts[pair] <= len(inner[pair])]
        if pairs:
            parts[max(pairs, key=lambda pair: len(inner[pair]) / parts[pair])] += 1
    return sorted(
        inner[pair][number * (len(inner[pair]) + 1) // count - 1]
        for pair, count in parts.items()
        for number in range(1, count)
    )
