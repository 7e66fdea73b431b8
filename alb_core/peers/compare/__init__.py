"""Loaders side by side: the same rows in interleaved rounds, each in a process of its own (``alb compare-loaders``)."""
