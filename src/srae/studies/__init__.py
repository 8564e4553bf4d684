"""A grid of configs, values and seeds: its `plan`, and the `workers` that train it, a process a run.

No torch here.
"""
