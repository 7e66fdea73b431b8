"""From a TileDB-SOMA experiment to a PyTorch batch: what the asv suite in ``benchmarks/`` measures.

``base``, ``loader`` and ``cases`` run inside the benchmark environment, under every measured tiledb-soma release; the
other rooms run where the suite is installed. CONTRIBUTING.md has the map.
"""

from alb_core.base.errors import AlbError, ArgumentError, DamagedDataError, NotFoundError, ReadError

__version__ = "0.1.0"
__all__ = ["AlbError", "ArgumentError", "DamagedDataError", "NotFoundError", "ReadError", "__version__"]
