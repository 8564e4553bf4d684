"""A grid of configs, values and seeds: its `plan`, and the `workers` that train each run in a process.

No torch here.
"""
