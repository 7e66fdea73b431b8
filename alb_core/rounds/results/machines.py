"""A machine's name belongs to the one computer that first used it (design rule 4).

The hardware behind a name is kept where asv keeps it: ``machine.json`` beside the name's results, which is committed
with them, and ``~/.asv-machine.json``, which asv reads. asv asks for what is missing there; here it is read off the
computer, and held against what stands. Rented machines are alike by the thousand, so a name that has results must
stand in the user's own file as well.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asv.machine import Machine, MachineCollection

from alb_core.base.documents import Format
from alb_core.base.errors import AlbError
from alb_core.base.files import write_atomically

#: What must agree for a computer to be the one that a name belongs to, or of its very kind. The operating system's
#: version is recorded and not compared: updates keep the hardware.
HARDWARE = ("arch", "cpu", "num_cpu", "ram")

#: What is known of verdicts on a machine, beside its results (:mod:`alb_core.verdicts.calibration_file`).
CALIBRATION = "calibration.json"

#: Loaders side by side on a machine, beside its results (:mod:`alb_core.peers.compare.saved`).
LOADERS = "loaders.json"

#: asv's own files of machines.
_FORMAT = Format(dict[str, Any], "JSON object of asv", remedy="mend it or move it away")

#: Files of the suite's own beside asv's results.
BESIDE_RESULTS = (CALIBRATION, LOADERS)


@dataclass(frozen=True)
class NamedMachine:
    """A machine that people mean by a name: words for it, and what its hardware would say."""

    description: str
    arch: str
    num_cpu: int | None
    ram_gib: int | None


#: Add a machine here and it is described, and checked for, by name.
NAMED_MACHINES = {
    "g4dn": NamedMachine("AWS g4dn.8xlarge: 32 vCPU, 128 GiB, NVIDIA T4", "x86_64", 32, 128),
    "m3": NamedMachine("Apple M3 MacBook", "arm64", None, None),
}


def this_computer() -> dict[str, str]:
    """Return this computer's hardware in asv's fields: os, arch, cpu, num_cpu, ram (bytes)."""
    found: dict[str, str] = Machine.get_defaults()
    return {key: value for key, value in found.items() if key != "machine"}


def registered(results: Path, name: str) -> dict[str, str] | None:
    """Return the hardware that a name belongs to: as committed with its results, else as this user's asv knows it."""
    beside = results / name / "machine.json"
    path, found = beside, _FORMAT.read(beside)
    if found is None:
        path, found = home_path(), _known().get(name)
    if found is not None and not (
        isinstance(found, dict) and all(isinstance(found.get(field), str) for field in HARDWARE)
    ):
        raise _FORMAT.damaged(path, f"{name} has no texts for {', '.join(HARDWARE)}")
    return found


def why_not_here(results: Path, name: str, owner: dict[str, str], here: dict[str, str]) -> str:
    """Say why this computer is not the one that a name belongs to; empty where it is."""
    found = differences(owner, here)
    if found:
        return f"is another computer ({'; '.join(found)})"
    home = Path(MachineCollection.get_machine_file_path())
    if (results / name / "machine.json").exists() and name not in _known():
        return f"has results, and {home} does not say that they are of this computer"
    return ""


def differences(hardware: dict[str, str], other: dict[str, str]) -> list[str]:
    """Name what differs between two computers, a phrase each; empty for the same hardware."""
    return [
        f"{field} {hardware.get(field) or 'unknown'}, here {other.get(field) or 'unknown'}"
        for field in HARDWARE
        if not _same(field, hardware.get(field) or "", other.get(field) or "")
    ]


def unlike_known(name: str, hardware: dict[str, str]) -> list[str]:
    """Name what a computer lacks to be what people mean by a known name; empty if it fits or none is known."""
    known = NAMED_MACHINES.get(name)
    if known is None:
        return []
    found = []
    if hardware["arch"] not in {known.arch, known.arch.replace("arm64", "aarch64")}:
        found.append(f"architecture {hardware['arch']}")
    if known.num_cpu and hardware["num_cpu"] != str(known.num_cpu):
        found.append(f"{hardware['num_cpu']} CPUs")
    # A machine sold with 128 GiB shows its system a few percent less.
    if known.ram_gib and not 0.9 <= gib(hardware["ram"]) / known.ram_gib <= 1.05:
        found.append(f"{gib(hardware['ram']):.0f} GiB")
    return found


def settle(results: Path, name: str | None) -> str:
    """Make sure that this computer may measure under a name; register it where the name is new."""
    name = default_name() if name is None else name
    check_name(name)
    here = this_computer()
    owner = registered(results, name)
    if owner is None:
        print(f"alb: this computer is now machine {name} ({describe(here)})", file=sys.stderr)
    else:
        why = why_not_here(results, name, owner, here)
        if why:
            raise AlbError(
                f"machine {name} {why}: choose another name with --machine, "
                f"or give this one the name with `alb machines claim {name}`"
            )
    unlike = unlike_known(name, here)
    if unlike:
        print(
            f"alb: {name} usually means {NAMED_MACHINES[name].description}; this one has {', '.join(unlike)}",
            file=sys.stderr,
        )
    _register(name, here)
    return name


def claim(results: Path, name: str) -> None:
    """Give a name to this computer, whoever had it: its owner says so."""
    check_name(name)
    here = this_computer()
    _register(name, here)
    beside = results / name / "machine.json"
    if beside.exists():
        _write(beside, {"machine": name, **here, "version": Machine.api_version})


def default_name() -> str:
    """Return the name that asv takes without ``--machine``: the only one it knows, else the computer's own."""
    known: dict[str, Any] = {}
    with suppress(AlbError):
        known = _known()
    own: str = Machine.get_unique_machine_name()
    names = [key for key in known if key != "version"]
    return names[0] if len(names) == 1 and own not in names else own


def own_name(results: Path) -> str | None:
    """Return the name under which this computer has results or is known to this user's asv; None if there is none."""
    here = this_computer()
    names = sorted(path.parent.name for path in results.glob("*/machine.json")) or []
    for name in (*names, default_name()):
        owner = registered(results, name)
        if owner is not None and not why_not_here(results, name, owner, here):
            return name
    return None


def check_name(name: str) -> None:
    """Refuse a name that is no name of a directory."""
    if not name or name.startswith((".", "-")) or not all(letter.isalnum() or letter in "-_." for letter in name):
        raise AlbError(f"{name!r} is no machine name, expected letters, digits, '-', '_' and '.', as in g4dn")


def describe(hardware: dict[str, str]) -> str:
    """Return hardware in a phrase: cpu, number of CPUs, memory, architecture."""
    return (
        f"{hardware['cpu'] or 'CPU unknown'}, {hardware['num_cpu']} CPUs, "
        f"{gib(hardware['ram']):.0f} GiB, {hardware['arch']}"
    )


def gib(size: str) -> float:
    """Convert asv's ``ram`` (bytes, as text) to GiB; 0 where it is unknown."""
    return int(size) / 2**30 if size.isdigit() else 0.0


def _same(field: str, one: str, other: str) -> bool:
    if field == "ram" and one.isdigit() and other.isdigit():
        # The kernel keeps some for itself, and each version another amount.
        return abs(int(one) - int(other)) <= 0.03 * max(int(one), int(other))
    return one == other


def _register(name: str, hardware: dict[str, str]) -> None:
    entry = {"machine": name, **hardware}
    home = Path(MachineCollection.get_machine_file_path())
    known = _known()
    if known.get(name) != entry:
        _write(home, {**known, name: entry, "version": MachineCollection.api_version})


def home_path() -> Path:
    """asv's file of the machines that this user has."""
    return Path(MachineCollection.get_machine_file_path())


def _known() -> dict[str, Any]:
    """Machines that this user's asv knows, and the version of the file."""
    home = Path(MachineCollection.get_machine_file_path())
    # A full disk left it so, before it was written beside its place.
    return {} if home.exists() and not home.stat().st_size else _FORMAT.read(home) or {}


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a file as asv does, whole or not at all; what is a link in a user's home stays one."""
    write_atomically(path.resolve(), json.dumps(content, indent=4, sort_keys=True).encode())
