"""Studies: robustness, ablations, and the map of conditions; each a table row that gives a summary.

``table.STUDIES`` names them all; ``design`` says what a study is; ``runner`` runs one into a summary
(JSON), which ``figure`` and ``study_table`` show and nothing else. Summaries of the final runs are committed in
``summaries/``.
"""
