"""The design of experiments as plain data: suites, with their rows, settings and numbers."""
