"""``mgsc.run``: the command ``mgsc run`` as a function."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mgsc.errors import UserError, check_type
from mgsc.experiments.design.advice import kept_updates
from mgsc.experiments.design.names import OWN_SUITE
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import Suite, change_suite, choose_agents
from mgsc.experiments.reading.finite import broken_rewards
from mgsc.experiments.running.executor import Executor
from mgsc.experiments.running.executors import get_executor
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.tuning.chosen import tuned_suite
from mgsc.files import usable_path
from mgsc.settings import check_changes, check_names

if TYPE_CHECKING:
    import xarray as xr


def run(
    suite: str | Suite,
    *,
    agents: Sequence[str] | None = None,
    seeds: int = 30,
    root_seed: int = 0,
    first_seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    append: bool = False,
    progress: Progress | bool | None = None,
    executor: str | Executor = "threads",
) -> xr.Dataset:
    """Runs a suite with its tuned settings.

    Args:
        suite: a name of ``mgsc list``, or a suite of your own, which runs with its own settings.
        agents: names of its agents; None for all.
        seeds: number of seeds; they are the same for every agent, so comparisons are paired.
        root_seed, first_seed: the root of the seeds, and the number of the first one.
        settings: changed settings, for example ``{"steps": 10_000, "meta_gradient.step_size": 0.5}``.
        out: result folder; None keeps the result in memory.
        overwrite: replace a result in ``out``.
        resume: go on with a stopped run in ``out``.
        append: add these seeds to the result in ``out``.
        progress: True shows what the command line shows, on standard error; or callbacks that receive the progress.
        executor: of the runs: ``"threads"`` of this process, ``"processes"`` of this machine, or an executor of your
            own. It changes no number. With processes, guard the main program by ``if __name__ == "__main__"``, as for
            Python's ``multiprocessing``.

    Returns:
        ``xarray.Dataset`` over agent, seed, chunk and state; ``reward`` is the reward per chunk.

    Raises:
        UserError: an impossible argument; raised before any work starts.

    Warns:
        UserWarning: ``settings`` change ``planning_updates`` and some agents keep a tuned number of their own; or
            rewards are not finite: it names the agents, the seeds and the first chunk.

    Example:
        >>> import mgsc
        >>> result = mgsc.run("tmaze-fixed", agents=["uniform", "meta_gradient"], seeds=2, settings={"steps": 500})
        >>> result.reward.sum("chunk").shape
        (2, 2)
    """
    which = Seeds(seeds, root_seed, first_seed)
    which.check()
    _check_arguments(settings, agents, progress, out, overwrite=overwrite, resume=resume, append=append)
    name, found = (OWN_SUITE, suite) if isinstance(suite, Suite) else (suite, tuned_suite(suite, which))
    chosen = change_suite(choose_agents(found, None if agents is None else list(agents)), settings or {})
    if kept := kept_updates(chosen, settings or {}):
        warnings.warn(kept, stacklevel=2)
    workers = get_executor(executor)
    with _saying_what_is_kept(out), _listener(progress, name) as listener:
        result = run_suite(
            name,
            chosen,
            which,
            out=out,
            overwrite=overwrite,
            resume=resume,
            append=append,
            progress=listener,
            executor=workers,
        )
    if words := broken_rewards(result):
        warnings.warn(words, UserWarning, stacklevel=2)
    return result


@contextlib.contextmanager
def _saying_what_is_kept(out: str | os.PathLike[str] | None) -> Iterator[None]:
    """Adds to an interrupt what is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt as stop:
        if out is not None:
            stop.add_note(f"mgsc: finished runs are kept in {out}; the same call with resume=True goes on")
        raise


@contextlib.contextmanager
def _listener(progress: Progress | bool | None, title: str) -> Iterator[Progress | None]:
    """The callbacks of a run; those of a display where this is True."""
    if progress is not True:
        yield progress or None
        return
    from mgsc.experiments.running.display import display

    with display(title) as listener:
        yield listener


def _check_arguments(
    settings: Mapping[str, Any] | None,
    agents: object,
    progress: object,
    out: str | os.PathLike[str] | None,
    **modes: object,
) -> None:
    """Checks the types of arguments, and that each has an effect.

    Raises:
        UserError: one has not; the error names it.
    """
    if settings is not None:
        check_changes(settings)
    if agents is not None:
        check_names("agents", agents)
    if progress is not None:
        check_type("progress", progress, (Progress, bool), "be True for a display, a Progress, or None for neither")
    for name, value in modes.items():
        if not isinstance(value, bool):
            raise UserError(f"{name} is {value!r}: it must be True or False")
        if value and out is None:
            raise UserError(f"{name} is about a result that is kept: name its folder with out")
    if out is not None:
        usable_path(out)
