"""The table of further measures: one line each, beside those that every result with tables holds."""

from __future__ import annotations

from mgsc.experiments.running import evaluation, held_out, value_here
from mgsc.experiments.running.measure_row import MeasureRow

MORE_MEASURES: tuple[MeasureRow, ...] = (value_here.ROW, held_out.ROW, evaluation.ROW)
