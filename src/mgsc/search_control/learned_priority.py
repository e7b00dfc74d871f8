"""Search control over features of pairs of state and action, whose weights the meta-gradient learns.

    p(s, a) ∝ exp(η · φ(s, a) + b(s, a))      features φ of ``pair_signals``, and a table b if there is one
    d(s, a) = w(s) μ(a|s)                      w of p or uniform; μ of p, the behaviour policy or the greedy one
    θ̄      = θ + α K d ∘ E_m δ                planned parameters
    L(η)    = mean_j (θ̂_j − θ̄_j)²             over the pairs of the last real transitions j, with
    θ̂_j    = θ̄_j + α (target_j − θ̄_j)        held fixed, as in MGSC
    ∂L/∂η   = Σ_j d_j g_j ψ_j                  g_j = −2 α² K share_j (target_j − θ̄_j) E_m δ_j,  ψ = ∂ log d / ∂η

Features are fast: they follow values and model at once. Their weights are slow: they learn which kinds of change bring
values closer to real targets. MGSC is a table alone, over states; TD-error priority is one feature of fixed weight.

Source: *ours*, after Burega et al. 2024, who leave the joint distribution of states and actions open.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import optax

from mgsc.indexing import add_each, lookup, settled
from mgsc.reductions import largest, sum_of_many, total
from mgsc.search_control.base import SearchControl, Strategy, allowed_pairs
from mgsc.search_control.expected import all_expected_errors, all_values
from mgsc.search_control.experience import Recent, as_kept, in_order, nothing_yet, remember
from mgsc.search_control.optimizers import check_optimizer, optimizer_step
from mgsc.search_control.pair_signals import PairSignals, Signals
from mgsc.search_control.targets import Target, Targets
from mgsc.settings import check_choice
from mgsc.types import Array, Backup, Candidates, Params, Parts, PyTree, Transition

States = Literal["learned", "uniform"]
Actions = Literal["learned", "behaviour", "greedy"]
Judged = Literal["made", "expected"]


class Plan(NamedTuple):
    """The planning of one real step, which the meta-loss judges later.

    Attributes:
        signals: of all pairs, before it.
        joint: [P] p; where states are uniform, their share times p of the actions of each.
        weights: [P] d; None where that is ``joint``.
        mean: [F] means of the features under ``joint``; None without features.
        values: [S, A] before it; None where the values after it are judged.
    """

    signals: Signals
    joint: Array
    weights: Array | None
    mean: Array | None
    values: Array | None

    @property
    def distribution(self) -> Array:
        """[P] d."""
        return self.joint if self.weights is None else self.weights


class LearnedPriorityState(NamedTuple):
    """The learned weights, and the planning that the meta-loss judges next.

    Attributes:
        eta: [F] weights of the features; None where there are none.
        table: [P] or [S] numbers; None without a table.
        optimizer: states of the optimisers of both.
        plan: the last planning.
        judged: the planning that later values will judge; None where each one is judged in the next step.
        recent: the last real transitions.
        real_values: [S, A] learned of real transitions only; None where no target needs them.
        since: [] int32 real steps since ``judged`` was made.
        number: [] int32 planning updates in this real step.
    """

    eta: Array | None
    table: Array | None
    optimizer: tuple[PyTree, PyTree]
    plan: Plan
    judged: Plan | None
    recent: Recent
    real_values: Array | None
    since: Array
    number: Array


def learned_priority(
    signals: Callable[[Parts], PairSignals],
    initial_weights: Array | None,
    optimizer: optax.GradientTransformation,
    *,
    step_size: Array | float,
    planning_updates: Array | int,
    table_optimizer: optax.GradientTransformation | None = None,
    states: States = "learned",
    actions: Actions = "learned",
    judged: Judged = "made",
    targets: Targets,
    experience_length: int = 16,
    kept: Collection[str] = (),
) -> Strategy:
    """A softmax over features of pairs of listed states and actions, with meta-learned weights.

    Args:
        signals: ``(parts) -> PairSignals``.
        initial_weights: [F] η before the first step; None without features.
        optimizer: of η, any Optax transformation; a step size of 0 keeps η.
        step_size: α of the planning updates that are judged; may be traced.
        planning_updates: K; may be traced.
        table_optimizer: of b; None for no table. The table has a number for each pair where actions are learned,
            otherwise one for each state.
        states: "learned": of p; "uniform": all allowed ones equally.
        actions: "learned": of p; "behaviour": the policy's, by the values before each update; "greedy": those of the
            largest value before planning. Uniform states with "greedy" leave nothing to learn.
        judged: "made": the values after the K sampled updates. "expected": θ̄ from the values before the real
            transition, as MGSC's, which takes S·A expected backups more.
        targets: of the values, from real experience.
        experience_length: W, real transitions in the meta-loss.
        kept: names of features whose weights stay as they are at first, while the others are learned.

    A step keeps expected errors up to date where values or the model changed, and takes a softmax over all S·A pairs.

    Raises:
        UserError: ``states``, ``actions``, ``judged`` or the kind of ``targets`` is none of these, an optimiser is
            none, or a name of ``kept`` is not that of a feature in use.
        ValueError: uniform states with the behaviour policy's actions: that is ``uniform``.
    """
    words = (("states", states, States), ("actions", actions, Actions), ("judged", judged, Judged))
    for name, word, options in (*words, ("targets.kind", targets.kind, Target)):
        check_choice(name, word, get_args(options))
    if states == "uniform" and actions == "behaviour":
        raise ValueError("uniform states with the behaviour policy's actions are the strategy uniform")
    check_optimizer("optimizer", optimizer)
    if table_optimizer is not None:
        check_optimizer("table_optimizer", table_optimizer)

    def build(parts: Parts) -> SearchControl:
        rule = _Rule(
            parts=parts,
            signals=signals(parts),
            initial_weights=initial_weights,
            optimizer=optimizer,
            table_optimizer=table_optimizer,
            step_size=step_size,
            planning_updates=planning_updates,
            states=states,
            actions=actions,
            judged=judged,
            targets=targets,
            experience_length=experience_length,
            kept=kept,
        )
        for name in kept:
            check_choice("a name of kept", name, rule.signals.used)
        return SearchControl(
            init=rule.init,
            weights=rule.weights,
            observe=rule.observe,
            after_learning=rule.after_learning,
            after_backup=rule.after_backup if rule.signals.is_kept else None,
            reports=() if initial_weights is None else rule.signals.weight_names,
        )

    return build


class _Rule(NamedTuple):
    """What the strategy was built of."""

    parts: Parts
    signals: PairSignals
    initial_weights: Array | None
    optimizer: optax.GradientTransformation
    table_optimizer: optax.GradientTransformation | None
    step_size: Array | float
    planning_updates: Array | int
    states: States
    actions: Actions
    judged: Judged
    targets: Targets
    experience_length: int
    kept: Collection[str]

    @property
    def num_actions(self) -> int:
        return self.signals.num_actions

    def init(self, key: Array, params: Params, candidates: Candidates) -> LearnedPriorityState:
        eta, table = self.initial_weights, None
        optimizer: tuple[PyTree, PyTree] = (() if eta is None else self.optimizer.init(eta), ())
        if self.table_optimizer is not None:
            size = self.signals.num_pairs if self.actions == "learned" else self.signals.num_states
            table = jnp.zeros(size, jnp.result_type(float))
            optimizer = (optimizer[0], self.table_optimizer.init(table))
        signals = self.signals.init(key, params)
        plan = self.planned(eta, table, signals, params, candidates)
        none = jnp.zeros((), jnp.int32)
        return LearnedPriorityState(
            eta=eta,
            table=table,
            optimizer=optimizer,
            plan=plan,
            judged=plan if self.targets.kind == "later" else None,
            recent=nothing_yet(candidates, self.experience_length),
            real_values=self.targets.init(params.values),
            since=none,
            number=none,
        )

    def weights(self, state: LearnedPriorityState, params: Params, candidates: Candidates) -> Array:
        """d: [S, A]; [S] where the loop draws the behaviour policy's action."""
        del params, candidates
        each = state.plan.joint.reshape(-1, self.num_actions)
        if self.actions == "behaviour":
            return settled(total(each))
        return state.plan.distribution.reshape(each.shape)

    def after_learning(self, state: LearnedPriorityState, params: Params, backup: Backup) -> LearnedPriorityState:
        """Plans anew: the signals as they are now, and the distribution they give."""
        signals = self.signals.refreshed(state.plan.signals, params, backup.transition.observation)
        plan = self.planned(state.eta, state.table, signals, params, self.signals.candidates)
        judged, since = state.judged, state.since
        if judged is not None:
            judged = jax.tree.map(lambda new, old: jnp.where(since == 0, new, old), plan, judged)
        return state._replace(plan=plan, judged=judged, number=jnp.zeros_like(state.number))

    def after_backup(self, state: LearnedPriorityState, params: Params, backup: Backup) -> LearnedPriorityState:
        """Takes note of the state whose values changed."""
        del params
        signals = self.signals.touch(state.plan.signals, state.number, backup.index)
        return state._replace(plan=state.plan._replace(signals=signals), number=state.number + 1)

    def observe(
        self, state: LearnedPriorityState, params: Params, candidates: Candidates, transition: Transition
    ) -> tuple[LearnedPriorityState, dict[str, Array]]:
        """The meta-update, then the signals of what was met."""
        real_values = self.targets.learned(state.real_values, transition)
        state = state._replace(recent=remember(state.recent, transition), real_values=real_values)
        plan = state.plan if state.judged is None else state.judged
        pairs, slopes, loss = self.credit(state, plan, params, candidates)
        slope, table_slope = self.pulled_back(plan, pairs, slopes)
        eta, optimizer = _stepped(self.optimizer, slope, state.optimizer[0], state.eta)
        table, table_optimizer = _stepped(self.table_optimizer, table_slope, state.optimizer[1], state.table)
        since = state.since
        learned = (eta, table, (optimizer, table_optimizer))
        if state.judged is not None:
            since = (since + 1) % self.experience_length
            before = (state.eta, state.table, state.optimizer)
            learned = jax.tree.map(lambda new, old: jnp.where(since == 0, new, old), learned, before)
        signals = self.signals.observed(state.plan.signals, params, transition)
        after = state._replace(
            eta=learned[0],
            table=learned[1],
            optimizer=learned[2],
            plan=state.plan._replace(signals=signals),
            since=since,
        )
        return after, self.report(learned[0], loss, (slope, table_slope))

    def report(self, eta: Array | None, loss: Array, slopes: PyTree) -> dict[str, Array]:
        """The meta-loss [reward²], the norm of its gradient by η and the table, and η."""
        squares = jnp.sum(jnp.stack([jnp.sum(slope**2) for slope in jax.tree.leaves(slopes)]))
        weights = {} if eta is None else {name: eta[place] for place, name in enumerate(self.signals.weight_names)}
        return {"meta_loss": loss, "meta_gradient_norm": jnp.sqrt(squares), **weights}

    def planned(
        self, eta: Array | None, table: Array | None, signals: Signals, params: Params, candidates: Candidates
    ) -> Plan:
        """The distribution that weights and signals give."""
        features = self.signals.features(signals)
        logits = jnp.zeros_like(signals.error)
        if eta is not None:
            for place, feature in enumerate(features):
                logits = logits + eta[place] * feature
        if table is not None:
            logits = logits + (table if self.actions == "learned" else jnp.repeat(table, self.num_actions))
        allowed = allowed_pairs(candidates, self.num_actions)
        if self.states == "learned":
            logits = settled(jnp.where(allowed.reshape(-1), logits, -jnp.inf))
            scores = settled(jnp.exp(logits - largest(logits)))
            joint = settled(scores / sum_of_many(scores))
        else:
            joint = settled(self.uniform_states(logits, allowed).reshape(-1))
        mean = [sum_of_many(joint * feature) for feature in features]
        return Plan(
            signals=signals,
            joint=joint,
            weights=None if self.actions == "learned" else self.with_actions(joint, params, candidates),
            mean=jnp.stack(mean) if mean else None,
            values=params.values if self.targets.kind == "later" else None,
        )

    def uniform_states(self, logits: Array, allowed: Array) -> Array:
        """[S, A] every allowed state alike, its actions by the softmax of their logits."""
        each = jnp.where(allowed, logits.reshape(allowed.shape), -jnp.inf)
        is_open = allowed.any(-1)
        most = jnp.where(is_open, largest(each), 0.0)
        scores = jnp.exp(each - most[:, None])
        sums = total(scores)
        return jnp.where(is_open, 1.0 / (jnp.where(is_open, sums, 1.0) * is_open.sum()), 0.0)[:, None] * scores

    def with_actions(self, joint: Array, params: Params, candidates: Candidates) -> Array:
        """[P] d: the states of ``joint``, with the actions that planning takes."""
        if self.actions == "learned":
            return joint
        q = all_values(self.parts, params, candidates)
        if self.actions == "behaviour":
            chosen = jax.vmap(self.parts.policy)(q)
        else:
            is_best = (q == largest(q)[:, None]).astype(joint.dtype)
            chosen = is_best / total(is_best)[:, None]
        return settled((total(joint.reshape(q.shape))[:, None] * chosen).reshape(-1))

    def credit(
        self, state: LearnedPriorityState, plan: Plan, params: Params, candidates: Candidates
    ) -> tuple[Array, Array, Array]:
        """Of the last real transitions [W]: their pairs, d_j g_j [reward²], and the meta-loss [reward²]."""
        seen = in_order if self.targets.kind == "return" else as_kept
        transitions, is_real = seen(state.recent)
        share = is_real / is_real.sum()
        pairs = transitions.observation * self.num_actions + transitions.action
        errors, weights = plan.signals.error, plan.distribution
        values = planned = params.values
        scale = self.step_size * self.planning_updates
        if plan.values is not None:
            planned = plan.values + (scale * weights * errors).reshape(values.shape)
        elif self.judged == "expected":
            errors = all_expected_errors(self.parts, params, candidates).reshape(-1)
            weights = self.with_actions(plan.joint, params, candidates)
            values = planned = values + (scale * weights * errors).reshape(values.shape)
        target = self.targets.at(state.real_values, values, transitions)
        missing = target - lookup(planned.reshape(-1), pairs)
        slopes = -2 * self.step_size * scale * share * missing * lookup(errors, pairs)
        loss = jnp.square(self.step_size) * jnp.sum(share * missing**2)
        return pairs, lookup(weights, pairs) * slopes, loss

    def pulled_back(self, plan: Plan, pairs: Array, slopes: Array) -> tuple[Array | None, Array | None]:
        """∂L/∂η [F], and ∂L/∂b, where there are such; of Σ_j slope_j log d_j at the pairs [W]."""
        rows = pairs // self.num_actions
        own = rows[:, None] * self.num_actions + jnp.arange(self.num_actions)
        chance = lookup(plan.joint, own)
        sums = total(chance)[:, None]
        chance = chance / jnp.where(sums > 0, sums, 1.0)
        by_weight = []
        for place, feature in enumerate(self.signals.features(plan.signals)):
            of_state = total(chance * lookup(feature, own))
            inside = lookup(feature, pairs) if self.actions == "learned" else of_state
            outside = plan.mean[place] if self.states == "learned" and plan.mean is not None else of_state
            by_weight.append(jnp.sum(slopes * (inside - outside)))
        slope = jnp.stack(by_weight) if by_weight else None
        if slope is not None and self.kept:
            slope = jnp.where(jnp.asarray([name in self.kept for name in self.signals.used]), 0.0, slope)
        return slope, None if self.table_optimizer is None else self._table_slope(plan, rows, pairs, chance, slopes)

    def _table_slope(self, plan: Plan, rows: Array, pairs: Array, chance: Array, slopes: Array) -> Array:
        joint = plan.joint
        if self.actions != "learned":
            shares = total(joint.reshape(-1, self.num_actions))
            return add_each(-jnp.sum(slopes) * shares, rows, slopes)
        if self.states == "learned":
            return add_each(-jnp.sum(slopes) * joint, pairs, slopes)
        is_own = (pairs % self.num_actions)[:, None] == jnp.arange(self.num_actions)
        each = slopes[:, None] * (is_own - chance)
        return add_each(jnp.zeros_like(joint.reshape(-1, self.num_actions)), rows, each).reshape(-1)


def _stepped(
    optimizer: optax.GradientTransformation | None, slope: Array | None, state: PyTree, numbers: Array | None
) -> tuple[Array | None, PyTree]:
    """Numbers after a step of their optimiser, where there are such."""
    if optimizer is None or slope is None or numbers is None:
        return numbers, state
    return optimizer_step(optimizer, slope, state, numbers)
