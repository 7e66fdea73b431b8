"""Whether waiting is excluded: sleeps, locks, input and output, which make an epoch longer and take no processor. Pure.

A slow machine makes an epoch's seconds by the clock and its seconds of the processor longer; waiting, the former alone.
So their ratio varies about half as much from process to process as the clock does, and few rounds do. Excluded is what
would be told as a change: see :data:`EACH` and :data:`TOGETHER`.
"""

from __future__ import annotations

import math
import statistics as plain
from collections.abc import Sequence

import numpy as np

from alb_core.cases.epoch_seconds import EpochSeconds
from alb_core.rounds.pairs import INTERIM_ROUNDS, Pair
from alb_core.verdicts import statistics

#: Numbers of rounds at which it is looked at.
LOOKS = (4, 5, *INTERIM_ROUNDS)

#: Waiting of this share of an epoch is excluded of each case, and of the median over the cases.
EACH = 0.10
TOGETHER = 0.05

#: Chance of a false exclusion, on either side, at one look.
LEVEL = 0.01

#: Cases from which their median is looked at, too.
LEAST_TOGETHER = 3


def waiting_ratios(pairs: Sequence[Pair]) -> list[float]:
    """What rounds say of waiting, one by one: log of HEAD's clock over processor, less that of BASE's.

    Rounds whose processes did not say their epochs are left out.
    """
    return [_figure(pair.head_epochs) - _figure(pair.base_epochs) for pair in pairs if has_epochs(pair)]


def has_epochs(pair: Pair) -> bool:
    """Whether both processes of a round said what their epochs took."""
    return all(epochs and all(min(epoch) > 0 for epoch in epochs) for epochs in (pair.base_epochs, pair.head_epochs))


def _figure(epochs: Sequence[EpochSeconds]) -> float:
    return plain.fmean(math.log(epoch.elapsed / epoch.processor) for epoch in epochs)


def excluded(cases: Sequence[Sequence[float]], scale: float = 1.0) -> bool:
    """Whether waiting is excluded by the ratios of some cases, at any of :data:`LOOKS`; once excluded, it stays so.

    ``scale`` is by how much the waiting to be excluded is more than usual.

    The error of a case is that of all cases together: of a case alone, four rounds say little.
    """
    rounds = min(map(len, cases), default=0)
    return any(_excluded_by(np.array([case[:look] for case in cases]), scale) for look in LOOKS if look <= rounds)


def _excluded_by(ratios: np.ndarray, scale: float) -> bool:
    """``ratios``: a row each case, a column each round."""
    n = ratios.shape[1]
    means, errors = statistics.trimmed(ratios)
    freedom = statistics.freedom(n)
    # critical() is two-sided.
    half = statistics.critical(2 * LEVEL, freedom * len(means)) * math.sqrt(np.mean(errors**2))
    if np.abs(means).max() + half >= math.log1p(scale * EACH):
        return False
    if len(means) < LEAST_TOGETHER:
        return True
    mean, error = statistics.trimmed(np.median(ratios, axis=0)[None])
    return bool(abs(mean[0]) + statistics.critical(2 * LEVEL, freedom) * error[0] < math.log1p(scale * TOGETHER))
