"""The interface of models."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mgsc.indexing import lookup
from mgsc.noise import Draw, nothing
from mgsc.sampling import index_from_weights
from mgsc.types import Array, PyTree, Successors, Transition


class Model(NamedTuple):
    """A model of the environment as pure functions.

    Attributes:
        init: ``(key) -> state``, learned parameters and what learning them needs.
        draw: noise of one sampled answer.
        sample: ``(noise, state, observation, action) -> Transition``, one imagined transition.
        expect: ``(state, observation, action) -> Successors``, the whole distribution.
        update: ``(noise, state, transition) -> state`` learns from a real transition; None when fixed.
        draw_update: noise of one update, such as the choice of a minibatch.
        problem: ``(state) -> str`` an error that makes all later answers wrong, in words; empty where there is none.
            The runner calls it on the host, after each call of the compiled program. None: there can be no such error.
        tables: constant arrays that its answers are read from; programs take them as arguments.
        of_tables: ``(tables) -> Model`` the model of other such arrays, which may be traced; None where it has none.
        disagreement: ``(state, observation, action) -> []`` distance between the members of an ensemble, in standard
            deviations of what they predict; None of a model that is no ensemble.
        held_out_error: ``(state) -> []`` mean loss on real transitions that it does not learn from; None where none
            are held out.
    """

    init: Callable[[Array], PyTree]
    draw: Draw
    sample: Callable[[PyTree, PyTree, Array, Array], Transition]
    expect: Callable[[PyTree, Array, Array], Successors]
    update: Callable[[PyTree, PyTree, Transition], PyTree] | None = None
    draw_update: Draw = nothing
    problem: Callable[[PyTree], str] | None = None
    tables: PyTree = ()
    of_tables: Callable[[PyTree], Model] | None = None
    disagreement: Callable[[PyTree, Array, Array], Array] | None = None
    held_out_error: Callable[[PyTree], Array] | None = None


def drawn_outcome(uniform: Array, observation: Array, action: Array, answers: Successors) -> Transition:
    """One of the outcomes of a model's ``expect``, drawn by its probability.

    Args:
        uniform: [] in [0, 1).
        observation, action: of the query.
        answers: [M] the outcomes.
    """
    slot = index_from_weights(uniform, answers.probability)
    reward, discount, successor = (lookup(column, slot) for column in answers[1:])
    return Transition(observation, action, reward, discount, successor)
