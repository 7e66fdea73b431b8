"""From a commit to a wheel to an installed package: release, same, overlay or source.

The plugin, rounds and the command line use it; it uses ``history`` and ``base``.
"""
