"""Made-up measures in the shape of the contract, to be set by hand in tests of what explains results."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from mgsc.experiments.design.quantities import ALWAYS, MEASURES, PER_CHUNK, REPORTED, STATE_MEASURES
from mgsc.experiments.store.contract import VARIABLES

NUM_STATES = 5
TERMINAL = 4
UNIFORM = np.array([0.25, 0.25, 0.25, 0.25, 0.0])


def measured(
    agents: tuple[str, ...] = ("uniform", "meta_gradient"),
    num_seeds: int = 3,
    num_chunks: int = 12,
    switch_chunks: tuple[int, ...] = (4, 8),
    strategies: dict[str, object] | None = None,
) -> xr.Dataset:
    """A healthy result of chunks of 100 steps: values learn, d is uniform and then leans, measures are noise."""
    steps = 100 * np.arange(1, num_chunks + 1)
    phase = np.searchsorted(switch_chunks, np.arange(num_chunks), side="right") % 2
    settings = {agent: {"strategy": agent, "step_size": 0.5, "options": {}} for agent in agents} | (strategies or {})
    variables = {**_of_agents(agents, num_seeds, num_chunks), **_of_suite(agents, num_chunks)}
    assert set(variables) == set(VARIABLES), "the contract has changed"
    return xr.Dataset(
        variables,
        {
            "agent": list(agents),
            "seed": np.arange(num_seeds),
            "step": ("chunk", steps),
            "state_row": ("state", np.zeros(NUM_STATES, int)),
            "state_column": ("state", np.arange(NUM_STATES)),
            "phase_of_chunk": ("chunk", phase),
            "is_model_wrong": ("chunk", phase == 1),
            "is_candidate": ("state", np.arange(NUM_STATES) != TERMINAL),
            "start": ("state", np.eye(NUM_STATES)[0]),
        },
        {
            "suite": "small",
            "title": "a small maze",
            "settings": json.dumps({"agents": settings}),
            "switch_steps": [100 * chunk for chunk in switch_chunks],
            "record_every": 100,
        },
    )


def _of_agents(agents: tuple[str, ...], num_seeds: int, num_chunks: int) -> dict[str, tuple[object, np.ndarray]]:
    """What is recorded of every agent."""
    shape = (len(agents), num_seeds, num_chunks)
    random = np.random.default_rng(0)
    variables = {name: (PER_CHUNK, random.uniform(0.1, 0.9, shape)) for name in (*MEASURES, *ALWAYS, *REPORTED)}
    variables |= {
        name: ((*PER_CHUNK, "state"), random.uniform(0.1, 0.9, (*shape, NUM_STATES))) for name in STATE_MEASURES
    }
    d = np.broadcast_to(UNIFORM, (*shape, NUM_STATES)).copy()
    learns = np.array([agent.startswith("meta_gradient") for agent in agents])
    d[learns, :, :, 0] += 0.1 * random.uniform(0.5, 1, (int(learns.sum()), num_seeds, num_chunks))
    d /= d.sum(-1, keepdims=True)
    for name in REPORTED:
        variables[name][1][~learns] = np.nan
    plans = np.array([agent != "no_planning" for agent in agents])
    for name in (*MEASURES, *REPORTED):
        variables[name][1][~plans] = np.nan
    d[~plans] = np.nan
    variables["value_error"] = (PER_CHUNK, np.broadcast_to(np.linspace(1.0, 0.1, num_chunks), shape).copy())
    variables["entropy"][1][plans] += 1.0
    variables["reward"] = (PER_CHUNK, np.broadcast_to(np.linspace(0.0, 9.0, num_chunks), shape).copy())
    variables["query_distribution"] = ((*PER_CHUNK, "state"), d)
    for name in ("state_value", "greedy_action"):
        variables[name] = ((*PER_CHUNK, "state"), np.zeros((*shape, NUM_STATES)))
    return variables


def _of_suite(agents: tuple[str, ...], num_chunks: int) -> dict[str, tuple[object, np.ndarray]]:
    """What holds for the whole suite, and the costs of each agent."""
    wrong = np.zeros((2, NUM_STATES), bool)
    wrong[1, 3] = True
    costs = ("model_queries", "expected_backups", "sampled_updates", "compile_seconds", "run_seconds")
    return {
        "optimal_reward": ("chunk", np.full(num_chunks, 10.0)),
        "unconstrained_reward": ("chunk", np.full(num_chunks, 11.0)),
        "goal_reward": (("phase", "state"), np.array([[np.nan] * 4 + [1.0], [np.nan] * 4 + [-1.0]])),
        "wrong_state": (("phase", "state"), wrong),
        **{name: ("agent", np.ones(len(agents))) for name in costs},
    }


def with_numbers(dataset: xr.Dataset, agent: str, **numbers: object) -> xr.Dataset:
    """The result with some of an agent's measures replaced; numbers are broadcast to [seed, chunk, ...]."""
    dataset = dataset.copy(deep=True)
    for name, values in numbers.items():
        dataset[name].loc[{"agent": agent}] = np.broadcast_to(values, dataset[name].sel(agent=agent).shape)
    return dataset
