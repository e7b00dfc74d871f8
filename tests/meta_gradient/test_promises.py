"""What every form promises: finite, masked, traceable, small, and clear when misused."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from tests.meta_gradient.problems import (
    FORMS_OF,
    NUM_ACTIONS,
    NUM_SLOTS,
    NUM_STATES,
    PROBLEMS,
    TABLE,
    TERMINAL,
    all_automatic,
    network_problem,
    network_way,
    parts_of,
    planned_way,
    softmax,
    table_problem,
    table_way,
)
from tests.quick import quick_jit

from mgsc import meta_gradient
from mgsc.types import Params, Successors

FORMS = meta_gradient.FORMS
MODULES = (meta_gradient, meta_gradient.exact_network)


def _trace(function, *arguments, **choices):
    """Shapes and types of the result, or the error, without computing anything."""
    return jax.eval_shape(lambda: function(*arguments, **choices))


def _settled(seed):
    """A table in which every error, imagined or real, is zero."""
    problem = table_problem(seed)
    model, seen = problem.params.model, problem.transition
    return problem._replace(
        params=Params(
            jnp.full_like(problem.params.values, 2.0),
            model._replace(reward=2.0 - 2.0 * model.discount),
        ),
        transition=seen._replace(reward=2.0 - 2.0 * seen.discount),
    )


def test_zero_errors_give_finite_zeros():
    for seed in range(5):
        problem = _settled(seed)
        found = [all_automatic("table", problem), network_way(*problem.arguments)]
        found.append({form: v[1:] for form, v in table_way(*problem.arguments).items()})
        for number in jax.tree.leaves(found):
            np.testing.assert_allclose(number, 0.0, atol=1e-14)


def _ignorant_of_the_end(problem):
    """The model knows nothing of the terminal state."""
    model = problem.params.model
    spoilt = [jnp.where(jnp.arange(NUM_STATES)[:, None, None] == TERMINAL, jnp.nan, array) for array in model[:3]]
    return problem._replace(params=problem.params._replace(model=Successors(*spoilt, model.observation)))


def test_masked_candidates_get_exactly_zero_and_never_nan():
    for seed in range(5):
        problem = table_problem(seed)
        ways = [
            lambda given: all_automatic("table", given),
            lambda given: network_way(*given.arguments),
        ]
        for way in ways:
            spoilt, whole = way(_ignorant_of_the_end(problem)), way(problem)
            for choice, found in spoilt.items():
                for one, other in zip(found, whole[choice]):
                    np.testing.assert_array_equal(one, other)
                assert found.gradient[TERMINAL] == found.alignment[TERMINAL] == 0
                gradient = meta_gradient.logits_gradient(problem.weights, found.gradient)
                assert gradient[TERMINAL] == 0
                assert (gradient[:TERMINAL] != 0).any()
        spoilt, whole = (
            table_way(*_ignorant_of_the_end(problem).arguments),
            table_way(*problem.arguments),
        )
        for number, other in zip(jax.tree.leaves(spoilt), jax.tree.leaves(whole)):
            np.testing.assert_array_equal(number, other)
        gradient = meta_gradient.visited_logits_gradient(problem.weights, spoilt["scaled"])
        assert gradient[TERMINAL] == 0


def test_the_gradient_of_one_entry_is_that_of_a_slope_with_one_entry():
    weights = jnp.array([[0.25, 0.0], [0.5, 0.25]])
    for junk, action in ((0.75, 0), (jnp.nan, 1)):  # the pair (0, 1) must not be queried
        visited = meta_gradient.VisitedGradient(jnp.int32(0), jnp.float32(junk), jnp.zeros(()), jnp.zeros(()))
        slope = jnp.zeros_like(weights).at[0, action].set(junk)
        found = meta_gradient.visited_logits_gradient(weights, visited, 0.5, action=jnp.int32(action))
        np.testing.assert_array_equal(found, meta_gradient.logits_gradient(weights, slope, 0.5))
    with pytest.raises(ValueError, match="the action taken must be given"):
        meta_gradient.visited_logits_gradient(weights, visited)


def test_logits_gradient_ignores_what_stands_at_weight_zero():
    weights = jnp.array([0.25, 0.75, 0.0])
    for junk in (jnp.nan, jnp.inf, -7.0):
        gradient = meta_gradient.logits_gradient(weights, jnp.array([4.0, 0.0, junk]))
        # mean 1: ¼ · (4 − 1) = 0.75, ¾ · (0 − 1) = −0.75
        np.testing.assert_array_equal(gradient, [0.75, -0.75, 0.0])


def test_weight_zero_that_is_allowed_still_has_a_derivative():
    problem = table_problem(0)
    state = int(problem.transition.observation)
    problem = problem._replace(logits=np.where(np.arange(NUM_STATES) == state, -np.inf, 0.0))
    for form in FORMS:
        by_weight = all_automatic("table", problem)[form, "planned"].gradient
        assert by_weight[state] != 0
        assert meta_gradient.logits_gradient(problem.weights, by_weight)[state] == 0


def test_a_candidate_with_all_the_weight_keeps_it():
    for kind, make in PROBLEMS.items():
        problem = make(0)
        logits = np.where(np.arange(len(problem.logits)) == 0, 0.0, -np.inf)
        for found in all_automatic(kind, problem._replace(logits=logits)).values():
            gradient = meta_gradient.logits_gradient(jnp.asarray(softmax(logits)), found.gradient)
            np.testing.assert_array_equal(gradient, np.zeros(len(logits)))


def test_traced_settings_equal_static_ones():
    problem = table_problem(4)
    setting = problem.arguments[1:5]

    def run(setting, step_size, count):
        given = (TABLE, *setting, step_size, count)
        planned = planned_way.__wrapped__(*given[:4], *given[5:], forms=FORMS_OF["table"])
        gradient = meta_gradient.exact_network.weights_gradient(*given)
        return planned, gradient, table_way.__wrapped__(*given)

    static = quick_jit(lambda setting: run(setting, 0.5, 5))(setting)
    for dtype in (int, float):
        step_sizes, counts = jnp.array([0.3, 0.5, 0.9]), jnp.array([2, 5, 50], dtype)
        traced = quick_jit(jax.vmap(run, (None, 0, 0)))(setting, step_sizes, counts)
        for lanes, one in zip(jax.tree.leaves(traced), jax.tree.leaves(static)):
            np.testing.assert_allclose(lanes[1], one, rtol=1e-10, atol=1e-12)
            assert np.isfinite(lanes).all()


def test_no_planning_leaves_the_parameters():
    # α w π = 1 is where a power of K − 1 would divide by zero.
    problem = table_problem(0)
    certain = softmax(np.where(np.arange(NUM_STATES) == problem.transition.observation, 0, -np.inf))
    parts = parts_of(TABLE.action_values, lambda q: jnp.ones_like(q).at[1:].set(0.0), TABLE.expect)
    seen = problem.transition._replace(action=jnp.asarray(0))
    given = (parts, problem.params, problem.candidates, jnp.asarray(certain))
    planned = planned_way(*given, 1.0, 0, forms=FORMS_OF["table"])
    visited = table_way(*given, seen, 1.0, 0)
    for form in ("scaled", "saturating"):
        np.testing.assert_array_equal(planned[form], problem.params.values)
        assert visited[form].gradient == 0
    # One update with α = 1 takes the entry all the way, in every form.
    planned = planned_way(*given, 1.0, 1, forms=FORMS_OF["table"])
    assert not np.array_equal(planned["scaled"], problem.params.values)
    np.testing.assert_allclose(planned["saturating"], planned["scaled"], rtol=1e-12)
    visited = table_way(*given, seen, 1.0, 1)
    np.testing.assert_allclose(visited["saturating"].gradient, visited["scaled"].gradient)
    assert visited["scaled"].gradient != 0


def test_target_passes_no_derivative():
    problem = network_problem(1)
    parts, params, _, _, transition, step_size, _ = problem.arguments

    @quick_jit
    @functools.partial(jax.value_and_grad, argnums=(0, 1))
    def moved(scale, step_size):
        planned = jax.tree.map(lambda leaf: scale * leaf, params.values)
        target = meta_gradient.target_parameters(parts, planned, planned, transition, step_size)
        return meta_gradient.squared_distance(target, params.values)

    value, slopes = moved(1.5, step_size)
    assert value > 0
    assert slopes == (0, 0)
    loss_slope = jax.grad(lambda shift: meta_gradient.meta_loss(jnp.zeros(2), shift + jnp.ones(2)))
    assert loss_slope(0.0) == 0


def test_lanes_of_a_batch_equal_single_runs():
    problems = [table_problem(seed) for seed in range(5)]
    lanes = [problem.arguments[1:] for problem in problems]
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *lanes)
    batch = quick_jit(jax.vmap(functools.partial(table_way.__wrapped__, TABLE)))(*stacked)
    for lane, arguments in enumerate(lanes):
        single = table_way(TABLE, *arguments)
        for one, many in zip(jax.tree.leaves(single), jax.tree.leaves(batch)):
            np.testing.assert_allclose(many[lane], one, rtol=1e-12)


def _largest_intermediate(function, *arguments):
    """Entries of the largest array that the traced function computes."""

    def sizes(jaxpr):
        for equation in jaxpr.eqns:
            yield from (math.prod(variable.aval.shape) for variable in equation.outvars)
            for inner in jaxprs_in_params(equation.params):
                yield from sizes(inner)

    return max(sizes(jax.make_jaxpr(function)(*arguments).jaxpr))


def test_table_way_computes_nothing_of_the_tables_size():
    shape = (1000, NUM_ACTIONS, NUM_SLOTS)
    model = Successors(*(jnp.ones(shape, dtype) for dtype in (float, float, float, int)))
    weights = jnp.full(shape[0], 1 / shape[0])
    given = (Params(jnp.ones(shape[:2]), model), weights, table_problem(0).transition)
    for form in FORMS_OF["table"]:
        run = functools.partial(meta_gradient.visited_gradient, TABLE, step_size=0.1, planning_updates=5, form=form)
        # The values of the successors of 1 + A entries.
        assert _largest_intermediate(run, *given) == (1 + NUM_ACTIONS) * NUM_SLOTS * NUM_ACTIONS


@pytest.mark.parametrize("module", MODULES)
def test_no_gradient_per_candidate_is_materialised(module):
    width, num_candidates = 50, 7
    parts, params, candidates, _, *rest = network_problem(0).arguments
    wide = {
        "first": (jnp.ones((width, 2)), jnp.ones(width)),
        "second": jnp.ones((NUM_ACTIONS, width)),
    }
    candidates = candidates._replace(
        observation=jnp.ones((num_candidates, 2)), is_allowed=jnp.ones(num_candidates, bool)
    )
    weights = jnp.full(num_candidates, 1 / num_candidates)
    size = _largest_intermediate(
        lambda params: module.weights_gradient(parts, params, candidates, weights, *rest),
        params._replace(values=wide),
    )
    # The hidden layer of all successors, which there is no way around. Gradients of all pairs
    # would take N A (A + 3) width.
    assert size == num_candidates * NUM_ACTIONS * NUM_SLOTS * width


@pytest.mark.parametrize("module", MODULES)
def test_small_names_return_one_of_the_two(module):
    arguments = network_problem(0).arguments
    loss, gradient = _trace(module.loss_and_weights_gradient, *arguments)
    assert loss.shape == ()
    assert _trace(module.weights_gradient, *arguments).shape == gradient.shape == (4,)


def test_single_precision_stays_single():
    with jax.enable_x64(False):
        problem = table_problem(0)
        arguments = problem._replace(planning_updates=3).arguments
        assert problem.weights.dtype == jnp.float32
        traces = [_trace(meta_gradient.loss_and_weights_gradient, *arguments, form=form) for form in FORMS]
        traces += [_trace(module.alignment, *arguments) for module in MODULES]
        traces += [_trace(meta_gradient.exact_network.loss_and_weights_gradient, *arguments)]
        parts, params, _, *rest = arguments
        traces += [_trace(meta_gradient.visited_gradient, parts, params, *rest)[1:]]
        assert {leaf.dtype for leaf in jax.tree.leaves(traces)} == {jnp.dtype("float32")}


def test_half_precision_values_keep_their_type():
    parts, params, candidates, *rest = network_problem(0).arguments
    half = params._replace(values=jax.tree.map(lambda leaf: leaf.astype("bfloat16"), params.values))
    planned = _trace(meta_gradient.planned_parameters, parts, half, candidates, rest[0], 0.1, 3)
    assert {leaf.dtype for leaf in jax.tree.leaves(planned)} == {jnp.dtype("bfloat16")}


def _arguments(problem, **changes):
    names = ("parts", "params", "candidates", "weights", "transition", "step_size", "count")
    return (dict(zip(names, problem.arguments)) | changes).values()


@pytest.mark.parametrize(
    ("changes", "choices", "message"),
    [
        ({}, {"form": "scald"}, "scaled, single"),
        ({}, {"origin": "real"}, "planned, current"),
        ({"transition": None}, {}, "transition or a target"),
        ({"weights": np.ones(())}, {}, r"\[N\] or \[N, A\]"),
        ({"weights": np.ones((2, 2, 2))}, {}, r"\[N\] or \[N, A\]"),
    ],
)
@pytest.mark.parametrize("module", MODULES)
def test_nonsense_is_named(module, changes, choices, message):
    arguments = _arguments(table_problem(0), **changes)
    for function in (module.weights_gradient, module.alignment):
        with pytest.raises(ValueError, match=message):
            _trace(function, *arguments, **choices)


@pytest.mark.parametrize("module", MODULES)
def test_weights_that_do_not_fit_the_candidates_are_refused(module):
    problem = table_problem(0)
    joint = jnp.ones((NUM_STATES, NUM_ACTIONS)) / (NUM_STATES * NUM_ACTIONS)
    with_actions = problem.candidates._replace(action=jnp.zeros(NUM_STATES, int))
    arguments = _arguments(problem, weights=joint, candidates=with_actions)
    with pytest.raises(ValueError, match=r"candidates\.action must be None"):
        _trace(module.weights_gradient, *arguments)
    pairs = problem.candidates._replace(is_allowed=joint > 0)
    with pytest.raises(ValueError, match=r"joint weights \[N, A\]"):
        _trace(module.weights_gradient, *_arguments(problem, candidates=pairs))


def test_unrolled_needs_a_count_known_at_compile_time():
    problem = table_problem(0)
    run = functools.partial(_trace, meta_gradient.weights_gradient, form="unrolled")
    for count in (jnp.asarray(3), 3.0, True):
        with pytest.raises(TypeError, match="Python int"):
            run(*_arguments(problem, count=count))
    with pytest.raises(ValueError, match="at least 0"):
        run(*_arguments(problem, count=-1))
    assert run(*_arguments(problem, count=np.int32(2))).shape == (NUM_STATES,)


def test_saturating_needs_a_table():
    run = functools.partial(_trace, meta_gradient.weights_gradient, form="saturating")
    with pytest.raises(ValueError, match=r"one array \[S, A\]"):
        run(*network_problem(0).arguments)
    problem = table_problem(0)
    features = problem.candidates._replace(observation=jnp.eye(NUM_STATES))
    with pytest.raises(ValueError, match="integer state indices"):
        run(*_arguments(problem, candidates=features))


def test_forms_an_implementation_lacks_are_refused_with_a_way_out():
    problem = table_problem(0)
    for form in ("unrolled", "saturating"):
        for name in ("weights_gradient", "alignment"):
            function = getattr(meta_gradient.exact_network, name)
            with pytest.raises(ValueError, match=r"scaled, single, not .*meta_gradient\.\w+"):
                _trace(function, *problem.arguments, form=form)
        with pytest.raises(ValueError, match="planned_parameters"):
            meta_gradient.planned_from_directions(jnp.zeros(2), jnp.eye(2), jnp.ones(2) / 2, 0.1, 1, form)
    parts, params, _, *rest = problem.arguments
    with pytest.raises(ValueError, match="saturating, not 'unrolled'"):
        _trace(meta_gradient.visited_gradient, parts, params, *rest, form="unrolled")


def test_table_way_refuses_what_is_no_table():
    parts, params, _, weights, *rest = table_problem(0).arguments
    nested = params._replace(values={"table": params.values})
    with pytest.raises(ValueError, match="exact_network"):
        _trace(meta_gradient.visited_gradient, parts, nested, weights, *rest)
    with pytest.raises(ValueError, match=r"weights must have shape \[S\]"):
        _trace(meta_gradient.visited_gradient, parts, params, weights[:-1], *rest)
