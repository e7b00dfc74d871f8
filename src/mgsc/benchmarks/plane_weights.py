"""Where MGSC plans in a GridWorld, as time goes by: ``python -m mgsc.benchmarks.plane_weights --out FOLDER``.

One run of a suite of GridWorlds. At equal intervals its network of logits is evaluated at a lattice of places over the
whole plane, for this figure only; d over these is drawn relative to a uniform one. Over several seeds, the share of it
by the first goal is printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mgsc import dyna
from mgsc.benchmarks.in_words import in_words
from mgsc.benchmarks.over_seeds import over_seeds, with_interval
from mgsc.environments.changing import UNCHANGED
from mgsc.environments.gridworld import LENGTH, WALLS, GridWorldSettings
from mgsc.environments.phases import phase_at
from mgsc.errors import UserError
from mgsc.experiments.design.suites import Suite, change_suite, get_suite
from mgsc.experiments.figures.style import LABEL, SMALL, headline, legend_below, new_figure, save_all
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.set_option import add_set, parse_changes
from mgsc.types import Array, Candidates

AGENT = "meta_gradient"
PANELS = 8
SIDE = 40
"""Places of the lattice in a row."""

GOAL, WALL = "#009E73", "0.35"
"""A green that is seen on both ends of the colours, and a grey."""

FARTHEST = 3.0
"""Powers of 2 at the ends of the colour scale, on both sides of uniform."""


def weights_in_time(suite: Suite, seeds: Sequence[int], panels: int = PANELS) -> NDArray[Any]:
    """[seeds, panels, SIDE, SIDE] d over the lattice, rows from below, over that of a uniform d.

    Args:
        suite: of a GridWorld, with an agent ``meta_gradient`` whose logits are a network on the observation.
        seeds: of the runs.
        panels: number of times; the suite's steps are a multiple of it.

    Raises:
        UserError: another environment, or other logits.
    """
    if not isinstance(suite.environment, GridWorldSettings) or suite.agents[AGENT].options.logits != "network":
        raise UserError("a plane has a GridWorld only, and only a network on the observation can be asked about it")
    agent = build_agent(suite, suite.agents[AGENT], build_problem(suite))
    middle = (jnp.arange(SIDE) + 0.5) / SIDE
    across, up = jnp.meshgrid(middle, middle)
    places = jnp.stack([across.ravel(), up.ravel()], -1)
    lattice = Candidates(places, jnp.arange(len(places)), jnp.ones(len(places), bool))
    length = suite.steps // panels

    def chunk(state: dyna.DynaState, key: Array) -> tuple[dyna.DynaState, Array]:
        recorder = dyna.total_reward()
        state, _ = dyna.run_chunk(agent, state, key, num_steps=length, measure_every=length, recorder=recorder)
        return state, agent.search_control.weights(state.search, state.params, lattice)

    def whole(key: Array) -> Array:
        found: Array = jax.lax.scan(lambda state, _: chunk(state, key), dyna.init(agent, key), None, length=panels)[1]
        return found

    relative: NDArray[Any] = over_seeds(whole, seeds).reshape(len(seeds), panels, SIDE, SIDE) * SIDE**2
    return relative


def by_first_goal(relative: NDArray[Any]) -> NDArray[Any]:
    """[...] mean of d over the places of a lattice [..., SIDE, SIDE] from which one move reaches the first goal."""
    near = round(2 * LENGTH * SIDE)
    found: NDArray[Any] = relative[..., -near:, -near:].mean((-2, -1))
    return found


def draw_plane(suite: Suite, relative: NDArray[Any]) -> Figure:
    """The panels, with the walls and the goal of their step, and the number of the step."""
    figure = new_figure(4.2)
    axes = figure.subplots(2, len(relative) // 2, sharex=True, sharey=True).ravel()
    settings = suite.environment
    length = suite.steps // len(relative)
    for number, (here, panel) in enumerate(zip(axes, relative, strict=True)):
        colours = here.imshow(
            np.log2(panel), cmap="PuOr_r", vmin=-FARTHEST, vmax=FARTHEST, origin="lower", extent=(0, 1, 0, 1)
        )
        # The walls and the goal as they were in the panel's last step.
        is_second = settings.change != UNCHANGED and phase_at((number + 1) * length - 1, settings.switch_every, 2) == 1
        _draw_ground(here, settings, is_second=is_second)
        here.set_title(f"step {(number + 1) * length:,}", fontsize=8)
        here.set_xticks([])
        here.set_yticks([])
    bar = figure.colorbar(colours, ax=list(axes), shrink=0.8, ticks=[-FARTHEST, 0, FARTHEST])
    bar.ax.set_yticklabels([f"1/{2**FARTHEST:g} or less", "1", f"{2**FARTHEST:g} or more"])
    bar.set_label("d over a uniform one", fontsize=LABEL)
    for here in axes:
        here.set_xlabel("x", fontsize=SMALL)
        here.set_ylabel("y", fontsize=SMALL)
        here.label_outer()
    legend_below(figure, [Patch(color=GOAL, label="goal"), Patch(color=WALL, label="wall")])
    headline(figure, f"{suite.title}: where MGSC over states plans, one run")
    return figure


def _draw_ground(axes: Any, settings: GridWorldSettings, *, is_second: bool) -> None:
    for left, right, *openings in WALLS[settings.walls]:
        low, high = openings[2:] if is_second and settings.change == "walls" else openings[:2]
        for bottom, top in ((0.0, low), (high, 1.0)):
            axes.fill_between([left, right], bottom, top, color=WALL, linewidth=0)
    bottom = 0.0 if is_second and settings.change == "goal" else 1 - LENGTH
    corner = [1 - LENGTH, 1]
    axes.fill_between(corner, bottom, bottom + LENGTH, facecolor=GOAL, edgecolor="white", linewidth=1)


def main() -> None:
    """Reads the command line, runs the suite and draws the figure."""
    parser = argparse.ArgumentParser(prog="python -m mgsc.benchmarks.plane_weights", description=__doc__)
    parser.add_argument("suite", nargs="?", default="net-gridworld-stale")
    parser.add_argument("--seed", type=int, default=0, help="of the run that is drawn")
    parser.add_argument("--seeds", type=int, default=1, help="runs, from that seed on, over which is printed")
    parser.add_argument("--out", type=Path, required=True, help="folder of the figure")
    add_set(parser)
    given = parser.parse_args()
    suite = change_suite(get_suite(given.suite), parse_changes(given.changes))
    relative = weights_in_time(suite, range(given.seed, given.seed + given.seeds))
    print("d by the first goal, over a uniform one")
    for number, column in enumerate(by_first_goal(relative).T, 1):
        interval = mean_interval(column)
        step = number * suite.steps // PANELS
        print(f"step {step:>7,}  {with_interval(interval, 2)}")
    figure = draw_plane(suite, relative[0])
    for file in save_all([(given.suite, figure)], given.out):
        print(file)


if __name__ == "__main__":
    in_words(main)
