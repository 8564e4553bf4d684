"""One config into one run folder: the `loop`, its `session` and `progress`, the update rules.

The highest package below the command line: only it sees data, models and runs together.
"""
