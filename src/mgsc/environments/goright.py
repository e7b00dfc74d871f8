"""Go-Right: walk right at a cost, arrive while the status is full, and earn the prize from then on."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from mgsc.environments.changing import Number, Rules, change, phases_of, simulate, switch_every
from mgsc.environments.row import EnvironmentRow, Simulator
from mgsc.indexing import lookup
from mgsc.settings import number, size, switch, takes
from mgsc.types import Array, PyTree

INTENSITY = 5.0
"""Unit of the observed status, which is 0, 1 or 2 of it."""

FULL = 2
"""The status at which the agent must arrive."""

NEXT_STATUS = np.array([[1, 0, 1], [2, 2, 2], [0, 1, 0]], np.int32)
"""[status before, status] → the status that follows."""

FARTHEST = (0.25, 1.25, 0.25)
"""Half the widths of the offsets of position, status and lights, which are drawn anew in each episode."""


@dataclasses.dataclass(frozen=True)
class GoRightSettings:
    """Go-Right (two lights) or Go-Right-10 (ten lights), and its change."""

    length: int = size(11, 3, 1000, "positions in a row; the prize is in the last one")
    lights: int = size(2, 1, 100, "lights, which are all on where the prize is won")
    prize: float = number(3.0, -math.inf, math.inf, "reward of going right in the last position with all lights on")
    cost: float = number(1.0, -math.inf, math.inf, "what any other step to the right costs (reward)")
    has_offsets: bool = switch(True, "whether numbers that an episode keeps are added to what is observed")
    shows_previous: bool = switch(False, "whether the status before is observed: then observations tell the state")
    change: str = change(
        ("prize", "reversed"), "what the second phase has of its own: prize and cost change places, or reversed moves"
    )
    switch_every: int = switch_every()
    step_limit: int = size(500, 0, 2**30, "steps after which an episode is truncated; 0 for none")


class Walk(NamedTuple):
    """The state of an episode.

    Attributes:
        position: int32.
        previous, status: int32 0, 1 or 2, of the step before and of this one.
        lights: [L] int32, 0 or 1.
        offset: [3 + L] added to position, statuses and lights in an observation.
    """

    position: Array
    previous: Array
    status: Array
    lights: Array
    offset: Array


class Pay(NamedTuple):
    """The task: the prize, and the reward of any other step to the right (reward)."""

    prize: Number
    right: Number


@takes(GoRightSettings)
def goright(settings: GoRightSettings) -> Simulator:
    """The environment of the settings; episodes end by their step limit only.

    Source: Talvitie et al. 2024, "Bounding-box inference for error-aware model-based reinforcement learning". The
    status before the last is hidden there: the state follows from an observation only with ``shows_previous``. The
    changes are *ours*.

    Raises:
        UserError: a change without a schedule, a schedule without a change, or a change that changes nothing.
    """
    changes = phases_of(settings, prize=("prize", -settings.cost))
    row = _Row(settings.length - 1, settings.lights, settings.shows_previous, settings.has_offsets)
    infer = functools.partial(_infer, row) if settings.shows_previous else None
    rules = Rules(
        2,
        functools.partial(_start, row),
        functools.partial(_move, row),
        functools.partial(_judge, row),
        functools.partial(_observe, row),
        infer=infer,
    )
    prize, cost = settings.prize, -settings.cost
    return simulate(
        rules,
        [-1.0 if changed == "reversed" else 1.0 for changed in changes],
        [Pay(cost, prize) if changed == "prize" else Pay(prize, cost) for changed in changes],
        switch_every=settings.switch_every,
        step_limit=settings.step_limit,
        reward_scale=max(abs(prize), abs(cost)) or 1.0,
        observation_scale=row.scale,
    )


class _Row(NamedTuple):
    """The positions, the lights, and what is observed of them.

    Attributes:
        last: number of the last position.
        num_lights: L.
        shows_previous: whether the status before is observed.
        has_offsets: whether each episode adds its own numbers to what is observed.
    """

    last: int
    num_lights: int
    shows_previous: bool
    has_offsets: bool

    @property
    def shown(self) -> NDArray[np.int64]:
        """Which of position, status before, status and lights are observed."""
        return np.delete(np.arange(3 + self.num_lights), [] if self.shows_previous else [1])

    @property
    def scale(self) -> NDArray[np.float32]:
        """Largest entries of an observation."""
        every = np.array([self.last, 2 * INTENSITY, 2 * INTENSITY, *[1.0] * self.num_lights], np.float32)
        return every[self.shown]


def _start(row: _Row, key: Array) -> Walk:
    key_status, key_offset = jax.random.split(key)
    status = jax.random.randint(key_status, (2,), 0, 3, jnp.int32)
    farthest = np.repeat(FARTHEST, (1, 2, row.num_lights)).astype(np.float32) * row.has_offsets
    offset = jax.random.uniform(key_offset, (3 + row.num_lights,), minval=-1.0) * farthest
    # Both statuses are shifted alike.
    offset = offset.at[1].set(offset[2])
    zero = jnp.zeros((), jnp.int32)
    return Walk(zero, status[0], status[1], jnp.zeros(row.num_lights, jnp.int32), offset)


def _observe(row: _Row, walk: Walk) -> Array:
    status = INTENSITY * jnp.stack([walk.previous, walk.status])
    exact = jnp.concatenate([walk.position[None] * 1.0, status, walk.lights * 1.0])
    return (exact + walk.offset)[row.shown]


def _infer(row: _Row, observation: Array) -> Walk:
    unit = jnp.array([1.0, INTENSITY, INTENSITY, *[1.0] * row.num_lights])
    number = jnp.round(observation / unit)
    whole = jnp.clip(number, 0, jnp.array([row.last, FULL, FULL, *[1] * row.num_lights])).astype(jnp.int32)
    return Walk(whole[0], whole[1], whole[2], whole[3:], observation - whole * unit)


def _move(row: _Row, noise: PyTree, walk: Walk, action: Array, direction: Array) -> Walk:
    del noise
    goes = jnp.where((action == 1) == (direction > 0), 1, -1)
    position = jnp.clip(walk.position + goes, 0, row.last)
    status = lookup(jnp.asarray(NEXT_STATUS).ravel(), 3 * walk.previous + walk.status)
    stays = (walk.position == row.last) & (position == row.last)
    arrives = (walk.position == row.last - 1) & (position == row.last) & (status == FULL)
    lights = jnp.where(stays, _cycled(walk.lights), arrives.astype(jnp.int32))
    return Walk(position, walk.status, status, lights, walk.offset)


def _judge(row: _Row, walk: Walk, action: Array, reached: Walk, pay: Pay) -> tuple[Array, Array]:
    is_won = (walk.lights == 1).all() & (reached.position == row.last)
    return jnp.where(is_won, pay.prize, jnp.where(action == 1, pay.right, 0.0)), jnp.zeros((), bool)


def _cycled(lights: Array) -> Array:
    """All on stay on; else one light wanders from the first to the last, goes out, and begins again."""
    wandering = jnp.concatenate([~lights.any(keepdims=True), lights[:-1] == 1]).astype(jnp.int32)
    return jnp.where((lights == 1).all(), lights, wandering)


GORIGHT_ROW = EnvironmentRow(
    "goright", "walk right against a cost and arrive in the right moment; no tables", GoRightSettings, goright
)
