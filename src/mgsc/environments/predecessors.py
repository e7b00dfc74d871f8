"""The predecessors of each state, from tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mgsc.environments.tables import Tables


def incoming_pairs(tables: Tables) -> NDArray[np.int32]:
    """[S, I] the pairs s · A + a that may lead to each state without ending the episode, padded with S·A.

    Args:
        tables: of a fixed model, [S, A, M]; or all that a model may ever learn, [P, S, A, M].
    """
    num_states, num_actions = tables.probability.shape[-3:-1]
    leads = (tables.probability > 0) & ~tables.terminates
    *_, state, action, _ = np.nonzero(leads)
    links = np.unique(np.stack([tables.successor[leads], state * num_actions + action], 1), axis=0)
    counts = np.bincount(links[:, 0], minlength=num_states)
    pairs = np.full((num_states, max(int(counts.max()), 1)), num_states * num_actions, np.int32)
    column = np.arange(len(links)) - np.repeat(np.cumsum(counts) - counts, counts)
    pairs[links[:, 0], column] = links[:, 1]
    return pairs
