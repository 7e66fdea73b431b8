"""The environments that peers run in, each made on first need from exact pins.

alb_core is not installed in them: a process in one finds it with the checkout on PYTHONPATH, and imports of it what
needs numpy and torch alone: ``peers``, ``cases.consume`` and ``base``.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from alb_core.base.environments import ensure_environment, pip, recipe_id
from alb_core.base.errors import AlbError
from alb_core.base.paths import own_place
from alb_core.base.processes import run

REQUIREMENTS = Path(__file__).with_name("requirements")


@dataclass(frozen=True)
class PeerEnvironment:
    """What one or several peers run in."""

    #: Of its file of pins, ``requirements/<name>.txt``, and of its directory.
    name: str
    #: What must be importable in it.
    modules: tuple[str, ...]
    #: Commands of the Pythons that it can be made of, the best first; this process's own where there are none.
    pythons: tuple[str, ...] = ()


_SHARED = PeerEnvironment("shared", ("tiledbsoma_ml", "scdataset", "anndata"))

#: Module of a peer -> where it runs. One that goes with the newest of everything shares an environment: each takes
#: two gigabytes, most of them torch.
ENVIRONMENTS: Mapping[str, PeerEnvironment] = {
    "tiledbsoma_ml": _SHARED,
    "scdataset": _SHARED,
    "annloader": _SHARED,
    "cellxgene_census_loader": PeerEnvironment("cellxgene_census", ("cellxgene_census.experimental.ml.pytorch",)),
    "annbatch": PeerEnvironment("annbatch", ("annbatch", "zarrs"), ("python3.12", "python3.13")),
}


def python_of(peer: str) -> Path:
    """Return the Python that a peer runs under; its environment is made when missing (minutes), said on stderr."""
    if peer not in ENVIRONMENTS:
        raise AlbError(f"peer is {peer!r}, expected one of {', '.join(ENVIRONMENTS)}")
    environment = ENVIRONMENTS[peer]
    interpreter, version = _interpreter(peer, environment)
    pins = REQUIREMENTS / f"{environment.name}.txt"
    place = own_place("peers") / f"{environment.name}-{recipe_id(version, pins.read_text())}"

    def install(python: Path) -> None:
        words = ["install", "--only-binary", ":all:", "--requirement", str(pins)]
        pip(python, words, f"cannot install {peer}", shown=sys.stderr.isatty())
        run([python, "-I", "-c", f"import {', '.join(environment.modules)}"], f"cannot import {peer}")

    return ensure_environment(place, f"the environment of {_users(environment)}", install, interpreter=interpreter)


def _users(environment: PeerEnvironment) -> str:
    return ", ".join(peer for peer, its in ENVIRONMENTS.items() if its is environment)


def _interpreter(peer: str, environment: PeerEnvironment) -> tuple[str, str]:
    """Return the Python that an environment is made of, and its ``sys.version``."""
    if not environment.pythons:
        return sys.executable, sys.version
    for name in environment.pythons:
        path = shutil.which(name)
        # What is found may be a switch between Pythons, with none behind it.
        if path and (version := _version(path)):
            return path, version
    raise AlbError(f"{peer} needs a Python that this machine has none of: {' or '.join(environment.pythons)}")


def _version(python: str) -> str | None:
    done = run([python, "-I", "-c", "import sys; print(sys.executable); print(sys.version)"])
    return done.text if done.status == 0 else None
