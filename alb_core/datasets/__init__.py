"""Where do the bytes come from, and are they the right ones? Datasets are made or downloaded, proved and found.

A dataset is a SOMA experiment in a directory of its own, with a manifest in it that says what it holds. ``cases`` and
the rooms above use it; it uses ``loader``, ``commits`` and ``base``, and ``manifest`` the standard library alone.
"""
