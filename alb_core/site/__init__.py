"""What the published site has beside asv's own pages, and where it is put.

It has pages of speed against memory and of what verdicts and loaders are worth, and scripts of its own. ``asv_plugin``
uses it; it uses ``peers`` and the rooms below.
"""
