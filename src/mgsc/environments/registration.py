"""The mazes under Gymnasium's ids.

Gymnasium reads no entry points since its version 1.0: it knows the mazes once ``register_gymnasium`` was called,
or once it has imported ``mgsc.environments.gym``, which it does for
``gymnasium.make("mgsc.environments.gym:mgsc/TMaze-v0")``.
"""

from __future__ import annotations

ENVIRONMENT_IDS = {
    "mgsc/TMaze-v0": "mgsc.environments.gym:TMazeEnv",
    "mgsc/TwoRooms-v0": "mgsc.environments.gym:TwoRoomsEnv",
}
"""Gymnasium id → where its class is."""


def register_gymnasium() -> None:
    """Makes the mazes known to ``gymnasium.make``; those it knows already are left alone.

    Raises:
        UserError: Gymnasium is not installed.
    """
    try:
        from gymnasium.envs.registration import register, registry
    except ImportError:
        from mgsc.errors import UserError

        raise UserError("this needs Gymnasium, which is not installed: pip install 'mgsc[gymnasium]'") from None
    for name, entry_point in ENVIRONMENT_IDS.items():
        if name not in registry:
            register(id=name, entry_point=entry_point)
