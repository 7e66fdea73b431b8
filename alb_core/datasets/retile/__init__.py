"""How are tiles cut for shuffled reads of rows? In a copy of a dataset.

The command line uses it; it uses ``census``, ``writer``, the modules of ``datasets``, ``loader`` and ``base``.
"""
