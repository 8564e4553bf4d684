"""Weights on disk: the file `format`, `loading` into networks, and the `shipped` models.

The shipped models are in this folder, each NAME.safetensors with its card NAME.md.
"""
