"""What may be wrong with the arguments of a loader before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from alb_core.base.errors import ArgumentError
from alb_core.loader import experiment, order
from alb_core.loader.block_pipeline import METHODS
from alb_core.loader.pipelines import METHOD_NAMES
from alb_core.loader.training import codes, ranks

#: The least of each number.
_LEAST = {
    "seed": 0,
    "batch_size": 1,
    "n_samples": 1,
    "num_workers": 0,
    "py_buffer_size": 1,
    "soma_buffer_size": 1,
    "max_memory": 1,
}
_OPTIONAL = ("n_samples", "py_buffer_size", "soma_buffer_size", "max_memory")


def require(given: Mapping[str, Any]) -> None:
    """Refuse wrong arguments."""
    faults = [
        f"{name} is {given[name]!r}, expected text"
        for name in ("method", "shuffle", "measurement", "layer")
        if not isinstance(given[name], str)
    ]
    if not isinstance(given["uri"], (str, os.PathLike)):
        faults.append(f"uri is {given['uri']!r}, expected a path or a URI")
    if not isinstance(given["config"], (Mapping, type(None))):
        faults.append(f"config is {given['config']!r}, expected options of TileDB by name")
    if faults:
        raise ArgumentError("; ".join(faults))
    method, shuffle = given["method"], given["shuffle"]
    if method not in METHOD_NAMES:
        faults.append(f"method is {method!r}, expected one of {', '.join(METHOD_NAMES)}")
    if shuffle not in order.BLOCK_SHUFFLES:
        faults.append(f"shuffle is {shuffle!r}, expected one of {', '.join(order.BLOCK_SHUFFLES)}")
    faults += [
        f"{name} is {given[name]!r}, expected {least} or more"
        for name, least in _LEAST.items()
        if not (given[name] is None and name in _OPTIONAL) and (not is_whole(given[name]) or given[name] < least)
    ]
    for name, asked in (("max_memory", given["max_memory"] is not None), ("sparse", given["sparse"])):
        if asked and method in METHODS:
            faults.append(f"{name} goes with method numba, and method is {method!r}")
    if given["pin_memory"] and not torch.cuda.is_available():
        faults.append("pin_memory is for copies to a CUDA device, and there is none")
    for name in ("obs", "var"):
        faults += experiment.faults(name, given[f"{name}_joinids"], given[f"{name}_query"])
    faults += _of_columns(given) + _of_weights(given) + ranks.faults(given["rank"], given["world_size"])
    if faults:
        raise ArgumentError("; ".join(faults))


def is_whole(number: Any) -> bool:
    """Whether it is a whole number, Python's or numpy's."""
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)


def _of_columns(given: Mapping[str, Any]) -> list[str]:
    def is_names(value: Any) -> bool:
        is_list = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
        return is_list and all(isinstance(column, str) for column in value)

    labels = given["obs_codes"]
    if isinstance(labels, Sequence) and not isinstance(labels, str):
        wrong = [
            label for label in labels if isinstance(label, tuple) and not (is_names(label) and len(set(label)) > 1)
        ]
        if wrong:
            return [f"obs_codes has {wrong[0]!r}, expected names, or tuples of two or more different ones"]
        labels = [codes.name_of(label) if isinstance(label, tuple) else label for label in labels]
    faults = [
        f"{name} is {given[name]!r}, expected a list of names"
        for name, value in (("obs_columns", given["obs_columns"]), ("obs_codes", labels))
        if not is_names(value)
    ]
    if faults:
        return faults
    if "soma_joinid" in codes.columns_of(given["obs_codes"]):
        faults.append("obs_codes has soma_joinid, expected columns with categories")
    both = sorted(set(given["obs_columns"]) & set(labels))
    return [*faults, *(f"{name} is in obs_columns and in obs_codes, expected in one of them" for name in both)]


def _of_weights(given: Mapping[str, Any]) -> list[str]:
    weights = given["weights"]
    if weights is None:
        return [] if given["n_samples"] is None else [f"n_samples is {given['n_samples']}, expected weights with it"]
    if isinstance(weights, str):
        return []
    try:
        array = np.asarray(weights)
    except ValueError:  # lists of several lengths
        return [f"weights is a {type(weights).__name__}, expected a number for each row, or a column of obs"]
    if array.ndim == 1 and np.issubdtype(array.dtype, np.number) and not np.iscomplexobj(array):
        return []
    return [f"weights is {array.dtype} of shape {array.shape}, expected a number for each row, or a column of obs"]
