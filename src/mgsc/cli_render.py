"""The command ``mgsc render``."""

from __future__ import annotations

import argparse

from mgsc.cli_parser import changes_of


def render(options: argparse.Namespace) -> int:
    """Lets an agent learn, and writes a film or frames of it."""
    from mgsc.experiments.render import render as write

    out = options.out or f"{options.suite}.gif"
    count = write(
        options.suite,
        out,
        agent=options.agent,
        seed=options.seed,
        settings=changes_of(options),
        most_frames=options.frames,
    )
    print(f"{out}   {count} frames")
    return 0
