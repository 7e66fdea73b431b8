"""How is a slice of a Census downloaded? In parts that outlive an interruption.

The command line and ``retile`` use it; it uses ``writer``, the modules of ``datasets``, and ``base``.
"""
