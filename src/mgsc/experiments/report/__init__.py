"""One interactive page of results: a single HTML file that needs no network.

The data's way: ``find`` opens the results, ``data`` packs each into JSON and compressed arrays (``arrays``
says in which bits, ``measures`` under which titles), ``page`` puts them and the files of ``assets``
into one page, and ``serve`` shows it on this machine. What the page computes are places on the screen; every
statistic on it comes from ``experiments.reading.analysis`` and ``experiments.reading.statistics``.
"""

from mgsc.experiments.report.page import REPORT_NAME, build_page, write_report
from mgsc.experiments.report.serve import view

__all__ = ["REPORT_NAME", "build_page", "view", "write_report"]
