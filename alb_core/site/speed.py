"""Speed against memory, for every machine, release and dataset: the files that the page of the site reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from alb_core.base.errors import AlbError
from alb_core.base.files import write_atomically
from alb_core.site.epoch_records import CommitEpochs, Subject
from alb_core.sweeps.records import as_table

#: Within the site.
INDEX, FIGURES = "alb/speed.json", "alb/speed"


@dataclass(frozen=True)
class PageCommit:
    """A commit as the page names it."""

    #: Its tag; else its short name.
    name: str
    commit: str
    #: Milliseconds since 1970, as asv has it.
    date: int
    #: Place in the history.
    order: int


def page_commits(
    tags: Mapping[str, str], revisions: Mapping[str, int], dates: Mapping[str, int], drawn: set[int]
) -> dict[str, PageCommit]:
    """Commits that are shown, as the page names them."""
    names = {commit: tag for tag, commit in sorted(tags.items(), reverse=True)}
    return {
        commit: PageCommit(names.get(commit, commit[:8]), commit, dates[commit], revision)
        for commit, revision in revisions.items()
        if revision in drawn and commit in dates
    }


def write(site: Path, found: Iterable[CommitEpochs], releases: Mapping[str, PageCommit]) -> int:
    """Write a file for each figure, and their list; return how many figures there are."""
    by_subject: dict[Subject, list[CommitEpochs]] = {}
    for one in found:
        if one.commit in releases:
            by_subject.setdefault(one.subject, []).append(one)
    listed: list[dict[str, Any]] = []
    for subject, parts in sorted(by_subject.items(), key=lambda item: _order(item[0])):
        try:
            content, about = figure(parts, releases)
        except AlbError:
            continue  # no combination has both a time and a peak
        place = f"{FIGURES}/{len(listed)}.json"
        write_atomically(site / place, _bytes(content))
        listed.append({**asdict(subject), **about, "file": place})
    write_atomically(site / INDEX, _bytes({"figures": listed}))
    return len(listed)


def figure(parts: Sequence[CommitEpochs], releases: Mapping[str, PageCommit]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the figure of one subject as the page draws it, and what the page must know before it draws."""
    # altair takes a second to import, which asv's other commands do without.
    from alb_core.figures.over_releases import framed

    ordered = sorted(parts, key=lambda one: releases[one.commit].order)
    rows = [{**record, "release": releases[one.commit].name} for one in ordered for record in one.records]
    spec, points = framed(as_table(rows))
    common = {name: value for name, value in points[0].items() if all(point.get(name) == value for point in points)}
    shown = [{name: value for name, value in point.items() if name not in common} for point in points]
    lacking: dict[str, int] = {}
    for one in ordered:
        name = releases[one.commit].name
        # Two environments of one commit lack what neither has; the page says at most how many that are.
        lacking[name] = min(one.lacking, lacking.get(name, one.lacking))
    named = {releases[one.commit].name: releases[one.commit] for one in ordered}
    first = ordered[0].records[0]
    about = {
        "rows": first["n_rows"],
        "hardware": first["hardware"],
        "releases": [
            {"name": name, "commit": one.commit, "date": one.date, "lacking": lacking[name]}
            for name, one in named.items()
        ],
        "shuffles": list(dict.fromkeys(row["shuffle"] for row in rows)),
    }
    return {"spec": spec, "common": common, "points": shown}, about


def _order(subject: Subject) -> tuple[Any, ...]:
    """Sort key of a figure: our own loader's comes first, the rest by name."""
    return subject.machine, subject.dataset, subject.benchmark != "data_loader.DataLoader", astuple(subject)


def _bytes(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
