"""Comparisons kept with a machine's results, the last of each dataset: ``data/results/<machine>/loaders.json``.

The file is committed, so it does not say who measured. The published site shows it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alb_core.base.errors import AlbError
from alb_core.base.files import locked, write_atomically
from alb_core.base.paths import data_root
from alb_core.peers.compare.results import Outcome
from alb_core.rounds.results.machines import LOADERS

#: Raised when a field changes its meaning.
SCHEMA_VERSION = 1

#: Of a document, what is nobody's business but the user's.
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
        content = {"schema_version": SCHEMA_VERSION, "machine": machine, "comparisons": comparisons}
        write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())
    return path


def load(results: Path, machine: str) -> list[Comparison]:
    """Read a machine's comparisons, by dataset; none where it has none."""
    path = results / machine / LOADERS
    return [_parsed(path, one) for _, one in sorted(_content(path, machine).items())]


def _content(path: Path, machine: str) -> dict[str, Any]:
    """Comparisons of a file, by dataset; each can be read."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AlbError(f"{path} cannot be read as comparisons ({error}): restore it or move it away") from error
    try:
        if content["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema {content['schema_version']}")
        owner, found = content["machine"], dict(content["comparisons"])
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error
    if owner != machine:
        raise AlbError(f"{path} has comparisons of machine {owner}, expected {machine}: move it away")
    for one in found.values():
        _parsed(path, one)
    return found


def _parsed(path: Path, content: Mapping[str, Any]) -> Comparison:
    try:
        outcomes = [Outcome.from_json(one) for one in content["loaders"]]
        dataset, measured = str(content["dataset"]), str(content["measured"])
        return Comparison(dataset, int(content["n_rows"]), int(content["rounds"]), measured, outcomes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> AlbError:
    return AlbError(
        f"{path} holds no comparisons of schema {SCHEMA_VERSION} ({type(error).__name__}: {error}): "
        "move it away, and make new ones with `alb compare-loaders --keep`"
    )
