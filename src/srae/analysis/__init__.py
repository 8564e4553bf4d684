"""Comparison of runs: `scores` that rank them, `stats` over seeds and images, rows from `compare`.

No torch.
"""
