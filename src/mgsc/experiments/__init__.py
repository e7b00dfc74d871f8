"""Experiments on Dyna-style agents, from a suite to its report."""
