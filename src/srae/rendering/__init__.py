"""Rendered images: text, interfaces, charts, logos, line art and patterns, drawn from random numbers.  No torch."""
