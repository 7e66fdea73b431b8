"""What do asv's own files of results hold? Machines, what of them is valid, versions, and rounds.

The other modules of ``rounds`` and the rooms above use it; it uses their cases, pairs and schedules, and ``base``.
"""
