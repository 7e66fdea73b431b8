"""``alb data-loader`` and ``alb read-chunks``: one case at a time, and the table of epoch records.

Figures and the rooms above use it; it uses ``cases``, ``loader``, ``commits`` and ``base``.
"""
