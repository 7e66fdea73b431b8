"""Datasets made from a seed: cells and counts like those of a Census slice.

The command line and preparation use it; it uses the other modules of ``datasets`` and ``writer``.
"""
