"""``mgsc bench``: the speed of the compiled agents, beside hand-written programs."""
