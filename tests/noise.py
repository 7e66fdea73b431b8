"""Times of one and the same read on a noisy machine of two cores, as measured: the figures are in the tests."""

import numpy as np


def times(rng, shape, repeats, slower=0.0):
    """Seconds, of processes of some shape times repeats.

    A process has a floor of its own, each repeat adds something, and in a quarter of the processes a neighbour's burst
    takes hold of some of the repeats.
    """
    floor = np.abs(rng.normal(0, 0.06, shape))[..., None]
    each = rng.gamma(0.8, 0.08, (*shape, repeats))
    caught = (rng.random(shape) < 0.25)[..., None]
    share = rng.random(shape)[..., None]
    burst = (rng.random((*shape, repeats)) < share) * caught * rng.gamma(2, 0.25, shape)[..., None]
    return 0.3 * (1 + slower) * np.exp(floor + each + burst)


def ratios(rng, runs, rounds, repeats=2, slower=0.0):
    """Log ratios of rounds, by run: each process's figure, HEAD's over BASE's."""
    base, head = np.log(times(rng, (runs, rounds), repeats)), np.log(times(rng, (runs, rounds), repeats, slower))
    return figures(head, gap := gaps(base, head)) - figures(base, gap)


def gaps(base, head):
    """What ``statistics.usual_gap`` says of each run's first rounds."""
    return np.median(np.ptp(np.concatenate([base[:, :6], head[:, :6]], axis=1), axis=-1), axis=1)


def figures(logs, gap):
    """What ``statistics.log_figure`` says of each process."""
    return np.minimum(logs, logs.min(-1, keepdims=True) + gap[:, None, None]).mean(-1)
