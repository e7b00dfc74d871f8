"""Every form and both targets against central differences of a loss with the target held fixed."""

from __future__ import annotations

import numpy as np
import pytest
from tests.meta_gradient.problems import (
    FORMS_OF,
    PROBLEMS,
    all_automatic,
    flat,
    reference_held,
    reference_planned,
    reference_target,
    softmax,
)

from mgsc import meta_gradient

STEP = 1e-5
CASES = [(kind, form) for kind in PROBLEMS for form in (*FORMS_OF[kind], "unrolled")]


@pytest.mark.parametrize(("kind", "form"), CASES)
def test_logits_gradient_equals_central_differences(kind, form):
    problem = PROBLEMS[kind](5)._replace(planning_updates=3)
    # What the method holds fixed is worked out once: policy and bootstrap values, of each stage
    # of the unrolled form, and the target.
    held = reference_held(problem, form)
    planned = reference_planned(problem, problem.weights, form, held)
    for origin in meta_gradient.ORIGINS:
        target = reference_target(problem, planned, origin)

        def loss(logits, target=target):
            ahead = target - flat(reference_planned(problem, softmax(logits), form, held))
            return ahead @ ahead

        by_weight = all_automatic(kind, problem)[form, origin].gradient
        gradient = np.asarray(meta_gradient.logits_gradient(problem.weights, by_weight))
        is_allowed = np.asarray(problem.candidates.is_allowed)
        steps = STEP * np.eye(len(is_allowed))[is_allowed]
        expected = np.array(
            [(loss(problem.logits + step) - loss(problem.logits - step)) / (2 * STEP) for step in steps]
        )
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(gradient[is_allowed], expected, rtol=1e-6, atol=1e-9)
        assert (gradient[~is_allowed] == 0).all()
