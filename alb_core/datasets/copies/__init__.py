"""How do loaders that read no SOMA get the same cells? In copies of a dataset, as h5ad and zarr.

``rounds``, ``peers`` and the rooms above use it; it uses the modules of ``datasets``, ``loader`` and ``base``.
"""
