"""From a suite to its records: agents are built, compiled and run, and their records become labelled arrays."""
