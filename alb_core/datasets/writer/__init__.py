"""Who writes an experiment? The floor release, in an environment and a process of its own.

``synthetic``, ``census`` and ``retile`` use it; it uses ``commits`` and ``base``.
"""
