"""How is speed drawn against memory? Which records, as which points, how, and in which files.

``peers``, ``site`` and ``cli`` use it; it uses ``sweeps``.
"""
