"""How do cells get into batches? One module a stage, in the order in which data passes.

A user imports :class:`SomaLoader`, the parser of block specs, :func:`codes` and :func:`split` from here. The package
runs under every measured release: it uses ``base`` and the stack (numpy, scipy, pyarrow, torch, tiledbsoma; numba
in ``packing``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alb_core.loader.batches import Batch
    from alb_core.loader.block_spec import BlockSpec, parse, parse_one
    from alb_core.loader.dataset import SomaLoader
    from alb_core.loader.training.codes import codes
    from alb_core.loader.training.splitting import split

__all__ = ["Batch", "BlockSpec", "SomaLoader", "codes", "parse", "parse_one", "split"]

#: Where each name is: it is imported when it is first asked for, since a command must not wait for torch.
_MODULES = {
    "Batch": "batches",
    "BlockSpec": "block_spec",
    "SomaLoader": "dataset",
    "codes": "training.codes",
    "parse": "block_spec",
    "parse_one": "block_spec",
    "split": "training.splitting",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
