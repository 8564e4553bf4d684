"""Plots, tables, sentences and one HTML page from run folders.

Reads run folders and changes nothing in them; no torch.
"""
