"""Experiments on Dyna-style agents, from a suite to its report.

The folders follow the data: ``design`` holds what is run, ``running`` builds and runs it, ``store`` keeps the result,
``tuning`` searches settings, ``reading`` turns results into numbers, ``figures`` and ``report`` show them. ``studies``
and ``classics`` are whole programs of experiments. Each folder imports only from folders below it; ``pyproject.toml``
holds the order, and ``make lint`` checks it.

The names in ``__all__`` are the public face, see ``mgsc``; those of the folders may change in any version.

Importing this package imports nothing heavy: each public name is fetched from its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mgsc.experiments.api import run as run
    from mgsc.experiments.design.agents import AgentSettings as AgentSettings
    from mgsc.experiments.design.own import own_candidates as own_candidates
    from mgsc.experiments.design.own import own_environment as own_environment
    from mgsc.experiments.design.own import own_model as own_model
    from mgsc.experiments.design.own import own_policy as own_policy
    from mgsc.experiments.design.own import own_values as own_values
    from mgsc.experiments.design.own_strategy import own_strategy as own_strategy
    from mgsc.experiments.design.seeds import Seeds as Seeds
    from mgsc.experiments.design.suites import SUITES as SUITES
    from mgsc.experiments.design.suites import Suite as Suite
    from mgsc.experiments.design.suites import change_suite as change_suite
    from mgsc.experiments.design.suites import choose_agents as choose_agents
    from mgsc.experiments.figures import write_figures as write_figures
    from mgsc.experiments.reading.analysis import compare as compare
    from mgsc.experiments.reading.diagnostics import diagnose as diagnose
    from mgsc.experiments.reading.selected import select_steps as select_steps
    from mgsc.experiments.reading.side_by_side import side_by_side as side_by_side
    from mgsc.experiments.reading.statistics import mean_interval as mean_interval
    from mgsc.experiments.report import write_report as write_report
    from mgsc.experiments.store import merge as merge
    from mgsc.experiments.store import open_result as open_result
    from mgsc.experiments.tuning.chosen import apply_sweep as apply_sweep
    from mgsc.experiments.tuning.chosen import tuned_suite as tuned_suite
    from mgsc.experiments.tuning.search import Protocol as Protocol
    from mgsc.experiments.tuning.search import tune_suite as tune_suite
    from mgsc.search_control.row import Range as Range
    from mgsc.search_control.table import STRATEGIES as STRATEGIES

_EXPORTS = {
    "SUITES": "design.suites",
    "STRATEGIES": "mgsc.search_control.table",
    "Suite": "design.suites",
    "AgentSettings": "design.agents",
    "Seeds": "design.seeds",
    "own_environment": "design.own",
    "own_values": "design.own",
    "own_model": "design.own",
    "own_candidates": "design.own",
    "own_policy": "design.own",
    "own_strategy": "design.own_strategy",
    "choose_agents": "design.suites",
    "change_suite": "design.suites",
    "tuned_suite": "tuning.chosen",
    "Range": "mgsc.search_control.row",
    "Protocol": "tuning.search",
    "tune_suite": "tuning.search",
    "apply_sweep": "tuning.chosen",
    "run": "api",
    "open_result": "store",
    "merge": "store",
    "select_steps": "reading.selected",
    "side_by_side": "reading.side_by_side",
    "compare": "reading.analysis",
    "diagnose": "reading.diagnostics",
    "mean_interval": "reading.statistics",
    "write_figures": "figures",
    "write_report": "report",
}
"""Public name → the module that holds it, of this package or by its full name; in the order of the data."""

__all__ = [*_EXPORTS]


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _EXPORTS[name]
    value = getattr(import_module(module if module.startswith("mgsc.") else f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _EXPORTS)
