"""asv's own files of results: machines, what counts as valid, versions, and rounds kept in them.

Rounds and the rooms above use it; it uses ``commits`` and ``base``.
"""
