"""Checks of strategies and parts of one's own before a run; those of the tables are tested for the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from mgsc import dyna
from mgsc.branching import reports_of_starts
from mgsc.environments.row import Simulator
from mgsc.errors import UserError
from mgsc.experiments.design.names import LONGEST_NAME
from mgsc.experiments.design.own import FOR_TRACED, PARTS, OwnPart, OwnSettings, named_errors
from mgsc.experiments.design.quantities import GROUPS
from mgsc.experiments.running.build import build_agent, replace_numbers
from mgsc.experiments.running.program import in_words, lane_numbers
from mgsc.experiments.running.trial_forms import check_forms, check_state
from mgsc.experiments.running.trial_numbers import (
    TOLERANCE,
    after_nothing,
    behaviour_of,
    check_after_nothing,
    check_behaviour,
    check_probabilities,
    check_table,
    probabilities_of,
)
from mgsc.experiments.store.contract import coordinates_of, variables_of
from mgsc.settings import is_line
from mgsc.types import Array, Backup, Candidates, Transition

if TYPE_CHECKING:
    from mgsc.dyna import Dyna
    from mgsc.experiments.design.agents import AgentSettings
    from mgsc.experiments.design.suites import Suite
    from mgsc.problem import Problem


def check_own_code(suite: Suite, problem: Problem) -> None:
    """Tries all strategies and parts of one's own in a suite.

    Raises:
        UserError: as ``check_own_strategy`` and ``check_own_parts``.
    """
    for name, agent in suite.agents.items():
        if agent.own is not None:
            check_own_strategy(name, suite, agent, problem)
        check_own_parts(name, suite, agent, problem)


def check_own_strategy(name: str, suite: Suite, agent: AgentSettings, problem: Problem) -> None:
    """Calls a strategy of one's own with an agent's first real transition, and checks what it returns.

    Raises:
        UserError: weights that are no distribution over the allowed candidates, a state that changes its form, or code
            that needs the value of a traced number.
    """
    numbers = {
        key: jnp.asarray(value, jnp.int32 if isinstance(value, int) else jnp.float32)
        for key, value in lane_numbers(agent, tunes=False).items()
    }

    def traced(numbers: dict[str, Array]) -> tuple[Array, Array]:
        built = build_agent(suite, replace_numbers(agent, dict(numbers)), problem)
        return _first_weights(name, built, problem)

    fails = f"the strategy {name} fails with its first real transition"
    try:
        with named_errors(fails):
            jax.eval_shape(traced, numbers)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the strategy {name} needs the value of something that is traced, such as a real transition or one of "
            f"{sorted(numbers)}: {FOR_TRACED} ({reason})"
        ) from error
    with named_errors(fails):
        weights, is_allowed = _first_weights(name, build_agent(suite, agent, problem), problem)
    _check_weights(name, np.asarray(weights), np.asarray(is_allowed))


def own_parts_of(suite: Suite) -> list[str]:
    """The kinds of a suite's parts that are the user's own code, in words."""
    settings = {key: getattr(suite, key) for key in PARTS}
    return [
        f"{key} {part.name}"
        for key, part in settings.items()
        if isinstance(part, OwnPart) or (isinstance(part, OwnSettings) and isinstance(part.source, Simulator))
    ]


def check_own_parts(name: str, suite: Suite, agent: AgentSettings, problem: Problem) -> None:
    """Makes the first real step of an agent in a suite with parts of one's own, and checks its results.

    Raises:
        UserError: their code raises an error, a state changes its form, a number is not finite, a policy gives no
            action or no probabilities, values move at step size 0, or are no table though they say so.
    """
    if not (own := own_parts_of(suite)):
        return
    built, key = build_agent(suite, agent, problem), jax.random.key(0)
    try:
        check_forms(built, problem.facts.observation)
    except UserError as error:
        raise UserError(f"{name} cannot run with {', '.join(own)}: {error}") from error

    def first_step() -> tuple[dyna.DynaState, dyna.DynaState, Array, Any, Any, Any]:
        begun = dyna.init(built, key)
        noise = jax.tree.map(lambda leaf: leaf[0], dyna.draw_noise(built, key, jnp.arange(1)))
        after, made = dyna.real_step(built, begun, noise)
        behaviour = behaviour_of(built, after, suite.steps) if isinstance(suite.policy, OwnPart) else None
        unmoved = after_nothing(built, after) if isinstance(suite.values, OwnPart) else None
        outcomes = probabilities_of(built, after) if isinstance(suite.model, OwnPart) else None
        return begun, after, made.transition.reward, behaviour, unmoved, outcomes

    fails = f"the first real step of {name} fails in {', '.join(own)}"
    with named_errors(fails, traces=False), in_words(problem.environment):
        begun, after, reward, behaviour, unmoved, outcomes = jax.jit(first_step)()
    check_state(f"one real step of {name} with {', '.join(own)}", begun, after)
    if not np.isfinite(reward):
        raise UserError(f"the reward of the first real step of {name} is {reward}: see {', '.join(own)}")
    for place, leaf in jax.tree_util.tree_leaves_with_path(after):
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) and not np.isfinite(np.asarray(leaf)).all():
            where = jax.tree_util.keystr(place)
            raise UserError(f"after the first real step of {name}, state{where} is not finite: see {', '.join(own)}")
    if behaviour is not None:
        check_behaviour(suite.policy.name, behaviour, built.environment.num_actions)
    if unmoved is not None:
        check_after_nothing(suite.values.name, *unmoved)
        if built.values.is_table:
            check_table(suite.values.name, built, after)
    if outcomes is not None:
        check_probabilities(f"the probabilities that expect of model {suite.model.name} gives", np.asarray(outcomes))


def _first_weights(name: str, agent: Dyna, problem: Problem) -> tuple[Array, Array]:
    """d and the allowed candidates after the first real transition; the strategy's state must keep its form."""
    control, key = agent.search_control, jax.random.key(0)
    begun = dyna.init(agent, key)
    backup, candidates = _first_backup(agent, begun, key)
    params, search, info = begun.params, begun.search, dict[str, Any]()
    if control.observe is not None:
        observed = control.observe(search, params, candidates, backup.transition)
        if not (isinstance(observed, tuple) and len(observed) == 2 and isinstance(observed[1], dict)):
            raise UserError(f"observe of {name} must give (state, info), where info is a dict of numbers")
        check_state(f"observe of {name}", search, observed[0])
        search, info = observed
    _check_reports(name, control.reports, info, reports_of_starts(agent))
    if control.after_learning is not None:
        learned = control.after_learning(search, params, backup)
        check_state(f"after_learning of {name}", search, learned)
        search = learned
    weights = control.weights(search, params, candidates)
    num_actions = problem.facts.num_choices
    num_states, shape = len(candidates.index), jnp.shape(weights)
    # What a strategy proposes from its d is its own affair, unless measures of listed states read it, too.
    is_free = control.propose is not None and problem.candidates.listed is None
    fits = shape in [(num_states,), (num_states, num_actions)] or (is_free and shape[:1] == (num_states,))
    if not fits or len(shape) > 2 or not jnp.issubdtype(jnp.result_type(weights), jnp.floating):
        raise UserError(
            f"the weights of {name} are {jnp.result_type(weights)}{list(shape)}: they must be floats, one for each of "
            f"{num_states} states, or for each of them and {num_actions} actions; with propose, and candidates that "
            "are not listed, for each of them and whatever that chooses among"
        )
    if control.after_backup is not None:
        check_state(
            f"after_backup of {name}",
            search,
            control.after_backup(search, params, backup._replace(index=candidates.index[0])),
        )
    return weights, candidates.is_allowed


def _first_backup(agent: Dyna, begun: dyna.DynaState, key: Array) -> tuple[Backup, Candidates]:
    noise = jax.tree.map(lambda leaf: leaf[0], dyna.draw_noise(agent, key, jnp.arange(1)))
    transition: Transition = dyna.act(agent, begun, dyna.explore(agent, begun, noise), noise)[0]
    candidates = dyna.draw_candidates(agent, begun.candidates, transition, noise)[1]
    return dyna.learn(agent, begun.params, transition, dyna.REAL, agent.step_size)[2], candidates


def _check_reports(name: str, reports: tuple[str, ...], info: dict[str, Any], others: tuple[str, ...] = ()) -> None:
    """Refuses reports that there are not, or under the name of what is recorded anyhow."""
    arrays = {**variables_of(["truth"]), **coordinates_of(["truth"])}
    taken = {*arrays, *(quantity for group in GROUPS for quantity in group.quantities)}
    taken |= {*others} | {dim for dims in arrays.values() for dim in dims}
    if not isinstance(reports, tuple | list) or len(set(map(repr, reports))) < len(reports):
        raise UserError(f"{name} reports {reports!r}: it must be a tuple of names, each once")
    for report in reports:
        if not is_line(report, LONGEST_NAME) or report in taken or not report.isidentifier():
            raise UserError(
                f"{name} reports {report!r}: it must be an identifier of at most {LONGEST_NAME} letters, and no"
                " measure's name"
            )
        if not _is_number(info.get(report)):
            raise UserError(f"{name} reports {report}, but observe does not give it as one number in its info")


def _is_number(found: Any) -> bool:
    if not isinstance(found, jax.Array | np.ndarray | np.generic | int | float):
        return False
    kind = jnp.result_type(found)
    return jnp.ndim(found) == 0 and any(jnp.issubdtype(kind, real) for real in (jnp.floating, jnp.integer, jnp.bool_))


def _check_weights(name: str, weights: np.ndarray[Any, Any], is_candidate: np.ndarray[Any, Any]) -> None:
    each = weights.reshape(len(is_candidate), -1)
    wrong = None
    if not np.isfinite(each).all():
        wrong = f"not finite at state {int(np.flatnonzero(~np.isfinite(each).all(1))[0])}"
    elif (each < 0).any():
        wrong = f"negative at state {int(np.flatnonzero((each < 0).any(1))[0])}"
    elif abs(each.sum() - 1) > TOLERANCE:
        wrong = f"{each.sum():g} in sum, not 1"
    elif (each[~is_candidate] > 0).any():
        wrong = "above 0 at a terminal state"
    if wrong:
        raise UserError(
            f"after the first real step the weights of {name} are {wrong}: masked_softmax or from_logits make "
            "logits into weights as they must be"
        )
