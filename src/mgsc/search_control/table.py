"""The table of strategies: one import and one line each, and the only list of their names.

A new strategy is a file in ``mgsc.search_control`` with its row, and a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mgsc.search_control.curious_replay import ROW as CURIOUS_REPLAY
from mgsc.search_control.disagreement import ROW as DISAGREEMENT
from mgsc.search_control.dyna_q import ROW as DYNA_Q
from mgsc.search_control.dyna_q_plus import ROW as DYNA_Q_PLUS
from mgsc.search_control.fixed import AVOID_TERMINAL, NO_PLANNING, UNIFORM, UNIFORM_PAIRS
from mgsc.search_control.gain_need import ROW as GAIN_NEED
from mgsc.search_control.hill_climbing import ROW as HILL_CLIMBING
from mgsc.search_control.learned_priority_row import CONSTANT_ROW as CONSTANT_PRIORITY
from mgsc.search_control.learned_priority_row import ROW as LEARNED_PRIORITY
from mgsc.search_control.learning_progress import ROW as LEARNING_PROGRESS
from mgsc.search_control.meta_gradient_row import ROW as META_GRADIENT
from mgsc.search_control.model_error import ROW as MODEL_ERROR
from mgsc.search_control.oracle import ROW as ORACLE
from mgsc.search_control.prioritized_replay import ROW as PRIORITIZED_REPLAY
from mgsc.search_control.prioritized_sweeping import ROW as PRIORITIZED_SWEEPING
from mgsc.search_control.replay import ROW as REPLAY
from mgsc.search_control.row import StrategyRow
from mgsc.search_control.small_backups import ROW as SMALL_BACKUPS
from mgsc.search_control.stored_priority import ROW as STORED_PRIORITY
from mgsc.search_control.td_error_priority import ROW as TD_ERROR_PRIORITY
from mgsc.search_control.uncertainty import ROW as UNCERTAINTY
from mgsc.search_control.value_frequency import ROW as VALUE_FREQUENCY
from mgsc.search_control.value_gradient import ROW as VALUE_GRADIENT
from mgsc.search_control.visited import RECENCY, TRAJECTORY, VISITED

_ROWS: tuple[StrategyRow[Any], ...] = (
    NO_PLANNING,
    UNIFORM,
    UNIFORM_PAIRS,
    AVOID_TERMINAL,
    RECENCY,
    VISITED,
    TRAJECTORY,
    REPLAY,
    META_GRADIENT,
    LEARNED_PRIORITY,
    CONSTANT_PRIORITY,
    DYNA_Q,
    DYNA_Q_PLUS,
    PRIORITIZED_SWEEPING,
    SMALL_BACKUPS,
    TD_ERROR_PRIORITY,
    UNCERTAINTY,
    LEARNING_PROGRESS,
    MODEL_ERROR,
    VALUE_GRADIENT,
    VALUE_FREQUENCY,
    GAIN_NEED,
    ORACLE,
    PRIORITIZED_REPLAY,
    DISAGREEMENT,
    CURIOUS_REPLAY,
    HILL_CLIMBING,
    STORED_PRIORITY,
)

STRATEGIES: Mapping[str, StrategyRow[Any]] = {row.name: row for row in _ROWS}
"""Name → row of every strategy. Their order is that of lists and pages."""
