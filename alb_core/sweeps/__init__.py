"""``alb data-loader`` and ``alb read-chunks``: one case at a time, and the table of epoch records.

The command line and figures use it; it uses ``cases``, ``loader`` and ``base``.
"""
