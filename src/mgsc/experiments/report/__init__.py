"""One interactive page of results: a single HTML file that needs no network.

``find`` opens the results, ``data`` packs each into JSON and compressed arrays (``arrays`` holds their form,
``measures`` their titles), ``page`` puts them and the files of ``assets`` into one page, and ``serve`` shows it on
this machine. The page computes places on the screen only; every statistic on it comes from
``experiments.reading.analysis`` and ``experiments.reading.statistics``.
"""

from mgsc.experiments.report.page import REPORT_NAME, build_page, write_report
from mgsc.experiments.report.serve import view

__all__ = ["REPORT_NAME", "build_page", "view", "write_report"]
