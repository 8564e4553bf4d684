"""What `srae doctor` finds out about a machine.

Importing a module here imports no torch; a check does when it needs it.
"""
