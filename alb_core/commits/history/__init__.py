"""The git history that is measured: git, the active history, releases and their lock, the package of a tree.

``builds`` and the rooms above use it; it uses ``base``.
"""
