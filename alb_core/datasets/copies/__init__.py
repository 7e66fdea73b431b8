"""Copies of a dataset in formats of other loaders (h5ad, zarr).

Preparation and the comparison of loaders use it; it uses ``datasets`` and ``loader``.
"""
