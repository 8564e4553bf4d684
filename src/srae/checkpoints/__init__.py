"""Weights on disk: the file `format`, `loading` a trained network back, the models that are `shipped`.

The shipped models lie here, NAME.safetensors beside its card NAME.md.
"""
