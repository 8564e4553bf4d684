"""Figures and tables from run folders.  Reads only; no torch."""
