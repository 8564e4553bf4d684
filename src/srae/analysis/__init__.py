"""Runs against runs: `scores` that rank them, `stats` over seeds and images, `compare` makes the rows.

No torch.
"""
