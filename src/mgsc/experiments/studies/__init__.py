"""Studies: robustness, ablations, and the map of conditions; each is a row of a table and makes a summary.

``table.STUDIES`` lists all; ``design`` defines a study; ``runner`` runs one into a summary (JSON), from which alone
``figure`` and ``study_table`` are made. Summaries of the final runs are committed in
``summaries/``.
"""
