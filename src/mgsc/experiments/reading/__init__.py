"""From stored results to numbers: statistics, comparisons, mechanisms, failure signatures and their tables."""
