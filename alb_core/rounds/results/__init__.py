"""What do asv's own files of results hold? Machines, what of them is valid, versions, and rounds.

``rounds`` and the rooms above use it; it uses ``commits`` and ``base``.
"""
