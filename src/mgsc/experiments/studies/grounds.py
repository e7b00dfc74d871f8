"""The grounds of the studies: which suites, with which agents."""

from __future__ import annotations

from collections.abc import Sequence

from mgsc.experiments.design.suites import PREFIX
from mgsc.experiments.studies.design import Ground

RIVALS = ("uniform", "avoid_terminal", "recency", "replay")
LEARNED = ("meta_gradient", "meta_gradient_recent")

ROBUSTNESS_GROUNDS = (
    Ground("TMaze", "tmaze-fixed", (*RIVALS, *LEARNED)),
    Ground("TwoRooms", "tworooms-fixed", (*RIVALS, *LEARNED)),
)
ABLATION_GROUNDS = (
    Ground("TMaze", "tmaze-fixed", ("meta_gradient",)),
    Ground("TwoRooms", "tworooms-fixed", ("meta_gradient_recent",)),
)
LEARNED_GROUNDS = (
    Ground("large TMaze, learned model", "tmaze-learned", ("meta_gradient",)),
    Ground("TwoRooms, learned model", "tworooms-learned", ("meta_gradient_recent",)),
)
PROBLEMS = {
    "TMaze, stale model": "tmaze-fixed",
    "large TMaze, learned": "tmaze-learned",
    "TwoRooms, stale model": "tworooms-fixed",
    "TwoRooms, learned": "tworooms-learned",
    "blocking maze": "blocking",
    "shortcut maze": "shortcut",
    "field 40×40": "field",
    "Taxi": "taxi",
    "CliffWalking": "cliffwalking",
}
"""Problems of the comparison and their suites; a Garnet has several draws, and is named apart."""

STALE = ("TMaze, stale model", "TwoRooms, stale model")
OF_THE_PAPER = (*STALE, "large TMaze, learned", "TwoRooms, learned")


def on_problems(labels: Sequence[str], *agents: str) -> tuple[Ground, ...]:
    """Some problems of the comparison, with the same agents."""
    return tuple(Ground(label, PREFIX + PROBLEMS[label], agents) for label in labels)


FEATURE_GROUNDS = on_problems(OF_THE_PAPER, "learned_priority")
PRIORITIES = (
    *("uniform", "td_error_priority", "small_backups", "meta_gradient"),
    *("constant_priority", "learned_priority", "learned_errors"),
)
MAP_AGENTS = ("no_planning", *RIVALS, "visited", "trajectory", *LEARNED)
MAP_GROUNDS = (
    *(
        Ground(f"TMaze {stem}/{arm}", "tmaze-{model}", MAP_AGENTS, {"environment.stem": stem, "environment.arm": arm})
        for stem, arm in ((6, 4), (12, 8))
    ),
    *(
        Ground(
            f"TwoRooms {side}×{side}",
            "tworooms-{model}",
            MAP_AGENTS,
            {"environment.width": side, "environment.height": side},
        )
        for side in (5, 7, 9)
    ),
)

_ERRORS = {"": {}, ", noise 0.1": {"model.reward_noise": 0.1}, ", corrupted 0.2": {"model.corrupted_share": 0.2}}
WRONG_GROUNDS = tuple(
    ground._replace(label=label.split(",")[0] + words, changes=changes)
    for label in STALE
    for ground in on_problems([label], "learned_errors")
    for words, changes in _ERRORS.items()
)
"""The mazes with stale rewards, with noise in all rewards of the model, and with states that it is wrong of."""
