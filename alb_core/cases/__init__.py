"""What does asv time and prove? Epochs, chunk readers, queries and counters, each proved against its dataset.

Benchmarks and sweeps use it, under every measured release; it uses ``datasets`` (manifests), ``loader`` and ``base``.
"""
