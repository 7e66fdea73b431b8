"""How fast are other loaders over the same rows, batches and shuffle? One module a loader, behind one interface.

``interface`` says what such a module has; ``compare`` puts loaders side by side. The command line, the site and
benchmarks use it; it uses every room below, but what runs beside a loader uses numpy, torch and ``base`` alone.
"""
