"""How are commits measured side by side? Cases, selections, schedules, one loop over rounds, one bench, the canary.

Verdicts and the rooms above use it; it uses ``datasets``, ``commits`` and ``base``.
"""
