"""Loaders that people use, behind one interface: the same rows, batches and order for each."""
