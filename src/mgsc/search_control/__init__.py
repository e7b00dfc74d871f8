"""Search control: the choice of the states at which planning queries the model."""

from mgsc.search_control.base import Distribution, SearchControl, Strategy, from_logits, masked_softmax
from mgsc.search_control.curious_replay import curious_replay
from mgsc.search_control.disagreement import disagreement
from mgsc.search_control.dyna_q import dyna_q
from mgsc.search_control.dyna_q_plus import dyna_q_plus
from mgsc.search_control.ensemble import Ensemble
from mgsc.search_control.expected import expected_target, real_target
from mgsc.search_control.fixed import avoid_terminal, uniform, uniform_pairs
from mgsc.search_control.gain_need import gain_need
from mgsc.search_control.hill_climbing import Climb, hill_climbing
from mgsc.search_control.learned_priority import learned_priority
from mgsc.search_control.learned_priority_row import LearnedPrioritySettings
from mgsc.search_control.learning_progress import learning_progress
from mgsc.search_control.logits import feature_logits, linear_logits, network_logits, table_logits
from mgsc.search_control.meta_gradient import meta_gradient
from mgsc.search_control.meta_gradient_row import MetaGradientSettings
from mgsc.search_control.model_error import model_error
from mgsc.search_control.oracle import oracle
from mgsc.search_control.prioritized_replay import prioritized_replay
from mgsc.search_control.prioritized_sweeping import prioritized_sweeping
from mgsc.search_control.replay import replay
from mgsc.search_control.small_backups import small_backups
from mgsc.search_control.stored_priority import stored_priority
from mgsc.search_control.td_error_priority import td_error_priority
from mgsc.search_control.uncertainty import uncertainty
from mgsc.search_control.value_frequency import value_frequency
from mgsc.search_control.value_gradient import value_gradient
from mgsc.search_control.visited import trajectory, visited

__all__ = [
    "Climb",
    "Distribution",
    "Ensemble",
    "LearnedPrioritySettings",
    "MetaGradientSettings",
    "SearchControl",
    "Strategy",
    "avoid_terminal",
    "curious_replay",
    "disagreement",
    "dyna_q",
    "dyna_q_plus",
    "expected_target",
    "from_logits",
    "feature_logits",
    "gain_need",
    "hill_climbing",
    "learned_priority",
    "learning_progress",
    "linear_logits",
    "masked_softmax",
    "meta_gradient",
    "model_error",
    "network_logits",
    "oracle",
    "prioritized_replay",
    "prioritized_sweeping",
    "real_target",
    "replay",
    "small_backups",
    "stored_priority",
    "table_logits",
    "td_error_priority",
    "trajectory",
    "uncertainty",
    "uniform",
    "uniform_pairs",
    "value_frequency",
    "value_gradient",
    "visited",
]
