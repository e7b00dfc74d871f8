"""The table of studies: a study is data, and this is the only list of their names.

The sizes are such that all of them together take about an hour on two cores. More than half of that is
compilation, which cells share where they differ only in numbers of their agents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mgsc.experiments.design.suites import COMPARISON_SUITES, HELD_OUT_SUITES, PREFIX
from mgsc.experiments.studies.design import AS_TUNED, BEST_FIXED, Axis, Ground, Study, Value, axis, brief_number
from mgsc.experiments.studies.grounds import (
    ABLATION_GROUNDS,
    FEATURE_GROUNDS,
    LEARNED_GROUNDS,
    MAP_GROUNDS,
    OF_THE_PAPER,
    PRIORITIES,
    PROBLEMS,
    ROBUSTNESS_GROUNDS,
    STALE,
    WRONG_GROUNDS,
    on_problems,
)

UNCHANGED = Value(AS_TUNED)

ONE_DRAW = "The model's noise is one draw, the same for all seeds: intervals tell nothing of other draws."
REUSED = "Agents keep the settings tuned for the unchanged suite."


def _robustness(title: str, axis: Axis, note: str = "") -> Study:
    return Study(title, ROBUSTNESS_GROUNDS, (axis,), "meta_gradient", " ".join([REUSED, *([note] if note else [])]))


def _ablation(title: str, axis: Axis, note: str = "") -> Study:
    return Study(title, ABLATION_GROUNDS, (axis,), AS_TUNED, note)


def _updates(number: int, budget: int) -> Value:
    """K updates of a larger budget: K is a number of the agents, so that one program serves for all K."""
    return Value(brief_number(number), {"planning_updates": budget, "agents.planning_updates": number})


def _updates_axis(*numbers: int) -> Axis:
    """Values of K. Updates beyond K cost time all the same, so two budgets are cheaper than one."""
    label = "planning updates per real step (K), all of them made"
    return Axis(label, tuple(_updates(number, 5 if number <= 5 else max(numbers)) for number in numbers))


def _choices(key: str, *words: str) -> tuple[Value, ...]:
    return tuple(Value(word, {f"agents.{key}": word}) for word in words)


def _optimizer(name: str, *step_sizes: float) -> tuple[Value, ...]:
    return tuple(
        Value(f"{name} {brief_number(size)}", {"agents.optimizer": name, "agents.meta_step_size": size})
        for size in step_sizes
    )


def _experience(name: str, *lengths: int) -> tuple[Value, ...]:
    return tuple(
        Value(f"{name} {length}", {"agents.experience": name, "agents.experience_length": length}) for length in lengths
    )


ROBUSTNESS: Mapping[str, Study] = {
    "reward-noise": _robustness(
        "Noise in the rewards of the model",
        axis("standard deviation of the model's reward noise, over max|R|", "model.reward_noise", 0, 0.03, 0.1, 0.3, 1),
        ONE_DRAW,
    ),
    "transition-noise": _robustness(
        "Noise in the transitions of the model",
        axis(
            "probability of a random successor in the model", "model.transition_noise", 0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5
        ),
        ONE_DRAW,
    ),
    "corrupted-states": _robustness(
        "States of which the model is wrong",
        axis("share of corrupted states", "model.corrupted_share", 0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5),
        ONE_DRAW,
    ),
    "slip": _robustness(
        "Slippery floor",
        axis("probability of a random move", "environment.slip", 0, 0.1, 0.2, 0.3, 0.4, 0.5),
    ),
    # Each period divides half of the 50,000 steps, so that the model is right half of the time in every cell.
    "switching": _robustness(
        "Period of the switches",
        axis("steps between switches", "environment.switch_every", 500, 1000, 2500, 5000, 12500),
    ),
    "updates": _robustness(
        "Planning updates per step",
        _updates_axis(1, 2, 5, 10, 20, 50),
    ),
    "tmaze-size": Study(
        "Size of the TMaze",
        (ROBUSTNESS_GROUNDS[0],),
        (
            Axis(
                "cells of the stem / of each arm",
                tuple(
                    Value(f"{stem}/{arm}", {"environment.stem": stem, "environment.arm": arm})
                    for stem, arm in ((3, 2), (6, 4), (9, 6), (12, 8), (18, 12))
                ),
            ),
        ),
        "meta_gradient",
        REUSED,
    ),
    "tworooms-size": Study(
        "Size of TwoRooms",
        (ROBUSTNESS_GROUNDS[1],),
        (
            Axis(
                "columns and rows of each room",
                tuple(
                    Value(f"{side}×{side}", {"environment.width": side, "environment.height": side})
                    for side in (3, 5, 7, 9, 11)
                ),
            ),
        ),
        "meta_gradient",
        REUSED,
    ),
}

ABLATIONS: Mapping[str, Study] = {
    "optimizer": _ablation(
        "Optimiser of the logits",
        Axis(
            "Optax optimiser and its step size",
            (
                UNCHANGED,
                *_optimizer("adam", 0.01, 0.03, 0.1, 0.3),
                *_optimizer("rmsprop", 3e-4, 1e-3, 3e-3, 0.01, 0.1),
                *_optimizer("sgd", 1.0, 10.0, 30.0, 100.0, 300.0, 1e3),
            ),
            is_ordered=False,
        ),
        "Plain SGD's step is proportional to the gradient, reward² in unit, and RMSProp forgets a state's gradients"
        " before it is visited again: their useful step sizes are of other scales than Adam's. Several are tried of"
        " each; no other setting was tuned for them.",
    ),
    "entropy": _ablation(
        "Entropy bonus",
        axis("β [reward² per nat]", "agents.entropy_bonus", 0, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, first=(UNCHANGED,)),
    ),
    "form": _ablation(
        "Form of the planned parameters",
        Axis("form", (UNCHANGED, *_choices("form", "scaled", "single", "saturating", "unrolled")), is_ordered=False),
    ),
    "target": _ablation(
        "Parameters that the target starts from",
        Axis("target", (UNCHANGED, *_choices("target", "planned", "current")), is_ordered=False),
    ),
    "order": Study(
        "Order of the meta-update and the model's learning",
        LEARNED_GROUNDS,
        (Axis("order", (UNCHANGED, *_choices("order", "meta_first", "model_first")), is_ordered=False),),
        AS_TUNED,
    ),
    "experience": _ablation(
        "Real transitions the target is made of",
        Axis(
            "experience and its length",
            (
                UNCHANGED,
                *_experience("one", 1),
                *_experience("recent", 2, 5, 10, 20),
                *_experience("successive", 2, 5, 10, 20),
            ),
            is_ordered=False,
        ),
        "Length 1 is the method of Burega et al. 2024.",
    ),
    "temperature": _ablation(
        "Temperature of the softmax",
        axis("temperature", "agents.temperature", 0.25, 0.5, 1.0, 2.0, 4.0, first=(UNCHANGED,)),
    ),
    "mixture": _ablation(
        "Share of uniform queries",
        axis("share of queries that are uniform", "agents.mixture", 0.0, 0.1, 0.3, 0.5, 0.7, 0.9, first=(UNCHANGED,)),
    ),
    "reset": _ablation(
        "Resets of the optimiser at the switches (privileged)",
        Axis(
            "optimiser's state at a switch of rewards",
            (
                UNCHANGED,
                Value("kept", {"agents.resets_optimizer": False}),
                Value("reset", {"agents.resets_optimizer": True}),
            ),
            is_ordered=False,
        ),
    ),
}

FEATURES: Mapping[str, Study] = {
    "features": Study(
        "What learned_priority is made of",
        FEATURE_GROUNDS,
        (
            Axis(
                "learned_priority with one thing changed",
                (
                    UNCHANGED,
                    Value("weights stay as they begin", {"agents.meta_step_size": 0.0, "agents.uses_table": False}),
                    *(
                        Value(f"without {name.replace('_', ' ')}", {f"agents.uses_{name}": False})
                        for name in ("policy", "td_error", "pair_error", "novelty", "table")
                    ),
                    *(
                        Value(f"with {name.replace('_', ' ')}", {f"agents.uses_{name}": True})
                        for name in ("state_error", "recency", "count")
                    ),
                    Value("judged as expected", {"agents.judged": "expected"}),
                    *_choices("target", "return", "later", "real_values"),
                    Value("1 transition", {"agents.experience_length": 1}),
                ),
                is_ordered=False,
            ),
        ),
        AS_TUNED,
        "Step size and K are those tuned for the agent unchanged.",
    ),
    "fading": Study(
        "How fast errors of the model are forgotten",
        FEATURE_GROUNDS,
        (
            axis(
                "share of the running errors that fades per real step",
                "agents.fade",
                *(0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
                first=(UNCHANGED,),
            ),
        ),
        AS_TUNED,
        "Step size and K are those tuned for a fading of 0.001.",
    ),
}


def _of_priorities(name: str, problems: Sequence[str]) -> Study:
    """A study of robustness, of agents that order pairs, on problems of the comparison."""
    title = f"{ROBUSTNESS[name].title}, priorities over pairs"
    return ROBUSTNESS[name]._replace(
        title=title, grounds=on_problems(problems, *PRIORITIES), reference="learned_errors"
    )


_DISTRUST = {"agents.pair_error_weight": 100.0}
_RETURN = {"agents.target": "return"}

PRIORITY: Mapping[str, Study] = {
    "wrong-models": Study(
        "What makes learned_errors robust",
        WRONG_GROUNDS,
        (
            Axis(
                "learned_errors with one or two things changed",
                (
                    UNCHANGED,
                    Value("error weight 100", _DISTRUST),
                    Value("error weight 1,000", {"agents.pair_error_weight": 1000.0}),
                    *_choices("target", "return", "later", "real_values"),
                    Value("error weight 100, return", {**_DISTRUST, **_RETURN}),
                    Value("error weight 100, return, λ = 0.5", {**_DISTRUST, **_RETURN, "agents.trace": 0.5}),
                    Value("error weight 100, return, no table", {**_DISTRUST, **_RETURN, "agents.uses_table": False}),
                    Value("error weight 100, weights kept", {**_DISTRUST, "agents.meta_step_size": 0.0}),
                ),
                is_ordered=False,
            ),
        ),
        AS_TUNED,
        f"{REUSED} {ONE_DRAW}",
    ),
    "priority-updates": _of_priorities("updates", (*OF_THE_PAPER, "Taxi"))._replace(axes=(_updates_axis(1, 2, 5, 10),)),
    **{
        f"priority-{noise}": _of_priorities(noise, STALE)
        for noise in ("reward-noise", "transition-noise", "corrupted-states")
    },
}

MAPS: Mapping[str, Study] = {
    "map": Study(
        "Where MGSC wins and loses",
        MAP_GROUNDS,
        (
            Axis(
                "model",
                (
                    Value("fixed, stale", model="fixed"),
                    Value("learned, recency 0.1", {"model.average": "recency", "model.step_size": 0.1}, "learned"),
                    Value("learned, averages", {"model.average": "sample"}, "learned"),
                ),
                is_ordered=False,
            ),
            Axis("planning updates per real step (K)", tuple(_updates(k, 10) for k in (1, 2, 5, 10))),
        ),
        BEST_FIXED,
        "The rival is the best strategy without learned search control, K' ≤ K and no planning included, by its mean on"
        " these very seeds, which favours it; avoid_terminal is privileged. Settings are those tuned on the suites"
        " named, at their own size and K.",
    ),
}


def _ground(label: str, name: str, **changes: object) -> Ground:
    suite = PREFIX + name
    return Ground(label, suite, tuple({**COMPARISON_SUITES, **HELD_OUT_SUITES}[suite].agents), changes)


COMPARISONS: Mapping[str, Study] = {
    "comparison": Study(
        "All ways of search control, side by side",
        (
            *(_ground(label, name) for label, name in PROBLEMS.items()),
            # Tuned on draw 0, reported on others: what is learned of one process says nothing of the next.
            *(_ground(f"Garnet, draw {draw}", "garnet", **{"environment.draw": draw}) for draw in (1, 2)),
        ),
        (Axis("settings", (Value("as tuned, or reused"),), is_ordered=False),),
        "uniform",
        "Every agent was tuned on each problem by the same protocol, with 32 configurations; on the Garnets' draw 0."
        " avoid_terminal and oracle are privileged; avoid_terminal has nothing to avoid in a Garnet, and is left out"
        " of what is said across problems.",
        compares=True,
    ),
    "held-out": Study(
        "All ways of search control on problems that no default was chosen on",
        (
            _ground("TwoRooms 9×9, stale model", "tworooms-9x9"),
            _ground("FrozenLake 8×8, learned", "frozenlake"),
            _ground("Garnet of 500, draw 1", "garnet-500", **{"environment.draw": 1}),
        ),
        (Axis("settings", (Value("as tuned, or reused"),), is_ordered=False),),
        "uniform",
        "Every agent was tuned by the protocol of the comparison, on the Garnet's draw 0. avoid_terminal and oracle are"
        " privileged; avoid_terminal has nothing to avoid in a Garnet.",
        compares=True,
    ),
}

STUDIES: Mapping[str, Study] = {**ROBUSTNESS, **ABLATIONS, **FEATURES, **PRIORITY, **MAPS, **COMPARISONS}
"""All studies, by name."""
