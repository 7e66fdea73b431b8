"""Which commits are measured? Git, the active history, releases and their lock, the package of a tree.

``builds`` and the rooms above ``commits`` use it; it uses ``base``.
"""
