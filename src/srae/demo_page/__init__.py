"""The page of `srae demo`: drop an image, see before and after, download the result.

It is served on the loopback interface, and asks nothing of any other host.
"""
