"""What does the published site have beside asv's own pages, and where is it put? Pages and scripts of our own.

``asv_plugin`` uses it; it uses ``peers`` and the rooms below.
"""
