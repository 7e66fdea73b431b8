"""What is known of a machine's verdicts: ``data/results/<machine>/calibration.json``, its schema and its reading.

``alb calibrate`` writes it, ``alb verdict`` takes thresholds and the canary's expected spread from it. A rate is two
counts; its interval follows from them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scipy import stats

from alb_core.asv_plugin.machines import CALIBRATION
from alb_core.errors import AlbError
from alb_core.files import write_atomically

#: Raised when a field changes its meaning.
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Rate:
    """How often something happened.

    Attributes
    ----------
    count
        Times that it did.
    of
        Times that it could have.
    """

    count: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.of:
            raise ValueError(f"{self.count} of {self.of}")

    @property
    def rate(self) -> float | None:
        """The rate; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Clopper and Pearson 1934)."""
        if not self.of:
            return 0.0, 1.0
        found = stats.binomtest(self.count, self.of).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)


@dataclass(frozen=True)
class Known:
    """How good verdicts of a benchmark, or of all together, are.

    Attributes
    ----------
    false_alarms
        Pairs of equal commits that were called worse or better.
    power
        By the size of an injected change (``5%``, ``10%``, ``25%``, ``200MB``): how often it was found.
    version
        asv's version of the benchmark that was calibrated; empty for the whole.
    threshold
        Relative change to be called none below it; None for the default.
    """

    false_alarms: Rate
    power: Mapping[str, Rate] = field(default_factory=dict)
    version: str = ""
    threshold: float | None = None


@dataclass(frozen=True)
class Calibration:
    """What is known of one machine.

    Attributes
    ----------
    machine
        Its name.
    measured
        When, ISO 8601.
    commit
        The commit that stood on both sides, and below the injected changes.
    budget
        Seconds of each verdict.
    canary
        Expected spread of the canary's parts.
    benchmarks
        By asv's name of a case, ``module.Class.time_epoch('table', 1024, 'none')``.
    whole
        Of the verdict as a whole.
    """

    machine: str
    measured: str
    commit: str
    budget: float
    canary: Mapping[str, float]
    benchmarks: Mapping[str, Known]
    whole: Known

    def thresholds(self) -> dict[str, float]:
        """Thresholds by case, where there are some."""
        return {name: known.threshold for name, known in self.benchmarks.items() if known.threshold is not None}

    def as_bytes(self) -> bytes:
        """The file's content."""
        return (json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=1) + "\n").encode()


def load(results: Path, machine: str) -> Calibration | None:
    """Read a machine's calibration; None where it has none.

    Raises
    ------
    AlbError
        If there is one that cannot be read, or of another machine.
    """
    path = results / machine / CALIBRATION
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise AlbError(f"{path} cannot be read as a calibration ({error}): restore it or move it away") from error
    try:
        found = _parse(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AlbError(
            f"{path} is no calibration of schema {SCHEMA_VERSION} ({type(error).__name__}: {error}): "
            "move it away, and make a new one with `alb calibrate`"
        ) from error
    if found.machine != machine:
        raise AlbError(f"{path} is the calibration of machine {found.machine}, expected {machine}: move it away")
    return found


def save(results: Path, calibration: Calibration) -> Path:
    """Write a machine's calibration, whole or not at all; return where."""
    path = results / calibration.machine / CALIBRATION
    write_atomically(path, calibration.as_bytes())
    return path


def _parse(content: Mapping[str, Any]) -> Calibration:
    if content["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema {content['schema_version']}")
    return Calibration(
        machine=str(content["machine"]),
        measured=str(content["measured"]),
        commit=str(content["commit"]),
        budget=float(content["budget"]),
        canary={name: float(value) for name, value in content["canary"].items()},
        benchmarks={name: _known(value) for name, value in content["benchmarks"].items()},
        whole=_known(content["whole"]),
    )


def _known(content: Mapping[str, Any]) -> Known:
    threshold = content.get("threshold")
    return Known(
        false_alarms=Rate(**content["false_alarms"]),
        power={size: Rate(**rate) for size, rate in content["power"].items()},
        version=str(content.get("version", "")),
        threshold=None if threshold is None else float(threshold),
    )
