"""Which tiledb-soma commits are there, and how is one installed.

Rooms above ``loader`` may use it; it uses ``base``.
"""
