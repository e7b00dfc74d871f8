"""The mazes as Gymnasium environments; importing this module needs Gymnasium, and registers them.

``MazeEnv(maze)`` steps through the same tables as ``tabular(maze)``, one state at a time and without JAX::

    register_gymnasium()
    env = gymnasium.make("mgsc/TMaze-v0", stem=3, switch_every=500, render_mode="ansi")
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mgsc.environments.maze import FLOOR, START, WALLS, Maze
from mgsc.environments.phases import phase_at
from mgsc.environments.registration import register_gymnasium
from mgsc.environments.tables import check_steps
from mgsc.environments.tmaze import TMazeSettings, tmaze
from mgsc.environments.two_rooms import TwoRoomsSettings, two_rooms
from mgsc.errors import UserError
from mgsc.settings import check, unknown

CELL_PIXELS = 16
WALL_COLOUR, FLOOR_COLOUR, AGENT_COLOUR = (60, 60, 60), (235, 235, 235), (0, 114, 178)
GAIN_COLOUR, LOSS_COLOUR = (0, 158, 115), (213, 94, 0)
AGENT = "@"


class MazeEnv(gymnasium.Env[int, int]):
    """A maze, one state at a time; ``info["phase"]`` is the phase of the step to come.

    The schedule of switches goes on across episodes. Only ``reset`` with a seed begins a new run, and with it the
    schedule, so that the seed and the actions decide all that follows.

    Args:
        maze: from ``from_map``, or a named maze.
        switch_every: environment steps each phase lasts; 0 for no switches.
        step_limit: steps after which an episode is truncated; 0 for none.
        render_mode: "ansi" for a drawing, "rgb_array" for an image, None for neither.

    Raises:
        UserError: ``switch_every`` or ``step_limit`` is no number of steps, or an unknown render mode.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self, maze: Maze, *, switch_every: int = 0, step_limit: int = 0, render_mode: str | None = None
    ) -> None:
        for name, value in (("switch_every", switch_every), ("step_limit", step_limit)):
            check_steps(name, value)
        modes = self.metadata["render_modes"]
        if render_mode is not None and render_mode not in modes:
            raise UserError(f"render_mode is {render_mode!r}: allowed are {', '.join(modes)} and None")
        self.maze, self.switch_every, self.step_limit, self.render_mode = maze, switch_every, step_limit, render_mode
        _, num_states, num_actions, _ = maze.tables.probability.shape
        self.observation_space = spaces.Discrete(num_states)
        self.action_space = spaces.Discrete(num_actions)
        self._cumulative = maze.tables.probability.cumsum(-1, dtype=np.float64)
        self._cumulative /= self._cumulative[..., -1:]
        self._starts = np.flatnonzero(maze.tables.start)
        self._start_share = maze.tables.start[self._starts].astype(np.float64)
        self._start_share /= self._start_share.sum()
        self._state: int | None = None
        self._clock = self._episode_step = 0

    @property
    def phase(self) -> int:
        """The phase of the next step."""
        return phase_at(self._clock, self.switch_every, self.maze.tables.num_phases) if self.switch_every else 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Begins an episode; with a seed, a new run."""
        super().reset(seed=seed)
        if seed is not None:
            self._clock = 0
        self._episode_step = 0
        self._state = int(self.np_random.choice(self._starts, p=self._start_share))
        return self._state, {"phase": self.phase}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """One move: up, down, left or right."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("reset the environment before its first step")
        if not self.action_space.contains(action):
            raise UserError(f"action is {action!r}: it must be in {self.action_space}")
        tables, pair = self.maze.tables, (self.phase, self._state, int(action))
        # Padding has the running sum of the slot before it, so it is never the first one above.
        slot = int(np.searchsorted(self._cumulative[pair], self.np_random.random(), side="right"))
        place = (*pair, slot)
        self._state = int(tables.successor[place])
        self._clock += 1
        self._episode_step += 1
        terminated = bool(tables.terminates[place])
        truncated = not terminated and 0 < self.step_limit <= self._episode_step
        return self._state, float(tables.reward[place]), terminated, truncated, {"phase": self.phase}

    def render(self) -> Any:
        """The maze as a drawing or as an image [height, width, 3] uint8, with the agent in it."""
        if self.render_mode is None:
            gymnasium.logger.warn("render needs a render_mode: 'ansi' or 'rgb_array'")
            return None
        return self._drawing() if self.render_mode == "ansi" else self._image()

    def _drawing(self) -> str:
        lines = [list(line) for line in self.maze.drawing(self.phase).splitlines()]
        if self._state is not None:
            lines[self.maze.row[self._state]][self.maze.column[self._state]] = AGENT
        return "\n".join("".join(line) for line in lines)

    def _image(self) -> NDArray[np.uint8]:
        lines = self.maze.drawing(self.phase).splitlines()
        cells = np.full((len(lines), max(map(len, lines)), 3), WALL_COLOUR, np.uint8)
        gains = self._rewards_on_entering()
        for state, (row, column) in enumerate(zip(self.maze.row, self.maze.column, strict=True)):
            letter = lines[row][column]
            if letter in (FLOOR, START):
                cells[row, column] = FLOOR_COLOUR
            elif letter not in WALLS:
                cells[row, column] = GAIN_COLOUR if gains[state] > 0 else LOSS_COLOUR
        if self._state is not None:
            cells[self.maze.row[self._state], self.maze.column[self._state]] = AGENT_COLOUR
        return cells.repeat(CELL_PIXELS, 0).repeat(CELL_PIXELS, 1)

    def _rewards_on_entering(self) -> NDArray[np.float32]:
        tables = self.maze.tables.phase(self.phase)
        ends = tables.terminates & (tables.probability > 0)
        gains = np.zeros(len(tables.start), np.float32)
        gains[tables.successor[ends]] = tables.reward[ends]
        return gains


class _SettingsEnv(MazeEnv):
    """A maze whose settings are keyword arguments."""

    settings: ClassVar[type[Any]]
    build: ClassVar[Any]

    def __init__(self, *, render_mode: str | None = None, **settings: Any) -> None:
        known = vars(self.settings())
        for name in settings:
            if name not in known:
                raise unknown("setting", name, [*known, "render_mode"])
        chosen = self.settings(**settings)
        check(chosen)
        super().__init__(
            type(self).build(chosen),
            switch_every=chosen.switch_every,
            step_limit=chosen.step_limit,
            render_mode=render_mode,
        )


class TMazeEnv(_SettingsEnv):
    """``mgsc/TMaze-v0``; keyword arguments are the settings of ``TMazeSettings``."""

    settings = TMazeSettings
    build = staticmethod(tmaze)


class TwoRoomsEnv(_SettingsEnv):
    """``mgsc/TwoRooms-v0``; keyword arguments are the settings of ``TwoRoomsSettings``."""

    settings = TwoRoomsSettings
    build = staticmethod(two_rooms)


# So that gymnasium.make("mgsc.environments.gym:mgsc/TMaze-v0") needs no other call.
register_gymnasium()
