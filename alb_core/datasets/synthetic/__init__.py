"""How is a dataset made from a seed? Its cells and counts are like those of a Census slice.

The command line and ``rounds`` use it; it uses ``writer``, the modules of ``datasets``, and ``base``.
"""
