"""Tables as dense arrays, the way books write them."""

from __future__ import annotations

import numpy as np

from mgsc.experiments.running.truth import outcomes


def dense_outcomes(tables) -> list[np.ndarray]:
    """(probability, reward · probability, termination · probability), each [S, A, S], of one phase."""
    num_states, num_actions, _ = tables.probability.shape
    return [part.toarray().reshape(num_states, num_actions, num_states) for part in outcomes(tables)]
