"""From a TileDB-SOMA experiment to a PyTorch batch: what the asv suite in ``benchmarks/`` measures.

The rooms up to :mod:`alb_core.epoch` run inside the benchmark environment, under every tiledb-soma release from
the floor on; the others (datasets, history, asv_plugin, cli) run where the suite is installed.
"""

__version__ = "0.1.0"
