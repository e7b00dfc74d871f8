r"""Parts of one's own in a suite: environments, values, models, candidate sources and policies.

Each ``own_…`` makes settings of a part, which a ``Suite`` takes in place of those of a named part. A result is kept
under the part's name, its settings and a digest of its tables or its code, which tells it from other code.

Example:
    >>> from mgsc.environments import from_map
    >>> from mgsc.experiments import AgentSettings, Suite
    >>> maze = from_map("S..A\n...B", {"A": (1.0, -1.0), "B": (-1.0, 1.0)})
    >>> corridor = own_environment("corridor", maze, switch_every=500)
    >>> suite = Suite("a corridor", corridor, agents={"uniform": AgentSettings("uniform")})
    >>> suite.environment.name, suite.environment.switch_every
    ('corridor', 500)

``mgsc.run(suite, seeds=5)`` runs it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from mgsc.candidates import CandidateSource, CandidatesRow
from mgsc.environments import Maze, Tables
from mgsc.environments.foreign import NEVER
from mgsc.environments.row import Simulator
from mgsc.environments.world import World
from mgsc.errors import UserError
from mgsc.experiments.design.code_digest import code_digest
from mgsc.experiments.design.simulators import check_simulator
from mgsc.facts import Facts
from mgsc.models import BuiltModel, Model
from mgsc.models.row import ModelRow
from mgsc.policies import BehaviourPolicy, Policy, PolicyRow
from mgsc.search_control.row import NoSettings, StrategyRow
from mgsc.settings import check, size, text
from mgsc.types import Array
from mgsc.values import ValueFunction
from mgsc.values.row import ValuesRow

PARTS = ("environment", "model", "values", "candidates", "policy")
"""Settings of a suite that are the settings of a part."""

SUMMARY = "a part of one's own"


@dataclasses.dataclass(frozen=True)
class OwnSettings:
    """Settings of an environment without a name; ``own_environment`` makes them.

    Attributes:
        digest: of the tables, or of the code of an environment without tables; it tells stored results of different
            environments apart.
        source: the environment itself, which is not stored with a result.
    """

    digest: str
    source: Maze | World | Simulator = dataclasses.field(repr=False, compare=False)
    name: str = text("own", "what the environment is called")
    switch_every: int = size(NEVER, 1, 2**30, "environment steps each phase lasts")
    step_limit: int = size(0, 0, 2**30, "steps after which an episode is truncated; 0 for none")


@dataclasses.dataclass(frozen=True)
class OwnPart:
    """Values, a model, a candidate source or a policy without a row in a table.

    Attributes:
        digest: of its code, see ``code_digest``.
        row: the part itself, which is not stored with a result.
        name: of the part.
        options: its settings, a frozen dataclass.
    """

    digest: str
    row: Any = dataclasses.field(repr=False, compare=False)
    name: str = text("own", "what the part is called")
    options: Any = dataclasses.field(default_factory=NoSettings)


@dataclasses.dataclass(frozen=True)
class OwnStrategy:
    """A strategy without a row in the table; ``own_strategy.own_strategy`` makes it.

    Attributes:
        digest: of its code, see ``code_digest``; it tells stored results of different code apart.
        row: the strategy itself, which is not stored with a result.
    """

    digest: str
    row: StrategyRow[Any] | None = dataclasses.field(repr=False, compare=False)
    name: str = text("own", "what the strategy is called")


def own_environment(
    name: str, source: Maze | World | Simulator, *, switch_every: int = NEVER, step_limit: int | None = None
) -> OwnSettings:
    """Settings of an environment of one's own, for ``Suite(environment=...)``.

    Args:
        name: of the environment.
        source: from ``from_map``, ``from_tables``, ``from_dense`` or ``from_gymnasium``; or a ``Simulator``, for an
            environment without tables, which counts its steps and makes its changes itself.
        switch_every: environment steps each phase lasts.
        step_limit: steps after which an episode is truncated, 0 for none; None takes the source's own. Of a
            simulator it must be the limit of its code.

    Raises:
        UserError: a source of another kind, or a setting out of its limits.
    """
    if not isinstance(source, Maze | World | Simulator):
        raise UserError(
            f"the source of environment {name} is a {type(source).__name__}: it must be a Maze (from_map), a World "
            "(from_tables, from_dense, from_gymnasium) or a Simulator"
        )
    if step_limit is None:
        step_limit = 0 if isinstance(source, Maze) else source.step_limit
    if isinstance(source, Simulator):
        check_simulator(name, source)
        if switch_every != NEVER:
            raise UserError(f"environment {name} is a Simulator, which changes itself: leave out switch_every")
        if source.step_limit not in (0, step_limit):
            raise UserError(
                f"step_limit of environment {name} is {step_limit}, and its code truncates after {source.step_limit} "
                "steps: leave it out"
            )
    digest = _simulator_digest(source) if isinstance(source, Simulator) else _digest(source.tables)
    settings = OwnSettings(digest, source, name, switch_every, step_limit)
    check(settings, "environment.")
    return settings


def own_values(
    name: str,
    build: Callable[[Any, Facts, Array | float], ValueFunction],
    settings: Any = NoSettings(),  # noqa: B008
) -> OwnPart:
    """Values of one's own for ``Suite(values=...)``; ``build(settings, facts, initial_value)`` makes them."""
    row = ValuesRow(
        name,
        SUMMARY,
        type(settings),
        _checked("values", name, build, "(settings, facts, initial_value)", ValueFunction, "a ValueFunction"),
    )
    return _own("values", name, build, settings, row)


def own_model(
    name: str,
    build: Callable[[Any, Facts], Model | BuiltModel],
    settings: Any = NoSettings(),  # noqa: B008
) -> OwnPart:
    """A model of one's own for ``Suite(model=...)``; ``build(settings, facts)`` makes it."""
    made = functools.partial(
        _as_built, _checked("model", name, build, "(settings, facts)", (Model, BuiltModel), "a Model")
    )
    return _own("model", name, build, settings, ModelRow(name, SUMMARY, type(settings), made))


def own_candidates(
    name: str,
    build: Callable[[Any, Facts], CandidateSource],
    settings: Any = NoSettings(),  # noqa: B008
) -> OwnPart:
    """A candidate source of one's own for ``Suite(candidates=...)``; ``build(settings, facts)`` makes it."""
    row = CandidatesRow(
        name,
        SUMMARY,
        type(settings),
        _checked("candidates", name, build, "(settings, facts)", CandidateSource, "a CandidateSource"),
    )
    return _own("candidates", name, build, settings, row)


def own_policy(
    name: str,
    build: Callable[[Any, Array | float], BehaviourPolicy],
    settings: Any = NoSettings(),  # noqa: B008
) -> OwnPart:
    """A behaviour policy of one's own for ``Suite(policy=...)``; ``build(settings, epsilon)`` makes it."""
    made = _checked("policy", name, build, "(settings, epsilon)", Callable, "a BehaviourPolicy")
    row = PolicyRow(name, SUMMARY, type(settings), functools.partial(_as_policy, made, name))
    return _own("policy", name, build, settings, row)


def without_source(data: dict[str, Any]) -> dict[str, Any]:
    """Settings as plain data, without the objects that JSON cannot hold; digests identify these."""
    for key in PARTS:
        part = data.get(key)
        if isinstance(part, dict):
            part.pop("source", None)
            part.pop("row", None)
    for agent in data.get("agents", {}).values():
        if agent["own"] is None:
            del agent["own"]
        else:
            del agent["own"]["row"]
    return data


def _own(kind: str, name: str, build: Any, settings: Any, row: Any) -> OwnPart:
    check_own_settings(name, settings)
    part = OwnPart(code_digest(build), row, name, settings)
    check(part, f"{kind}.")
    return part


def check_own_settings(name: str, settings: Any) -> None:
    """Checks the type of the settings of a part of one's own.

    Raises:
        UserError: they are no frozen dataclass, or a field has no limits.
    """
    if not dataclasses.is_dataclass(settings) or isinstance(settings, type):
        raise UserError(f"the settings of {name} are {settings!r}: they must be an instance of a frozen dataclass")
    if not type(settings).__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise UserError(f"{type(settings).__name__}, the settings of {name}, must be a frozen dataclass")
    for field in dataclasses.fields(settings):
        if "kind" not in field.metadata:
            raise UserError(f"{name}.{field.name} has no limits: make it by number, size, choice, switch or text")


def check_build(what: str, build: Any, takes: str) -> None:
    """Checks that ``build`` is a function of the arguments ``takes``, such as ``"(settings, facts)"``.

    Raises:
        UserError: it is none.
    """
    if not callable(build):
        raise UserError(f"{what} is a {type(build).__name__}: it must be a function {takes}")
    try:
        inspect.signature(build).bind(*takes.split(","))
    except TypeError:
        raise UserError(f"{what} takes {inspect.signature(build)}: it must take {takes}") from None
    except ValueError as error:
        raise UserError(f"{what} must take {takes}: {error}") from None


def _checked(kind: str, name: str, build: Any, takes: str, wanted: Any, words: str) -> Callable[..., Any]:
    """``build``, refused where it takes other arguments, and its result where it is of another type."""
    check_build(f"build of {kind} {name}", build, takes)
    return functools.partial(_build, f"build of {kind} {name}", build, wanted, words)


def _build(what: str, build: Callable[..., Any], wanted: Any, words: str, *arguments: Any) -> Any:
    """What ``build`` gives; a function of this module, so that parts can be sent to other processes."""
    with named_errors(f"{what} fails"):
        found = build(*arguments)
    if not isinstance(found, wanted):
        raise UserError(f"{what} gave a {type(found).__name__}: it must give {words}")
    return found


def _as_policy(made: Callable[..., Any], name: str, settings: Any, epsilon: Array | float) -> BehaviourPolicy:
    return functools.partial(_policy, name, made(settings, epsilon))


def _policy(name: str, behaviour: BehaviourPolicy, values: ValueFunction) -> Policy:
    with named_errors(f"policy {name} fails"):
        found = behaviour(values)
    if not isinstance(found, Policy):
        raise UserError(
            f"policy {name} gave a {type(found).__name__}: build must give a function (values: ValueFunction) -> Policy"
        )
    return found


FOR_TRACED = "compute with jax.numpy, and use jnp.where in place of if"
"""What to do where code needs the value of something that is traced."""


@contextlib.contextmanager
def named_errors(what: str, *, traces: bool = True) -> Iterator[None]:
    """Raises a ``UserError`` in place of an error in the user's code.

    Args:
        what: the code that fails, in words.
        traces: whether JAX's errors about traced values pass unchanged.
    """
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if traces and isinstance(error, jax.errors.JAXTypeError):
            raise
        reason = (str(error).splitlines() or [""])[0]
        remedy = f"; {FOR_TRACED}" if isinstance(error, jax.errors.JAXTypeError) else ""
        raise UserError(f"{what}: {type(error).__name__}: {reason}{remedy}") from error


def _as_built(made: Callable[..., Any], settings: Any, facts: Facts) -> BuiltModel:
    found: Model | BuiltModel = made(settings, facts)
    return BuiltModel(found) if isinstance(found, Model) else found


def _simulator_digest(source: Simulator) -> str:
    found = hashlib.sha256()
    for function in source.environment[:4]:
        found.update(code_digest(function).encode())
    for part in source.made_of:
        found.update(code_digest(part).encode())
    if source.outcomes is not None:
        found.update(code_digest((source.outcomes, source.num_phases)).encode())
    observation, scales = source.observation, (source.reward_scale, source.observation_scale)
    found.update(repr((source.environment.num_actions, observation.shape, str(observation.dtype))).encode())
    found.update(code_digest([*jax.tree.leaves((source.params, scales))]).encode())
    found.update(str(jax.tree.structure((source.params, scales))).encode())
    return found.hexdigest()


def _digest(tables: Tables) -> str:
    found = hashlib.sha256()
    for array in tables:
        found.update(repr((array.shape, array.dtype.str)).encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
