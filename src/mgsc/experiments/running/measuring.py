"""The program that measures: one for all agents of a suite, which takes what their loops have kept.

The measures are the same for all agents of a suite. So their loops keep the few arrays that measures are computed from,
and this program takes many measurements at once.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mgsc.experiments.design.parts import VALUES, row_for
from mgsc.experiments.design.quantities import MEASURES
from mgsc.experiments.design.suites import Suite
from mgsc.experiments.running.measures import (
    Known,
    Record,
    Seen,
    known_of,
    measure_planning,
    measure_states,
    measure_values,
)
from mgsc.kernel import compile_for
from mgsc.policies import Policy
from mgsc.problem import Problem
from mgsc.types import Array, like

Measure = Callable[[Seen, Array], Record]


class Measuring:
    """Measures of a problem, compiled once for each form of what loops keep."""

    def __init__(self, problem: Problem, policy: Policy) -> None:
        """Plans it.

        Args:
            problem: with exact tables.
            policy: of its agents.
        """
        self._problem, self._policy = problem, policy
        self._lock = threading.Lock()
        self._ready: dict[Any, Measure] = {}

    def ready(self, device: jax.Device, seen: Any, rate: Any) -> Measure:
        """The compiled measures of what is kept in this form; a second thread waits for the first.

        Args:
            device: where it will run.
            seen: [lanes, chunks, measurements of a chunk, ...] what loops keep, or what has its shapes.
            rate: [lanes] α K, or what has its shape.

        Returns:
            ``(seen, rate) -> record``: means over the measurements of a chunk, and a snapshot of its last one, [lanes,
            chunks, ...] each; without ``MEASURES`` where ``seen`` has no weights.
        """
        plans = seen.weights is not None
        forms = jax.tree.map(lambda leaf: like(leaf.shape, leaf.dtype), (self._complete(seen), rate))
        key = device, str(forms)
        with self._lock:
            if key not in self._ready:
                known = jax.device_put(known_of(self._problem), device)
                program = compile_for(device, jax.vmap(self._measure, (None, 0, 0)), known, *forms)
                self._ready[key] = functools.partial(program, known)
            everything = self._ready[key]

        def measure(seen: Seen, rate: Array) -> Record:
            record = everything(self._complete(seen), rate)
            return {name: value for name, value in record.items() if plans or name not in MEASURES}

        return measure

    def _complete(self, seen: Any) -> Any:
        """With a d also of an agent that does not plan, so that one program serves both."""
        if seen.weights is not None or self._problem.candidates.listed is None:
            return seen
        is_allowed = self._problem.listed.is_allowed
        shape = seen.clock.shape
        return seen._replace(
            weights=np.zeros((*shape, *is_allowed.shape), np.float32), useful_share=np.zeros(shape, np.float32)
        )

    def _measure(self, known: Known, seen: Seen, rate: Array) -> Record:
        """Of one lane, [chunks, measurements of a chunk, ...]."""

        def chunk(_: None, seen: Seen) -> tuple[None, Record]:
            num_measurements = len(seen.clock)

            def add(record: Record, seen: Seen) -> tuple[Record, None]:
                means, snapshots = self._measured(known, seen, rate)
                sums = {name: record[name] + value / num_measurements for name, value in means.items()}
                return sums | snapshots, None

            forms = jax.eval_shape(lambda: self._measured(known, jax.tree.map(lambda leaf: leaf[0], seen), rate))
            nothing = {name: jnp.zeros(form.shape, form.dtype) for part in forms for name, form in part.items()}
            return None, lax.scan(add, nothing, seen)[0]

        return lax.scan(chunk, None, seen)[1]

    def _measured(self, known: Known, seen: Seen, rate: Array) -> tuple[Record, Record]:
        measurement = measure_states(known, self._policy, seen)
        always, of_states, snapshots = measure_values(known, measurement)
        of_planning: Record = {}
        if seen.weights is not None:
            of_planning = measure_planning(
                known,
                seen.weights,
                rate,
                measurement,
                reward_scale=self._problem.facts.reward_scale,
                learns=self._problem.known.model_tables is None,
            )
            of_planning["useful_share"] = jnp.asarray(seen.useful_share)
        return always | of_states | of_planning, snapshots


def measuring_of(suite: Suite, problem: Problem) -> Measuring | None:
    """The measures of the agents of a suite; None where its environment has no tables."""
    if problem.truth is None:
        return None
    row, settings = row_for(suite.values, VALUES)
    return Measuring(problem, problem.policy(row.build(settings, problem.facts, 0.0)))
