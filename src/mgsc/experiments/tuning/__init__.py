"""The search for good settings, its file, and the chosen settings."""
