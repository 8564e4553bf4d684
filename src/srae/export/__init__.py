"""Trained networks as files for other programs.

`graph` makes ONNX; engines check by `probe` that they compute what torch does.
"""
