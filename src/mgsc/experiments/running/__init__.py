"""From a suite to its records: agents are built, compiled and run, and what they record becomes labelled arrays."""
