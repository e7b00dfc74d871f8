"""A lane's bits depend on its seed and numbers only, and a sweep is one compilation."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from tests.experiments import programs
from tests.experiments.programs import AGENTS, IN_SHORT, PROBLEM, ROOT_SEED, SUITE
from tests.quick import compile_quickly, quick_jit

from mgsc import dyna, models
from mgsc.errors import UserError
from mgsc.experiments.running import program as program_module
from mgsc.experiments.running.build import build_agent
from mgsc.experiments.running.devices import block_width, workers
from mgsc.experiments.running.program import Lane, Program, blocks_of, run_key, run_program

# Every agent as it is compiled for tests, and one as it is compiled for users.
FOR_USERS = ["meta_gradient"]
PROGRAMS = [
    pytest.param(
        name, quick, id=name if quick else f"{name}, for users", marks=() if name in short else pytest.mark.slow
    )
    for quick, short in ((True, IN_SHORT), (False, FOR_USERS))
    for name in AGENTS
]
EACH = pytest.mark.parametrize(("name", "quick"), PROGRAMS)


def assert_row(block, row, alone):
    """A row of a block has the very bits of the run that was alone."""
    assert set(block) == set(alone)
    for key in block:
        np.testing.assert_array_equal(block[key][row], alone[key][0], err_msg=key)


@EACH
def test_a_seed_alone_equals_the_same_seed_in_any_batch(name, quick):
    made = programs.program(name, quick=quick)
    alone = programs.run(made, [Lane(3, {})])
    others = [Lane(seed, {}) for seed in (9, 4, 100, 2**31 - 1)]
    for place in range(len(others) + 1):
        lanes = [*others[:place], Lane(3, {}), *others[place:]]
        assert_row(programs.run(made, lanes), place, alone)


@EACH
def test_neighbours_with_other_settings_change_nothing(name, quick):
    made = programs.program(name, quick=quick)
    alone = programs.run(made, [Lane(3, {})])
    wild = {"step_size": 0.25, "initial_value": 2.0}
    wild |= {"window": 1} if name == "replay" else {}
    wild |= {"meta_step_size": 1.0} if name == "meta_gradient" else {}
    lanes = [Lane(3, wild), Lane(3, {"step_size": 1.0}), Lane(3, {}), Lane(7, wild)]
    block = programs.run(made, lanes)
    assert_row(block, 2, alone)
    assert (block["reward"][0] != block["reward"][2]).any(), "the neighbour's numbers do matter"


@EACH
def test_seeds_differ_and_a_full_block_has_no_padding(name, quick):
    made = programs.program(name, quick=quick)
    block = programs.run(made, [Lane(seed, {}) for seed in range(block_width())])
    assert len(block["reward"]) == block_width()
    assert len(np.unique(block["reward"], axis=0)) == block_width()
    assert_row(block, block_width() - 1, programs.run(made, [Lane(block_width() - 1, {})]))


def test_a_learned_model_is_each_lanes_own():
    made = programs.learning("meta_gradient")
    alone = programs.run(made, [Lane(3, {})])
    wild = [Lane(9, {"step_size": 0.25}), Lane(3, {}), Lane(4, {"meta_step_size": 1.0})]
    assert_row(programs.run(made, wild), 1, alone)
    # It began knowing nothing, and knew more in the second chunk.
    error = alone["model_error"][0][:, PROBLEM.known.is_candidate].mean(1)
    assert error[1] < error[0]


def with_slots(num_slots: int) -> Program:
    """An agent whose learned model has too few slots, which the suite's settings would refuse."""
    num_states, num_actions = PROBLEM.known.tables.probability.shape[1:3]
    model = models.learned(num_states, num_actions, num_slots, programs.LEARNING.discount)
    problem = programs.LEARNING_PROBLEM._replace(model=model)
    return Program(programs.LEARNING, SUITE.agents["no_planning"], problem, ROOT_SEED)


def test_a_learned_model_that_overflows_stops_the_run_at_the_end_of_the_call(monkeypatch):
    monkeypatch.setattr(program_module, "CHUNKS_PER_CALL", 1)
    made, done = programs.compiled(with_slots(2)), []
    with pytest.raises(
        UserError, match=r"more than 2 outcomes of a state and action.* set model.max_successors higher"
    ):
        made.run_block([Lane(0, {}), Lane(1, {})], jax.local_devices()[0], done.append)
    assert done == [], "nothing of it is kept"
    with pytest.raises(UserError, match=r"set model\.max_successors"):
        list(run_program(made, [Lane(0, {})], done.append))


def test_a_learned_model_with_slots_enough_does_not():
    record = programs.run(programs.learning("no_planning"), [Lane(0, {}), Lane(1, {})])
    assert record["reward"].shape == (2, programs.NUM_CHUNKS)


def test_more_lanes_than_a_block_are_several_blocks_in_order():
    made = programs.program("no_planning")
    lanes = [Lane(seed, {}) for seed in range(2 * block_width() + 1)]
    assert [len(block) for block in blocks_of(lanes, block_width())] == [block_width(), block_width(), 1]
    made.compile(workers())
    done = []
    results = list(run_program(made, lanes, done.append))
    assert [lane.seed for block in results for lane in block.lanes] == list(range(len(lanes)))
    assert sum(done) == len(lanes) * SUITE.steps
    rewards = np.concatenate([block.record["reward"] for block in results])
    for seed in (0, block_width(), 2 * block_width()):
        np.testing.assert_array_equal(rewards[seed], programs.run(made, [Lane(seed, {})])["reward"][0])


def test_a_sweep_is_one_compilation(monkeypatch):
    built = []

    def counting(*arguments):
        built.append(arguments)
        return build_agent(*arguments)

    monkeypatch.setattr(program_module, "build_agent", counting)
    compile_quickly(monkeypatch)
    made = Program(SUITE, SUITE.agents["uniform"], PROBLEM, ROOT_SEED, tunes=True)
    made.compile(jax.local_devices()[:1])
    assert len(built) == 2, "the initial state and the chunks, each traced once"
    sweep = [
        Lane(seed, {"step_size": size, "planning_updates": updates})
        for seed in range(8)
        for size in (0.1, 0.9)
        for updates in (1, 5)
    ]
    results = list(run_program(made, sweep, lambda steps: None))
    assert len(results) == 2
    assert len(built) == 2
    rewards = np.concatenate([block.record["reward"] for block in results])
    assert len(np.unique(rewards, axis=0)) == len(sweep)


def test_a_lane_with_other_numbers_is_an_agent_with_these_settings():
    lane = Lane(3, {"step_size": 0.75})
    swept = programs.run(programs.program("uniform"), [Lane(1, {}), lane])
    assert_row(swept, 1, programs.run(programs.with_step_size("uniform", 0.75), [Lane(3, {})]))


def test_a_lane_cannot_differ_in_what_the_program_does_not_trace():
    made = programs.program("uniform")
    for wrong in ({"planning_updates": 2}, {"meta_step_size": 0.1}):
        with pytest.raises(ValueError, match=f"lanes may differ in .* not in .*{next(iter(wrong))}"):
            programs.run(made, [Lane(0, {}), Lane(1, wrong)])


def test_issue_a_sweep_around_a_whole_step_size_is_not_cut_to_whole_numbers():
    swept = programs.run(programs.with_step_size("uniform", 1), [Lane(3, {"step_size": 0.75})])
    known = programs.run(programs.program("uniform"), [Lane(3, {"step_size": 0.75})])
    np.testing.assert_array_equal(swept["reward"], known["reward"])


@pytest.mark.parametrize("name", ["uniform", "meta_gradient"])
def test_tuning_without_measures_and_in_more_calls_is_the_same_run(name, monkeypatch):
    known, chunks_per_call = programs.record(name)["reward"], programs.program(name).chunks_per_call
    assert chunks_per_call == programs.NUM_CHUNKS
    monkeypatch.setattr(program_module, "CHUNKS_PER_CALL", 1)
    compile_quickly(monkeypatch)
    rare = programs.dataclasses.replace(SUITE, measure_every=250)
    made = Program(rare, SUITE.agents[name], PROBLEM, ROOT_SEED, tunes=True)
    made.compile(jax.local_devices()[:1])
    found = programs.run(made, [Lane(seed, {}) for seed in range(4)])
    assert list(found) == ["reward"]
    np.testing.assert_array_equal(found["reward"], known)


def test_a_program_runs_what_a_plain_run_runs():
    agent = build_agent(SUITE, SUITE.agents["meta_gradient"], PROBLEM)
    plain = quick_jit(lambda seed: dyna.run(agent, run_key(ROOT_SEED, seed), 1000, chunk_steps=250))
    known = programs.record("meta_gradient")["reward"]
    for seed in range(2):
        np.testing.assert_array_equal(plain(seed)[1], known[seed])


def test_the_key_of_a_run_depends_on_root_and_seed_and_on_nothing_else():
    keys = [jax.random.key_data(run_key(root, seed)) for root in (0, 1) for seed in (0, 1, 2**31)]
    assert len({tuple(np.asarray(key).tolist()) for key in keys}) == len(keys)
    as_array = jax.random.key_data(run_key(0, np.uint32(1)))
    np.testing.assert_array_equal(as_array, jax.random.key_data(run_key(0, 1)))


def test_every_core_is_a_worker():
    devices = workers()
    assert len(devices) >= 1
    assert set(devices) <= set(jax.local_devices())
