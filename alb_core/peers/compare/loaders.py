"""Which loaders there are, in which environment each runs, and what each says of itself."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alb_core.base.errors import AlbError
from alb_core.peers.child import Task
from alb_core.peers.compare import run_loader
from alb_core.peers.environments import ENVIRONMENTS, python_of
from alb_core.peers.interface import Wanted

#: The limit of all: the others are compared with it.
RAW = "raw_tables"
#: This package's own loader.
OURS = "ours"

NAMES = (RAW, OURS, *ENVIRONMENTS)

#: Seconds that a loader's imports may take.
_IMPORT_SECONDS = 300


@dataclass(frozen=True)
class LoaderInfo:
    """What a loader says of itself, or the reason why it cannot be measured."""

    #: Dotted path.
    module: str
    #: Python of its environment; None where there is none.
    python: Path | None
    #: As tables show it.
    name: str
    version: str | None = None
    #: Names of its settings.
    settings: tuple[str, ...] = ()
    #: Formats of the copies that it reads.
    copies: tuple[str, ...] = ()
    #: Why it is not measured; None where it is.
    reason: str | None = None
    versions: dict[str, str] = field(default_factory=dict)


def module_of(word: str) -> str:
    """Module of a loader by its name, or as a dotted path to a module of the user's own."""
    if "." in word:
        return word
    name = word.strip().replace("-", "_")
    if name not in NAMES:
        raise AlbError(
            f"loader {word.strip()!r} is unknown, expected some of {', '.join(NAMES)}, or the dotted path of a module "
            "with the attributes of alb_core.peers.interface.Peer"
        )
    return f"alb_core.peers.{name}"


def ask(module: str, wanted: Wanted) -> LoaderInfo:
    """Ask a loader what it is, and whether it can do what is wanted."""
    name = module.rpartition(".")[2]
    python: Path | None = None
    try:
        python = interpreter(module)
        answer: dict[str, Any] = run_loader.run(python, Task(module, wanted), timeout_seconds=_IMPORT_SECONDS)
    except AlbError as error:
        return LoaderInfo(module, python, name, reason=str(error))
    return LoaderInfo(
        module,
        python,
        answer["name"],
        answer["version"],
        tuple(answer["settings"]),
        tuple(answer["copies"]),
        answer["unsupported"],
        answer["versions"],
    )


def interpreter(module: str) -> Path:
    """Python of the environment that a loader runs in."""
    name = module.rpartition(".")[2]
    own = module == f"alb_core.peers.{name}" and name in ENVIRONMENTS
    return python_of(name) if own else Path(sys.executable)
