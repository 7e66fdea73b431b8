"""Datasets: make or download them, prove them, find them.

A dataset is a SOMA experiment in a directory of its own, with a manifest in it that says what it holds. This module
and :mod:`~alb_core.datasets.manifest` need the standard library alone, so that they run under every measured release.
"""

from alb_core.datasets.manifest import Manifest, load, quick_check

__all__ = ["Manifest", "load", "quick_check"]
