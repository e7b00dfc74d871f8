"""The rows of the strategies that the comparison adds to the paper's: a strategy is a file and a row here.

A row holds the settings and how to build the strategy of them. Its file is imported when it is built: the table must
be there at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from mgsc.experiments.design.strategy_row import Range, StrategyRow, num_actions, num_pairs, settings_of
from mgsc.settings import added, choice, number, size

CLIMB_CAPACITY = 5000
"""Size of the ring of states that climbs begin at: the largest window one can ask for."""


def _factory(name: str) -> Any:
    """The factory in the file of that name."""
    return getattr(import_module(f"mgsc.search_control.{name}"), name)


def _num_touched(problem: Any) -> int:
    """Most pairs that may lead to a state, or all pairs where any may."""
    predecessors = problem.predecessors
    return num_pairs(problem) if predecessors is None else int(predecessors.shape[1])


def _truth(problem: Any) -> Any:
    """What only the oracle knows."""
    from mgsc.search_control.oracle import Truth

    return Truth(problem.tables, problem.optimal, problem.switch_every)


def _ensemble(members: int, problem: Any) -> Any:
    """Learned models with slots for all outcomes there can be in any phase."""
    from mgsc.experiments.design.models import LearnedModel, slots_of
    from mgsc.search_control import Ensemble

    return Ensemble(members, slots_of(LearnedModel(), problem.tables), problem.reward_scale or 1.0)


FAMILY: Mapping[str, StrategyRow] = {
    "dyna_q": StrategyRow(
        "pairs of state and action tried so far",
        settings_of(
            "DynaQSettings",
            over=choice("pairs", ("pairs", "states"), "tried pairs equally often, or states and then actions tried"),
        ),
        lambda own, step_size, updates, problem: _factory("dyna_q")(num_actions(problem), own.over),
    ),
    "dyna_q_plus": StrategyRow(
        "all actions of visited states, with a bonus for what was not tried for long",
        settings_of(
            "DynaQPlusSettings",
            bonus=number(1e-3, 0.0, math.inf, "kappa, reward per square root of the steps since a pair was tried"),
        ),
        lambda own, step_size, updates, problem: _factory("dyna_q_plus")(num_actions(problem), own.bonus),
        space={"bonus": Range(1e-5, 1e-1)},
    ),
    "prioritized_sweeping": StrategyRow(
        "what leads to where values have just changed",
        settings_of(
            "SweepingSettings",
            threshold=number(1e-3, 0.0, math.inf, "theta: smaller expected errors do not enter the queue (reward)"),
        ),
        lambda own, step_size, updates, problem: _factory("prioritized_sweeping")(
            num_actions(problem), own.threshold, problem.predecessors, only_tried=problem.learns
        ),
        # The pair updated, and all that may lead to its state.
        expected_backups=lambda own, problem, updates: updates * (1 + _num_touched(problem)),
        space={"threshold": Range(1e-5, 1e-1)},
    ),
    "small_backups": StrategyRow(
        "the successor whose value has moved furthest since its pair heard of it",
        settings_of(
            "SmallBackupsSettings",
            threshold=number(1e-3, 0.0, math.inf, "theta: smaller changes are left for later (reward)"),
        ),
        lambda own, step_size, updates, problem: _factory("small_backups")(
            num_actions(problem),
            own.threshold,
            problem.predecessors,
            step_size=step_size,
            only_tried=problem.learns,
        ),
        # After every update, and the direct one, all outcomes of the pair and of all that may lead to its state.
        expected_backups=lambda own, problem, updates: (1 + updates) * (1 + _num_touched(problem)),
        space={"threshold": Range(1e-5, 1e-1)},
    ),
    "td_error_priority": StrategyRow(
        "pairs by the size, or the rank, of their expected TD error",
        settings_of(
            "PrioritySettings",
            kind=choice("proportional", ("proportional", "rank"), "priority: the expected TD error, or 1 / its rank"),
            exponent=number(0.6, 0.0, 100.0, "exponent of the priorities; 0 is uniform"),
            floor=number(1e-3, 0.0, math.inf, "added to every expected error (reward)", above=True),
            correction=choice("none", ("none", "importance"), "whether step sizes are corrected for the priorities"),
            correction_exponent=number(0.4, 0.0, 1.0, "beta of correction=importance; 1 is the whole correction"),
        ),
        lambda own, step_size, updates, problem: _factory("td_error_priority")(
            own.kind,
            exponent=own.exponent,
            floor=own.floor,
            correction=own.correction_exponent if own.correction == "importance" else None,
        ),
        expected_backups=lambda own, problem, updates: num_pairs(problem),
        space={"exponent": Range(0.1, 2.0), "floor": Range(1e-5, 1e-1)},
    ),
    "uncertainty": StrategyRow(
        "pairs of which the model is sure rather than unsure",
        settings_of(
            "UncertaintySettings",
            temperature=number(0.3, 0.0, math.inf, "temperature of the softmax of minus the uncertainty", above=True),
            source=added(
                choice(
                    "counts",
                    ("counts", "ensemble"),
                    "uncertainty: 1/sqrt(visits), or how much an ensemble of learned models disagrees",
                )
            ),
            members=added(size(5, 2, 64, "models in the ensemble of source=ensemble")),
        ),
        lambda own, step_size, updates, problem: _factory("uncertainty")(
            num_actions(problem), own.temperature, _ensemble(own.members, problem) if own.source == "ensemble" else None
        ),
        space={"temperature": Range(0.01, 10.0)},
    ),
    "learning_progress": StrategyRow(
        "states where the model has lately become better",
        settings_of(
            "ProgressSettings",
            half_window=size(5, 1, 1000, "transitions from a state in each of the two means that are compared"),
            floor=number(0.1, 0.0, math.inf, "share of a state without progress (nats)", above=True),
            reward_width=number(
                0.1, 0.0, math.inf, "standard deviation of rewards in the likelihood, over max|R|", above=True
            ),
        ),
        lambda own, step_size, updates, problem: _factory("learning_progress")(
            own.half_window, floor=own.floor, reward_width=own.reward_width * problem.reward_scale
        ),
        expected_backups=lambda own, problem, updates: 1,
        space={"floor": Range(1e-3, 1.0)},
    ),
    "model_error": StrategyRow(
        "states where the model's targets have lately been right",
        settings_of(
            "ModelErrorSettings",
            temperature=number(
                0.1, 0.0, math.inf, "temperature of the softmax of minus the error (reward)", above=True
            ),
            rate=number(0.1, 0.0, 1.0, "weight of the newest error in a state's running average", above=True),
        ),
        lambda own, step_size, updates, problem: _factory("model_error")(own.temperature, own.rate),
        expected_backups=lambda own, problem, updates: 1,
        space={"temperature": Range(1e-3, 1.0), "rate": Range(0.01, 1.0, is_bounded=True)},
    ),
    "value_gradient": StrategyRow(
        "uphill on the values, from states visited of late",
        settings_of(
            "ClimbSettings",
            window=size(300, 1, CLIMB_CAPACITY, "real steps whose states climbs begin at", traced=True),
        ),
        lambda own, step_size, updates, problem: _factory("value_gradient")(
            num_actions(problem), own.window, capacity=CLIMB_CAPACITY
        ),
        expected_backups=lambda own, problem, updates: updates * num_actions(problem),
        space={"window": Range(10, 5000)},
    ),
    "value_frequency": StrategyRow(
        "states around which the values change most",
        settings_of(
            "FrequencySettings",
            floor=number(1e-3, 0.0, math.inf, "share of a state around which values are flat (reward^2)", above=True),
        ),
        lambda own, step_size, updates, problem: _factory("value_frequency")(num_actions(problem), own.floor),
        expected_backups=lambda own, problem, updates: num_pairs(problem),
        space={"floor": Range(1e-5, 1e-1)},
    ),
    "gain_need": StrategyRow(
        "where an update improves choices most, times how soon they come up",
        settings_of(
            "GainNeedSettings",
            occupancy_rate=number(0.1, 0.0, 1.0, "step size of the successor representation", above=True),
            least_gain=number(1e-6, 0.0, math.inf, "what every pair is taken to gain at least (reward)"),
        ),
        lambda own, step_size, updates, problem: _factory("gain_need")(
            num_actions(problem),
            problem.predecessors,
            step_size=step_size,
            occupancy_rate=own.occupancy_rate,
            least_gain=own.least_gain,
        ),
        # After every update, and the direct one, all actions of its state and all that may lead there.
        expected_backups=lambda own, problem, updates: (1 + updates) * (num_actions(problem) + _num_touched(problem)),
        space={"occupancy_rate": Range(0.01, 1.0, is_bounded=True), "least_gain": Range(1e-8, 1e-2)},
    ),
    "oracle": StrategyRow(
        "where values are wrong and the model is right (privileged)",
        settings_of(
            "OracleSettings",
            tolerance=number(0.01, 0.0, math.inf, "error of the target at which a model is still right, over max|R|"),
        ),
        lambda own, step_size, updates, problem: _factory("oracle")(
            _truth(problem), own.tolerance * problem.reward_scale
        ),
        expected_backups=lambda own, problem, updates: 2 * num_pairs(problem),
    ),
}
