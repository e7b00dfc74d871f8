"""Anyone's strategy in a suite: it runs beside the table's, is kept under its own name, can be swept, and
what it does wrong is said before anything runs."""

from __future__ import annotations

import dataclasses
import functools
import json
import subprocess
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tests.quick import compile_quickly

import mgsc
from mgsc.candidates import BufferSettings
from mgsc.environments import TMazeSettings
from mgsc.errors import UserError
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.code_digest import code_digest
from mgsc.experiments.design.own_strategy import own_strategy
from mgsc.experiments.design.suites import Suite, change_suite, check_suite, settings_as_dict
from mgsc.experiments.running.build import build_agent, build_problem
from mgsc.experiments.running.devices import workers
from mgsc.experiments.running.program import Lane, Program, run_program
from mgsc.experiments.tuning.space import space_of
from mgsc.indexing import lookup
from mgsc.sampling import index_from_tree
from mgsc.search_control import SearchControl, from_logits
from mgsc.search_control.base import no_state
from mgsc.search_control.row import Range
from mgsc.settings import number, size, traced_fields
from mgsc.types import Query

SRC = Path(__file__).parent.parent.parent / "src"


@pytest.fixture(autouse=True)
def _quick_programs(monkeypatch):
    compile_quickly(monkeypatch)
    monkeypatch.setattr("mgsc.experiments.running.devices.CPU_WIDTH", 4)


@dataclasses.dataclass(frozen=True)
class Settings:
    temperature: float = number(1.0, 0.0, 10.0, "temperature of the values", above=True)
    shift: int = size(0, 0, 5, "added to the values")


def by_value(settings, facts):
    return from_logits(lambda state, params, candidates: params.values.max(-1) / settings.temperature)


def evenly(settings, facts):
    return from_logits(lambda state, params, candidates: jnp.zeros(len(candidates.index)))


def suite_of(**agents: AgentSettings) -> Suite:
    maze = TMazeSettings(stem=2, arm=2, switch_every=40)
    return Suite("own", maze, agents=agents, steps=80, record_every=40, measure_every=8, planning_updates=2)


def one(build, settings=None, **more) -> Suite:
    return suite_of(mine=own_strategy("mine", build, Settings() if settings is None else settings, **more))


def test_it_runs_beside_the_tables_and_is_kept_under_its_name(tmp_path):
    own = own_strategy("by value", by_value, Settings(), step_size=0.25, queries_model=False, expected_backups=3)
    suite = suite_of(uniform=AgentSettings("uniform"), mine=own)
    result = mgsc.run(suite, seeds=2, out=tmp_path / "result", settings={"mine.temperature": 0.5})
    assert result.agent.values.tolist() == ["uniform", "mine"]
    assert result.reward.notnull().all()
    kept = json.loads(result.attrs["settings"])["agents"]
    assert kept["mine"]["strategy"] == "own"
    assert kept["mine"]["own"] == {"name": "by value", "digest": code_digest(by_value)}
    assert kept["mine"]["options"] == {"temperature": 0.5, "shift": 0}
    assert kept["mine"]["step_size"] == 0.25
    assert "own" not in kept["uniform"], "what was kept before there were own strategies stays what it was"
    assert result.expected_backups.values.tolist() == [0, 3]
    assert result.model_queries.values.tolist() == [2, 0]
    # The same rule under another digest is another agent, as far as anyone can know.
    again = suite_of(uniform=AgentSettings("uniform"), mine=own_strategy("by value", evenly, Settings()))
    with pytest.raises(UserError, match=r"other settings: .*mine\.own\.digest"):
        mgsc.run(again, seeds=2, out=tmp_path / "result", resume=True)


def test_it_does_what_the_same_strategy_of_the_table_does():
    suite = suite_of(uniform=AgentSettings("uniform"), mine=own_strategy("evenly", evenly))
    result = mgsc.run(suite, seeds=3)
    np.testing.assert_array_equal(result.reward.sel(agent="uniform"), result.reward.sel(agent="mine"))


@pytest.mark.slow
def test_its_traced_settings_are_swept_in_one_program():
    suite = one(by_value)
    agent = suite.agents["mine"]
    assert set(traced_fields(agent.options)) == {"temperature"}
    program = Program(suite, agent, build_problem(suite), 0)
    program.compile(workers())
    found = {}
    lanes = [Lane(3, {"temperature": value}) for value in (0.01, 0.1, 1.0, 10.0)]
    for block in run_program(program, lanes, lambda steps: None):
        for lane, d in zip(block.lanes, block.record["query_distribution"], strict=True):
            found[lane.numbers["temperature"]] = d
    for value, d in found.items():
        alone = mgsc.run(change_suite(suite, {"mine.temperature": value}), seeds=1, first_seed=3)
        np.testing.assert_array_equal(alone.query_distribution.values[0, 0], d)
    assert not np.array_equal(found[0.01], found[10.0])


def test_tuning_knows_its_space():
    suite = one(by_value, space={"temperature": Range(0.1, 1.0)})
    assert space_of(suite, suite.agents["mine"])["temperature"] == Range(0.1, 1.0)
    with pytest.raises(UserError, match=r"space of mine has \['shift'\]: it may have \['temperature'\]"):
        one(by_value, space={"shift": Range(1, 5)})


@dataclasses.dataclass(frozen=True)
class Limitless:
    temperature: float = 1.0


@dataclasses.dataclass
class Changeable:
    temperature: float = number(1.0, 0.0, 10.0, "a temperature")


@dataclasses.dataclass(frozen=True)
class Taken:
    step_size: float = number(1.0, 0.0, 10.0, "a step size")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: own_strategy("uniform", evenly), "'uniform' is the name of a strategy of the table"),
        (lambda: own_strategy("own", evenly), "'own' is the name of a strategy of the table"),
        (lambda: own_strategy(" ", evenly), r"mine\.own\.name|own\.name is ' '"),
        (lambda: own_strategy("mine", 3), "build of mine is a int: it must be a function"),
        (lambda: own_strategy("mine", lambda settings: None), r"build of mine takes \(settings\): it must take"),
        (lambda: own_strategy("mine", evenly, Settings), "they must be an instance of a frozen dataclass"),
        (lambda: own_strategy("mine", evenly, {"temperature": 1}), "they must be an instance of a frozen dataclass"),
        (lambda: own_strategy("mine", evenly, Changeable()), "Changeable, the settings of mine, must be a frozen"),
        (lambda: own_strategy("mine", evenly, Limitless()), r"mine\.temperature has no limits: make it by number"),
        (lambda: own_strategy("mine", evenly, Taken()), r"mine\.step_size is a setting of every agent"),
        (lambda: own_strategy("mine", evenly, Settings(temperature=0.0)), r"mine\.temperature is 0.0"),
        (lambda: own_strategy("mine", evenly, step_size=2.0), r"mine\.step_size is 2.0: it must be"),
        (lambda: own_strategy("mine", evenly, needs=["luck"]), r"mine needs \['luck'\]: it may need \['listed states'"),
        (lambda: check_suite(suite_of(a=AgentSettings("own"))), r"a\.strategy is 'own': use own_strategy"),
        (
            lambda: check_suite(suite_of(a=dataclasses.replace(own_strategy("mine", evenly), strategy="uniform"))),
            r"a\.strategy is 'uniform': use own_strategy",
        ),
        (lambda: change_suite(one(evenly), {"mine.own.name": "other"}), "an agent's strategy is what it is"),
        (lambda: change_suite(one(evenly), {"mine.temprature": 1}), "did you mean 'temperature'"),
    ],
)
def test_what_is_wrong_by_itself_is_refused_at_once(make, message):
    with pytest.raises(UserError, match=message):
        make()


def build_of(strategy):
    """A ``build`` that always gives this."""
    return lambda settings, facts: strategy


def control(weights, **more):
    return build_of(lambda parts: SearchControl(no_state, weights, **more))


def fair(state, params, candidates):
    return candidates.is_allowed / candidates.is_allowed.sum()


def remembering(observe=None, after_backup=None):
    return build_of(
        lambda parts: SearchControl(
            lambda key, params, candidates: {"count": jnp.zeros(())}, fair, observe=observe, after_backup=after_backup
        )
    )


def if_cold(settings, facts):
    sign = 1.0 if settings.temperature > 0.5 else -1.0
    return from_logits(lambda state, params, candidates: sign * params.values.max(-1))


def with_numpy(settings, facts):
    return from_logits(lambda state, params, candidates: jnp.asarray(np.asarray(params.values).max(-1)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (build_of(3), "build of mine gave a int: it must give a Strategy"),
        (build_of(SearchControl(no_state, fair)), "build of mine gave a SearchControl: it must give a Strategy"),
        (build_of(lambda parts: fair), "the strategy mine gave a function: it must give a SearchControl"),
        (
            control(lambda *asked: jnp.ones(3)),
            r"the weights of mine are float32\[3\]: .* each of 7 states, .* 4 actions",
        ),
        (control(lambda *asked: jnp.ones(7, int)), r"the weights of mine are int32\[7\]: they must be floats"),
        (control(lambda *asked: jnp.full(7, 0.5)), r"the weights of mine are 3.5 in sum, not 1"),
        (control(lambda *asked: jnp.full(7, 1 / 7)), "the weights of mine are above 0 at a terminal state"),
        (control(lambda *asked: jnp.zeros(7) / 0), "the weights of mine are not finite at state 0"),
        (control(lambda *asked: jnp.zeros(7).at[2].set(2).at[5].set(-1)), "are negative at state 5"),
        (remembering(observe=lambda state, *asked: state), r"observe of mine must give \(state, info\)"),
        (
            remembering(observe=lambda state, *asked: ({"count": state["count"][None]}, {})),
            r"observe of mine .* state\['count'\] was float32\[\] and is float32\[1\]",
        ),
        (
            remembering(after_backup=lambda state, *asked: {**state, "more": jnp.ones(2)}),
            r"after_backup of mine .* state\['more'\] was not there and is float32\[2\]",
        ),
        (
            control(fair, after_learning=lambda state, *asked: jnp.ones(2)),
            r"after_learning of mine .* state was not there and is float32\[2\]",
        ),
        (
            if_cold,
            r"mine needs the value of something that is traced, such as a real transition or one of .*'temperature'",
        ),
        (with_numpy, r"mine needs the value of something that is traced"),
    ],
)
def test_what_it_does_wrong_is_said_before_it_runs(build, message, monkeypatch):
    monkeypatch.setattr("mgsc.experiments.running.run._run", lambda *asked: pytest.fail("it ran"))
    with pytest.raises(UserError, match=message):
        mgsc.run(one(build), seeds=1)


def in_two_ways(parts):
    """d over states and two ways to plan: an update as ever, or none, which is always taken."""

    def weights(state, params, candidates):
        each = fair(state, params, candidates)
        return jnp.column_stack([0 * each, each])

    def propose(noise, state, params, distribution, candidates, last):
        drawn = index_from_tree(noise, distribution.tree)
        place, way = drawn // 2, drawn % 2
        return Query(lookup(candidates.observation, place), lookup(candidates.index, place), step_scale=1.0 - way)

    return SearchControl(no_state, weights, propose)


def test_what_a_strategy_proposes_need_not_be_states_or_actions():
    suite = dataclasses.replace(one(build_of(in_two_ways)), candidates=BufferSettings())
    mine = suite.agents["mine"]
    agents = {"mine": mine, "none": AgentSettings("no_planning", mine.step_size)}
    result = mgsc.run(dataclasses.replace(suite, agents=agents), seeds=2)
    np.testing.assert_array_equal(result["reward"].sel(agent="mine"), result["reward"].sel(agent="none"))
    assert result["reward"].values.any()
    with pytest.raises(UserError, match=r"the weights of mine are float32\[7, 2\]: .* each of 7 states, .* 4 actions"):
        mgsc.run(one(build_of(in_two_ways)), seeds=1)


def test_a_suite_without_what_it_needs_refuses_it():
    suite = dataclasses.replace(one(evenly, needs=["listed states"]), candidates=BufferSettings())
    with pytest.raises(UserError, match="needs listed states"):
        build_agent(suite, suite.agents["mine"], build_problem(suite))


# --- the digest ---------------------------------------------------------------------------------

SOURCE = """
import functools
SCALE = 2.0
WORDS = {{"a", "b", "c"}}
def helper(x):
    return {helper}
def build(settings, facts, extra={default}):
    def logits(state, params, candidates):
        return helper(params.values) * SCALE, WORDS
    return logits
"""


def digest(path: Path, *, helper="x + 1", scale="2.0", default="0", comment="") -> str:
    path.write_text(SOURCE.format(helper=helper, default=default).replace("2.0", scale) + comment)
    module = types.ModuleType("somewhere")
    exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
    return code_digest(module.build)


class Weighted:
    """A build that is an object, with a value, a method and a property of its own."""

    def __init__(self, weight):
        self.weight = weight

    def __call__(self, settings, facts):
        return self.half

    @property
    def half(self):
        return self.weight / 2


@dataclasses.dataclass(frozen=True)
class Constants:
    scale: float


@pytest.mark.parametrize(
    "make",
    [
        Weighted,
        lambda value: Weighted(value).__call__,
        lambda value: functools.partial(by_value, Constants(value)),
        lambda value: with_inner(Constants(value)),
        lambda value: with_inner(optax.adam(value)),
        lambda value: with_inner(jax.random.key(int(value))),
        lambda value: jax.jit(with_inner(value)),
    ],
)
def test_issue_the_digest_sees_objects_methods_and_compiled_functions(make):
    assert code_digest(make(1.0)) == code_digest(make(1.0))
    assert code_digest(make(1.0)) != code_digest(make(2.0))


def test_issue_agents_of_one_name_and_other_objects_are_told_apart():
    agents = {name: own_strategy("mine", Weighted(weight)) for name, weight in (("a", 1.0), ("b", 2.0))}
    assert agents["a"] != agents["b"]


def test_the_digest_follows_the_code_and_nothing_else(tmp_path):
    here = tmp_path / "strategy.py"
    plain = digest(here)
    assert digest(here) == plain
    assert digest(tmp_path / "elsewhere.py", comment="\n# a word\n") == plain
    changed = [digest(here, **change) for change in ({"helper": "x + 2"}, {"scale": "3.0"}, {"default": "1"})]
    assert len({plain, *changed}) == 4
    assert code_digest(functools.partial(by_value, 1)) != code_digest(functools.partial(by_value, 2))
    assert code_digest(with_inner(1.0)) != code_digest(with_inner(2.0))
    assert code_digest(with_inner(np.zeros(2))) != code_digest(with_inner(np.ones(2)))


def with_inner(number):
    return lambda settings, facts: number


def test_another_process_finds_the_same_digest(tmp_path):
    """Whatever order sets have there."""
    here = tmp_path / "strategy.py"
    known = digest(here)
    program = (
        "import types, sys; from mgsc.experiments.design.code_digest import code_digest; "
        "m = types.ModuleType('somewhere'); "
        "exec(open(sys.argv[1]).read(), m.__dict__); print(code_digest(m.build))"
    )
    for seed in "12":
        env = {"PYTHONPATH": str(SRC), "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", program, str(here)], env=env, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == known


def test_settings_as_data_hold_no_code():
    kept = settings_as_dict(one(functools.partial(by_value)))
    assert json.loads(json.dumps(kept)) == kept
