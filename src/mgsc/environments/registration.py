"""The mazes under Gymnasium's ids.

Gymnasium reads no entry points since its version 1.0. ``register_gymnasium`` registers the mazes, as does the import of
``mgsc.environments.gym``, which ``gymnasium.make("mgsc.environments.gym:mgsc/TMaze-v0")`` makes.
"""

from __future__ import annotations

ENVIRONMENT_IDS = {
    "mgsc/TMaze-v0": "mgsc.environments.gym:TMazeEnv",
    "mgsc/TwoRooms-v0": "mgsc.environments.gym:TwoRoomsEnv",
}
"""Gymnasium id → module and class."""


def register_gymnasium() -> None:
    """Registers the mazes with Gymnasium; those that are registered already stay as they are.

    Raises:
        UserError: Gymnasium is not installed.
    """
    try:
        from gymnasium.envs.registration import register, registry
    except ImportError:
        from mgsc.errors import UserError, pip_install

        raise UserError(f"this needs Gymnasium, which is not installed: {pip_install('gymnasium')}") from None
    for name, entry_point in ENVIRONMENT_IDS.items():
        if name not in registry:
            register(id=name, entry_point=entry_point)
