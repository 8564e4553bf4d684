"""One config into one run folder: the `loop`, its `session` and `progress`, the update rules.

Of the packages below the command line only this one imports data, models and runs.
"""
