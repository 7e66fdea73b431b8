"""How do loaders compare? The same rows in interleaved rounds, each run in a process of its own.

``alb compare-loaders`` and the site use it; it uses the modules of ``peers`` and every room below.
"""
