"""Names and meanings of what is recorded of a run: the one list that recorder, store and figures share."""

from __future__ import annotations

MEASURES = {
    "entropy": "entropy of d [nats]",
    "wrong_mass": "mass of d on states where the model is wrong [probability]",
    "uniform_wrong_mass": "the same for a uniform d [probability]",
    "weighted_error": "model error where d looks, the sum of d·e [reward]",
    "uniform_error": "the same for a uniform d [reward]",
    "redundant_mass": "mass of d on redundant updates [probability]",
    "uniform_redundant_mass": "the same for a uniform d [probability]",
    "weighted_update": "size of planned updates, the sum of d·|E δ| [reward]",
    "uniform_update": "the same for a uniform d [reward]",
    "useful_share": "share of planning updates that bring values closer to the phase's optimum",
    "alignment": "cosine of the planned direction with the one real experience would give",
    "overshoot": "largest α K d(s) π(a|s): above 1 a planned step overshoots",
}
"""Of an agent that plans: one number a moment, averaged over the chunk."""

ALWAYS = {"value_error": "distance of values from the phase's optimum, mean |q − q*| [reward]"}
"""Of every agent."""

STATE_MEASURES = {
    "model_error": "error of the model, e(s) [reward]",
    "state_value_error": "mean over actions of |q − q*| [reward]",
}
"""Means over a chunk, one number for each state."""

SNAPSHOTS = {
    "state_value": "max q at the chunk's end [reward]",
    "greedy_action": "action of largest value at the chunk's end, −1 where all are equal",
}
"""What is seen at the end of a chunk, one number for each state."""

REPORTED = {
    "meta_loss": "meta-loss [reward²]",
    "meta_gradient_norm": "norm of the meta-loss's gradient by the logits [reward²]",
}
"""What a strategy may report of itself after each step; NaN from those that do not."""
