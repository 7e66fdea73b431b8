"""Loaders that people use, behind one interface: the same rows and batches of each (``alb compare-loaders``)."""
