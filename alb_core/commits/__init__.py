"""Which tiledb-soma commits are there, and how is one installed? Two folders say so.

``history`` answers the first, ``builds`` the second. ``datasets`` and the rooms above use it; it uses ``base``.
"""
