"""Comparisons kept with a machine's results, the last of each dataset: ``data/results/<machine>/loaders.json``.

The file is committed, so it does not say who measured. The published site shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alb_core.base.documents import Format
from alb_core.base.errors import AlbError
from alb_core.base.files import locked
from alb_core.base.paths import data_root
from alb_core.peers.compare.results import Outcome
from alb_core.rounds.results.machines import LOADERS

#: Fields of a document that are private to the user.
_PRIVATE = ("user", "hostname", "instance_id")


@dataclass(frozen=True)
class Comparison:
    """One comparison, as it is kept."""

    #: What was read, and how often.
    dataset: str
    n_rows: int
    rounds: int
    #: When, ISO 8601.
    measured: str
    #: Of all loaders.
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of a machine, as JSON, by dataset."""

    machine: str
    comparisons: Mapping[str, Mapping[str, Any]]


#: The version is raised when a field changes its meaning.
_FORMAT = Format(
    Comparisons,
    "file of comparisons",
    ("schema_version", 1),
    "restore it, or move it away and make new ones with `alb compare-loaders --keep`",
    allow_unknown=True,
)


def keep(results: Path, machine: str, document: Mapping[str, Any]) -> Path:
    """Put a comparison in the place of the last one of its dataset, beside a machine's results; return where."""
    path = results / machine / LOADERS
    # A dataset may have been typed as a path, of which the name alone means something elsewhere.
    name = Path(document["dataset"]).name
    loaders = [{**one, "workload": {**one["workload"], "dataset": name}} for one in document["loaders"]]
    kept = {key: value for key, value in document.items() if key not in _PRIVATE}
    kept.update(dataset=name, measured=datetime.now(UTC).isoformat(timespec="seconds"), loaders=loaders)
    # Not beside the results, which are committed.
    with locked(data_root() / ".keeping.lock", f"it writes {path}"):
        comparisons = {**_content(path, machine), name: kept}
        _FORMAT.write(path, Comparisons(machine, comparisons))
    return path


def load(results: Path, machine: str) -> list[Comparison]:
    """Read a machine's comparisons, by dataset; none where it has none."""
    path = results / machine / LOADERS
    return [_parsed(path, one) for _, one in sorted(_content(path, machine).items())]


def _content(path: Path, machine: str) -> Mapping[str, Mapping[str, Any]]:
    """Comparisons of a file, by dataset; each can be read."""
    found = _FORMAT.read(path) or Comparisons(machine, {})
    if found.machine != machine:
        raise AlbError(f"{path} has comparisons of machine {found.machine}, expected {machine}: move it away")
    for one in found.comparisons.values():
        _parsed(path, one)
    return found.comparisons


def _parsed(path: Path, content: Mapping[str, Any]) -> Comparison:
    try:
        outcomes = [Outcome.from_json(one) for one in content["loaders"]]
        dataset, measured = str(content["dataset"]), str(content["measured"])
        return Comparison(dataset, int(content["n_rows"]), int(content["rounds"]), measured, outcomes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _FORMAT.damaged(path, f"{type(error).__name__}: {error}") from error
