"""``mgsc bench``: how fast the compiled agents are, beside what one would write by hand."""
