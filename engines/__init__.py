"""Everything that runs a model: plans, events, the runner, workers and their backends.

The driver side (this package's own modules) imports no framework; the workers do.
"""
