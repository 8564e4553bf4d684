"""Image files and their pixels: `image` reads, writes and lists; `decode` and `encode` know the formats.

`resample` and `color` are the arithmetic that data, networks' wrappers and metrics share.
"""
