"""Frames of an episode: an agent learns for some steps, and one episode of its best actions is then drawn."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc import dyna
from mgsc.environments.control import GymnasiumControlSettings, scaled_environment
from mgsc.environments.episodes import with_episodes
from mgsc.environments.pendulum import PendulumSettings
from mgsc.errors import UserError
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import Suite, change_suite, check_suite, choose_agents
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.devices import workers
from mgsc.experiments.running.program import run_key
from mgsc.experiments.store.files import as_store_errors
from mgsc.experiments.store.places import refuse_internals
from mgsc.experiments.tuning.chosen import tuned_suite
from mgsc.experiments.tuning.file import check_can_write
from mgsc.files import regular_place, usable_path, whole_file
from mgsc.kernel import compile_shared
from mgsc.settings import check_changes
from mgsc.types import PyTree

Frame = NDArray[np.uint8]
"""A frame [height, width, 3]."""

PIXELS, MILLISECONDS = 240, 40
"""Side of a drawn frame, and how long a frame of a film is shown."""

ROD, HALF_WIDTH = 0.8, 4.0
"""Length of a drawn rod as a share of half the frame, and half its width in pixels."""


def render(
    suite: str | Suite,
    out: str | os.PathLike[str],
    *,
    agent: str | None = None,
    steps: int | None = None,
    seed: int = 0,
    settings: dict[str, Any] | None = None,
    most_frames: int = 1000,
) -> int:
    """Lets an agent learn, and draws an episode of the actor's best actions; needs no display.

    Args:
        suite: a name of ``mgsc list`` whose actions are numbers, or such a suite of your own.
        out: a film (``.gif``), or a new or empty folder for numbered frames (PNG).
        agent: one of its agents; None for the last one.
        steps: real steps that it learns for, a multiple of the suite's ``record_every``; None for the suite's.
        seed: number of the run's seed; as in ``mgsc run`` with root seed 0.
        settings: changed settings.
        most_frames: the episode is cut short after so many.

    Returns:
        Number of frames, the first of which shows the beginning of the episode.

    Raises:
        UserError: an impossible argument; raised before any work starts.
    """
    if settings is not None:
        check_changes(settings)
    which = Seeds(1, 0, seed)
    which.check()
    found = suite if isinstance(suite, Suite) else tuned_suite(suite, which)
    changes = dict(settings or {}) | ({} if steps is None else {"steps": steps})
    chosen = change_suite(choose_agents(found, [list(found.agents)[-1] if agent is None else agent]), changes)
    check_suite(chosen)
    target = _check(chosen, usable_path(out), most_frames)
    theta, actor = _learned(chosen, seed)
    frames: list[Frame] = []
    for frame in _played(chosen, theta, actor, seed):
        frames.append(frame)
        if len(frames) == most_frames:
            break
    _write(frames, target)
    return len(frames)


def _check(suite: Suite, out: Path, most_frames: int) -> Path:
    if not isinstance(suite.environment, GymnasiumControlSettings | PendulumSettings):
        raise UserError(
            "render draws suites of the environments pendulum and gymnasium_control: choose one of sac-… or mbpo-…"
        )
    if not isinstance(most_frames, int) or most_frames < 1:
        raise UserError(f"--frames is {most_frames}: it must be a whole number, at least 1")
    if out.suffix not in (".gif", ""):
        raise UserError(f"{out}: allowed are a film, NAME.gif, and a folder for frames")
    if out.suffix == "" and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there and not an empty folder: choose another --out")
    if out.suffix:
        check_can_write(out)
        return out
    refuse_internals(out)
    with as_store_errors("make the folder", out):
        out.mkdir(parents=True, exist_ok=True)
    return out


def _learned(suite: Suite, seed: int) -> tuple[PyTree, Any]:
    """θ after the suite's steps, and the actor."""
    device = workers()[0]  # first: it says so where there is none
    problem, (settings,) = build_problem(suite), suite.agents.values()
    agent = build_agent(suite, settings, problem)
    assert agent.values.actor is not None, "actions are numbers"
    key = run_key(0, seed)
    every = suite.record_every

    def chunk(state: dyna.DynaState) -> dyna.DynaState:
        return dyna.run_chunk(agent, state, key, num_steps=every, measure_every=every, recorder=dyna.total_reward())[0]

    with jax.default_device(device):
        init, _ = compile_shared(device, lambda key: dyna.init(agent, key), key)
        state = init(key)
        run, _ = compile_shared(device, chunk, state, donate=(0,))
        for _ in range(suite.steps // every):
            state = run(state)
    return jax.device_get(state.values), agent.values.actor


def _played(suite: Suite, theta: PyTree, actor: Any, seed: int) -> Iterator[Frame]:
    """Frames of an episode in the first phase."""
    best = jax.jit(actor.best)
    if isinstance(suite.environment, PendulumSettings):
        yield from _pendulum(suite, theta, best, seed)
        return
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")
    env = scaled_environment(suite.environment, render_mode="rgb_array")
    try:
        seen, _ = env.reset(seed=seed)
        yield env.render()
        is_over = False
        while not is_over:
            action = np.asarray(best(theta, jnp.asarray(seen, jnp.float32))).reshape(-1)
            seen, _, terminated, truncated, _ = env.step(env.in_first_phase(action))
            is_over = terminated or truncated
            yield env.render()
    finally:
        env.close()


def _pendulum(suite: Suite, theta: PyTree, best: Any, seed: int) -> Iterator[Frame]:
    problem = build_problem(suite)
    environment, params = with_episodes(problem.environment), problem.environment_params
    state, seen = environment.reset(environment.draw_reset(jax.random.key(seed)), params, None)
    step = jax.jit(lambda state, seen: environment.step((), state, best(theta, seen), params))
    yield draw_rod(seen)
    is_over = False
    while not is_over:
        made = step(state, seen)
        state, seen, is_over = made.state, made.observation, bool(made.terminated | made.truncated)
        yield draw_rod(seen)


def draw_rod(seen: Any) -> Frame:
    """A rod from the middle of the frame, from cosine and sine of its angle to the upright, counted to the left."""
    cosine, sine = float(seen[0]), float(seen[1])
    middle = (PIXELS - 1) / 2
    across, up = np.meshgrid(np.arange(PIXELS) - middle, middle - np.arange(PIXELS))
    along = up * cosine - across * sine
    beside = np.abs(across * cosine + up * sine)
    is_rod = (along >= 0) & (along <= ROD * middle) & (beside <= HALF_WIDTH)
    is_joint = across**2 + up**2 <= (2 * HALF_WIDTH) ** 2
    frame = np.full((PIXELS, PIXELS, 3), 255, np.uint8)
    frame[is_rod] = (31, 119, 180)
    frame[is_joint] = (60, 60, 60)
    return frame


def _write(frames: list[Frame], out: Path) -> None:
    from PIL import Image

    images = [Image.fromarray(frame) for frame in frames]
    if out.suffix == ".gif":
        with whole_file(regular_place(out)) as file:
            images[0].save(file, format="GIF", save_all=True, append_images=images[1:], duration=MILLISECONDS, loop=0)
        return
    for number, image in enumerate(images):
        image.save(out / f"{number:05d}.png")
