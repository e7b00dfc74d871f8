"""The search for good settings, the file that keeps it, and the settings chosen by it."""
