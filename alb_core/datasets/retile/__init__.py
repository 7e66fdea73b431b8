"""A copy of a dataset with other tiles, for shuffled reads of rows.

The command line uses it; it uses the other modules of ``datasets`` and ``writer``.
"""
