"""Made-up results for tests of what reads results: in the shape of the TMaze suite, and of one without tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

from mgsc.experiments import store
from mgsc.experiments.design.quantities import (
    ALWAYS,
    EPISODES,
    MEASURES,
    PER_CHUNK,
    REPORTED,
    SNAPSHOTS,
    SPREAD,
    STATE_MEASURES,
)
from mgsc.experiments.store.contract import coordinates_of, variables_of

AGENTS = (
    "no_planning",
    "uniform",
    "uniform_compute_matched",
    "avoid_terminal",
    "replay",
    "meta_gradient",
)
PAIR = ("uniform", "meta_gradient")
LEVELS = {
    "no_planning": 0.020,
    "uniform": 0.031,
    "uniform_compute_matched": 0.033,
    "avoid_terminal": 0.040,
    "replay": 0.047,
    "meta_gradient": 0.057,
}
OPTIMAL, UNCONSTRAINED = 0.081, 0.090
CELLS = [(row, 4) for row in range(6, 0, -1)]
CELLS += [(0, 4), (0, 3), (0, 2), (0, 1), (0, 0), (0, 5), (0, 6), (0, 7), (0, 8)]
TERMINAL = (10, 14)
WRONG = (9, 13)
"""States beside the arms' ends, where a stale model errs in odd phases."""
START = 0
"""The foot of the stem."""
OF_STATES = ("query_distribution", *STATE_MEASURES, *SNAPSHOTS)
OF_PLANNING = ("query_distribution", *MEASURES)
OF_NETWORKS = ("no_planning", "uniform", "replay", "meta_gradient")
NUM_CANDIDATES = 24
EPISODE_LIMIT = 500
"""Steps after which an episode is cut short: twice as many as a chunk has."""


def manifest(
    agents: tuple[str, ...] = AGENTS, num_seeds: int = 30, first_seed: int = 0, **shared: object
) -> store.Manifest:
    """A plan whose result `synthetic` could be."""
    return store.Manifest(
        suite="tmaze-fixed",
        title="TMaze, fixed model",
        settings={
            "num_planning_updates": 5,
            **shared,
            "agents": {agent: {"step_size": 0.5} for agent in agents},
        },
        root_seed=7,
        agents=agents,
        seeds=tuple(range(first_seed, first_seed + num_seeds)),
        versions={"mgsc": "0.1.0", "jax": "0.10.2", "python": "3.11.7"},
    )


def synthetic(
    agents: tuple[str, ...] = AGENTS,
    num_seeds: int = 30,
    num_chunks: int = 200,
    chunk: int = 250,
    period: int | None = 2500,
    first_seed: int = 0,
    has_maze: bool = True,
) -> xr.Dataset:
    """A result that looks like learning: rewards fall after each switch and recover.

    A seed's numbers depend on the seed and the agent only, so that results can be merged.
    """
    import xarray as xr

    steps = chunk * np.arange(1, num_chunks + 1)
    phase_of_chunk = (steps - chunk) // period if period else np.zeros_like(steps)
    is_candidate = np.array([state not in TERMINAL for state in range(len(CELLS))])
    seeds = np.arange(first_seed, first_seed + num_seeds)
    runs = {agent: [_run(agent, int(seed), steps, phase_of_chunk, is_candidate) for seed in seeds] for agent in agents}
    per_chunk = {
        name: (
            (*PER_CHUNK, "state") if name in OF_STATES else PER_CHUNK,
            np.array([[run[name] for run in runs[agent]] for agent in agents]),
        )
        for name in runs[agents[0]][0]
    }
    rows, columns = np.array(CELLS).T if has_maze else np.full((2, len(CELLS)), -1)
    return xr.Dataset(
        {**per_chunk, **_of_suite(phase_of_chunk, chunk), **_costs(agents, num_seeds)},
        coords={
            "agent": list(agents),
            "seed": seeds,
            "step": ("chunk", steps),
            "state_row": ("state", rows),
            "state_column": ("state", columns),
            "phase_of_chunk": ("chunk", phase_of_chunk),
            "is_model_wrong": ("chunk", phase_of_chunk % 2 == 1),
            "is_candidate": ("state", is_candidate),
            "start": ("state", (np.arange(len(CELLS)) == START).astype(np.float32)),
        },
        attrs={
            "suite": "tmaze-fixed",
            "title": "TMaze, fixed model",
            "format_version": store.FORMAT_VERSION,
            "settings": json.dumps(manifest(agents, num_seeds).settings),
            "versions": json.dumps(manifest(agents, num_seeds).versions),
            "root_seed": 7,
            "switch_steps": list(range(period, chunk * num_chunks, period)) if period else [],
            "record_every": chunk,
            "created": "2026-11-21T00:00:00+00:00",
        },
    )


def _of_suite(phase_of_chunk: np.ndarray, chunk: int) -> dict[str, tuple[object, np.ndarray]]:
    """What holds for the whole suite."""
    num_phases = int(phase_of_chunk[-1]) + 1
    wrong_state = np.zeros((num_phases, len(CELLS)), bool)
    wrong_state[1::2, list(WRONG)] = True
    optimal = np.full(len(phase_of_chunk), OPTIMAL * chunk, np.float32)
    return {
        "wrong_state": (("phase", "state"), wrong_state),
        "goal_reward": (("phase", "state"), _goal_reward(num_phases)),
        "optimal_reward": ("chunk", optimal),
        "unconstrained_reward": ("chunk", optimal * np.float32(UNCONSTRAINED / OPTIMAL)),
    }


def _costs(agents: tuple[str, ...], num_seeds: int) -> dict[str, tuple[str, np.ndarray]]:
    plans = np.array([agent != "no_planning" for agent in agents])
    return {
        "model_queries": ("agent", np.where(plans, 5, 0).astype(np.float32)),
        "expected_backups": ("agent", np.where(_learns(agents), 5, 0).astype(np.float32)),
        "sampled_updates": ("agent", np.where(plans, 5, 0).astype(np.float32)),
        "compile_seconds": ("agent", np.full(len(agents), 1.5, np.float32)),
        "run_seconds": ("agent", np.full(len(agents), 0.01 * num_seeds, np.float32)),
    }


def small(agents: tuple[str, ...] = PAIR, num_seeds: int = 2, first_seed: int = 0) -> xr.Dataset:
    """Two seeds of two agents."""
    return synthetic(agents, num_seeds, num_chunks=4, period=500, first_seed=first_seed)


def with_learned_model(dataset: xr.Dataset) -> xr.Dataset:
    """The result as of a learned model: it may be wrong at any time, and no states are named."""
    import xarray as xr

    return dataset.assign(wrong_state=xr.zeros_like(dataset["wrong_state"])).assign_coords(
        is_model_wrong=xr.ones_like(dataset["is_model_wrong"])
    )


def without_tables(
    agents: tuple[str, ...] = OF_NETWORKS,
    num_seeds: int = 4,
    num_chunks: int = 24,
    chunk: int = 250,
    has: tuple[str, ...] = ("episodes",),
    penalty: float = 0.1,
) -> xr.Dataset:
    """A result like that of a pole balanced by networks: every step has a reward, and episodes grow longer.

    Late episodes are longer than a chunk, so that in some chunks no episode ends. With no penalty for a fall every
    run has the same total reward.
    """
    plain = with_episodes(synthetic(agents, num_seeds, num_chunks, chunk, period=None), penalty)
    steps = plain["step"].values
    fell = plain["episodes_terminated"].values.astype(float)
    made = {**_spread(agents, num_seeds, num_chunks), "reward": (PER_CHUNK, 0.02 * chunk - penalty * fell)}
    attributes = {"suite": "pole", "title": "Pole, networks for values and model", "has": list(has)}
    return _only(plain.assign(made).assign_coords(step=("chunk", steps)), has).assign_attrs(attributes)


def without_listed(has: tuple[str, ...] = ("truth", "episodes"), **shape: object) -> xr.Dataset:
    """A result with tables whose candidates are drawn from a buffer: no d on states, and no measures of it."""
    plain = with_episodes(synthetic(**shape))
    agents = tuple(plain["agent"].values)
    made = plain.assign(_spread(agents, plain.sizes["seed"], plain.sizes["chunk"]))
    return _only(made, has).assign_attrs(has=list(has))


def with_episodes(dataset: xr.Dataset, penalty: float = 0.1) -> xr.Dataset:
    """The result with episodes that grow longer, the faster the better the agent."""
    seeds, chunks = dataset.sizes["seed"], dataset.sizes["chunk"]
    every = int(dataset.attrs["record_every"])
    runs = [
        [_episodes(str(agent), int(seed), chunks, every, penalty) for seed in dataset["seed"].values]
        for agent in dataset["agent"].values
    ]
    shape = (dataset.sizes["agent"], seeds, chunks)
    arrays = {name: np.array([[run[name] for run in row] for row in runs]).reshape(shape) for name in EPISODES}
    has = [*dataset.attrs.get("has", ("truth", "listed")), "episodes"]
    return dataset.assign({name: (PER_CHUNK, array.astype(np.float32)) for name, array in arrays.items()}).assign_attrs(
        has=has
    )


def fill(directory: Path, dataset: xr.Dataset, plan: store.Manifest, **how: bool) -> xr.Dataset:
    """Plans and publishes a result in one go."""
    with store.create(directory, plan, **how) as folder:
        return folder.publish(dataset)


def _only(dataset: xr.Dataset, has: tuple[str, ...]) -> xr.Dataset:
    """What the contract wants of a result that has these, and nothing else."""
    wanted = {*variables_of(has), *coordinates_of(has)}
    found = dataset.drop_vars([name for name in dataset.variables if name not in wanted])
    assert set(found.variables) == wanted
    return found


def _episodes(agent: str, seed: int, num_chunks: int, chunk: int, penalty: float) -> dict[str, np.ndarray]:
    """The ``EPISODES`` of one run, each [chunk]: lengths around 20 at first, later up to the limit."""
    random = np.random.default_rng([seed, *agent.encode(), 1])
    last, now = num_chunks * chunk, 0
    lengths: list[list[int]] = [[] for _ in range(num_chunks)]
    while True:
        best = 25 * np.exp(60 * LEVELS.get(agent, 0.03) * now / last)
        length = int(np.clip(random.gamma(4, best / 4), 9, EPISODE_LIMIT))
        now += length
        if now > last:
            break
        lengths[(now - 1) // chunk].append(length)
    ended = np.array([len(some) for some in lengths])
    truncated = np.array([some.count(EPISODE_LIMIT) for some in lengths])
    mean = np.array([np.mean(some) if some else np.nan for some in lengths])
    with np.errstate(invalid="ignore"):
        returns = 0.02 * mean - penalty * (ended - truncated) / np.where(ended, ended, np.nan)
    run = {
        "episode_return": returns,
        "episode_length": mean,
        "episodes_terminated": ended - truncated,
        "episodes_truncated": truncated,
    }
    assert set(run) == set(EPISODES)
    return run


def _spread(agents: tuple[str, ...], num_seeds: int, num_chunks: int) -> dict[str, object]:
    """The ``SPREAD`` of agents: uniform over all candidates, or ever narrower."""
    shape = (len(agents), num_seeds, num_chunks)
    narrowing = {"uniform": 0.0, "replay": 0.4, "meta_gradient": 2.0, "no_planning": np.nan}
    share = np.linspace(0.1, 1, num_chunks) * np.linspace(0.9, 1.0, num_seeds)[:, None]
    rates = np.array([narrowing.get(agent, 0.2) for agent in agents])
    entropy = np.broadcast_to(np.log(NUM_CANDIDATES) - rates[:, None, None] * share, shape)
    made = {"entropy": entropy, "effective_candidates": np.exp(entropy)}
    assert set(made) == set(SPREAD)
    return {name: (PER_CHUNK, values.astype(np.float32)) for name, values in made.items()}


def _learns(agents: tuple[str, ...]) -> np.ndarray:
    return np.array([agent == "meta_gradient" for agent in agents])


def _goal_reward(num_phases: int) -> np.ndarray:
    """The ends' rewards, 1 and −1 in the first phase, swapped with every phase; NaN elsewhere."""
    rewards = np.full((num_phases, len(CELLS)), np.nan, np.float32)
    sign = np.where(np.arange(num_phases) % 2, -1, 1)
    for state, reward in zip(TERMINAL, (-1, 1)):
        rewards[:, state] = sign * reward
    return rewards


def _run(
    agent: str, seed: int, steps: np.ndarray, phases: np.ndarray, is_candidate: np.ndarray
) -> dict[str, np.ndarray]:
    """The measures of one agent and seed, each [chunk] or [chunk, state]."""
    random = np.random.default_rng([seed, *agent.encode()])
    chunk = int(steps[0])
    since = np.arange(len(steps)) - np.searchsorted(phases, phases)
    level = LEVELS.get(agent, 0.03) * (1 + 0.03 * random.normal())
    dip = np.where(phases > 0, np.exp(-since / 2.0), np.exp(-since / 4.0))
    noise = 0.01 * random.normal(size=len(steps))
    reward = chunk * (level * (1.15 - 1.6 * dip) + noise)
    d = _query_distribution(agent, phases, since, is_candidate)
    wrong = np.zeros_like(d)
    wrong[np.ix_(phases % 2 == 1, WRONG)] = 1.0
    run = _planning(agent, d, wrong, since, is_candidate) | _values(wrong, dip, phases, is_candidate)
    missing = [] if agent != "no_planning" else OF_PLANNING
    missing = [*missing, *([] if agent == "meta_gradient" else REPORTED)]
    run |= {name: np.full_like(run[name], np.nan) for name in missing}
    return {"reward": reward, **{name: values.astype(np.float32) for name, values in run.items()}}


def _planning(
    agent: str, d: np.ndarray, wrong: np.ndarray, since: np.ndarray, is_candidate: np.ndarray
) -> dict[str, np.ndarray]:
    """d, the ``MEASURES``, and what a strategy reports of itself."""
    error = 0.5 * wrong
    update = np.where(is_candidate, 0.02 + 0.1 * np.exp(-since / 3.0)[:, None], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(d > 0, d * np.log(d), 0.0).sum(1)
    measures = {
        "entropy": entropy,
        "wrong_mass": (d * wrong).sum(1),
        "uniform_wrong_mass": wrong[:, is_candidate].mean(1),
        "weighted_error": (d * error).sum(1),
        "uniform_error": error[:, is_candidate].mean(1),
        "redundant_mass": 0.2 * entropy / np.log(13),
        "uniform_redundant_mass": np.full(len(d), 0.2),
        "weighted_update": (d * update).sum(1) * (2 - entropy / np.log(13)),
        "uniform_update": update[:, is_candidate].mean(1),
        "useful_share": 0.9 - (d * wrong).sum(1),
        "alignment": 1 - 2 * (d * wrong).sum(1),
        "overshoot": 0.5 * 5 * d.max(1),
    }
    reported = {"meta_loss": 0.01 * np.exp(-since / 3.0), "meta_gradient_norm": 0.002 * np.exp(-since / 3.0)}
    assert (set(measures), set(reported)) == (set(MEASURES), set(REPORTED))
    return {"query_distribution": d, **measures, **reported}


def _values(wrong: np.ndarray, dip: np.ndarray, phases: np.ndarray, is_candidate: np.ndarray) -> dict[str, np.ndarray]:
    """What every agent has: how far its values are from the optimum, and what they are."""
    worth = np.where(is_candidate, 0.9 ** np.arange(len(CELLS)), 0.0)
    far = dip[:, None] * worth
    to_the_good_end = np.where(phases % 2 == 1, 2.0, 3.0)[:, None]
    run = {
        "value_error": far[:, is_candidate].mean(1),
        "model_error": 0.5 * wrong,
        "state_value_error": far,
        "state_value": worth - far,
        "greedy_action": np.where(is_candidate, to_the_good_end, -1.0),
    }
    assert set(run) == {*ALWAYS, *STATE_MEASURES, *SNAPSHOTS}
    return run


def _query_distribution(agent: str, phases: np.ndarray, since: np.ndarray, is_candidate: np.ndarray) -> np.ndarray:
    logits = np.zeros((len(phases), len(CELLS)))
    if agent == "avoid_terminal":
        logits[:, list(WRONG)] = -np.inf
    if agent == "meta_gradient":
        trained = 1 - np.exp(-np.arange(len(phases)) / 20)
        side = np.where(phases % 2 == 1, -1.0, 1.0) * (1 - 2 * np.exp(-since / 1.5))
        along = np.array([column - 4 for _, column in CELLS]) / 4
        logits += trained[:, None] * 2.0 * side[:, None] * along
        logits[:, list(WRONG)] -= 4.0 * trained[:, None]
    logits[:, ~is_candidate] = -np.inf
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)
