"""How does a commit become an installed package? A release's wheel, one made before, an overlay, or a source build.

The writer of datasets, ``rounds`` and the rooms above use it; it uses ``history`` and ``base``.
"""
