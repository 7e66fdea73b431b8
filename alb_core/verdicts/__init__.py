"""What do rounds and counts say of commits? Verdict, judge, statistics, bisect, campaign, change points.

Figures and the rooms above use it; it uses ``rounds``, ``commits`` and ``base``.
"""
