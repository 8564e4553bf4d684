"""The run folder, a contract: `layout`, `reader`, `writer`, and the `messages` about a run.

No torch: what reads runs starts fast and works where torch is not installed.
"""
