"""How often are verdicts right on this machine? Commits of known slowness, their rounds, and counts of what is said.

``alb calibrate`` uses it; it uses ``verdicts``, ``rounds``, ``commits`` and ``base``.
"""
