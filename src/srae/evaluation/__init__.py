"""Numbers of a trained network: `metrics`, the `tasks` that pick them, `evaluate` over a split, `score` of a model.

`self_test` checks the metrics against known answers.
"""
