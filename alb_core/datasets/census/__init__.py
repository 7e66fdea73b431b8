"""Datasets out of a Census: its slices, read in parts that outlive an interruption.

The command line uses it; it uses the other modules of ``datasets`` and ``writer``.
"""
