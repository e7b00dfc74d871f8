"""Gymnasium's environments stepped live from inside a compiled loop."""

from __future__ import annotations

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import compile_quickly, quick_jit

import mgsc
from mgsc.candidates import BufferSettings
from mgsc.environments import CartPoleSettings, GymnasiumLiveSettings, cartpole, live_gymnasium
from mgsc.environments.changing import ChangingState
from mgsc.errors import UserError
from mgsc.experiments import choose_agents, own_environment
from mgsc.experiments.design.suites import NETWORK_SUITES, Suite
from mgsc.experiments.running.program import in_words
from mgsc.models.mlp import MlpModel
from mgsc.saving import load_state, save_state
from mgsc.values.mlp import MlpSettings

LIMIT, NUM_STEPS, NUM_LANES = 30, 60, 3
KEYS = jax.random.split(jax.random.key(5), NUM_LANES)


def host_of(simulator):
    """The host whose environments the simulator steps."""
    (host,) = {
        cell.cell_contents for cell in simulator.environment.step.__closure__ if hasattr(cell.cell_contents, "forget")
    }
    return host


def begin(simulator, key):
    return simulator.environment.reset(simulator.environment.draw_reset(key), simulator.params, None)


def walk(simulator, key, carry, first, num_steps):
    """Steps numbered from ``first`` on; actions and chance are functions of the key and the number of the step."""
    environment, params = simulator.environment, simulator.params

    def step(carry, number):
        state, observation = carry
        key_action, key_step, key_reset = jax.random.split(jax.random.fold_in(key, number), 3)
        action = jax.random.bernoulli(key_action, 0.6).astype(jnp.int32)
        seed = environment.draw(key_step)
        made = environment.step(seed, state, action, params)
        begun = environment.reset(environment.draw_reset(key_reset), params, made.state)
        is_over = made.terminated | made.truncated
        after = jax.tree.map(lambda new, old: jnp.where(is_over, new, old), begun, (made.state, made.observation))
        kept = observation, action, made.observation, made.reward, made.terminated, made.truncated, state.seed
        return after, kept

    return jax.lax.scan(step, carry, first + jnp.arange(num_steps))


@pytest.fixture(scope="module")
def live():
    simulator = live_gymnasium("CartPole-v1", time_limit=LIMIT)
    run = jax.vmap(lambda key, carry, first: walk(simulator, key, carry, first, NUM_STEPS // 2), (0, 0, None))
    return simulator, quick_jit(jax.vmap(lambda key: begin(simulator, key))), quick_jit(run)


@pytest.fixture(scope="module")
def whole(live):
    """A run of all lanes in two halves, and the state between them."""
    simulator, start, run = live
    between, early = run(KEYS, start(KEYS), 0)
    after, late = run(KEYS, between, NUM_STEPS // 2)
    record = jax.tree.map(lambda *halves: np.concatenate(halves, 1), early, late)
    return simulator, jax.device_get(between), jax.device_get(after), record


def test_every_lane_is_gymnasiums_own_episodes(whole):
    """Played by hand with the same seeds and actions: the same numbers, ends, and begins."""
    *_, (before, actions, after, reward, terminated, truncated, seeds) = whole
    env = gymnasium.make("CartPole-v1", max_episode_steps=LIMIT)
    for lane in range(NUM_LANES):
        is_over = True
        for number in range(NUM_STEPS):
            if is_over:
                observation, _ = env.reset(seed=int(seeds[lane, number]))
            np.testing.assert_array_equal(before[lane, number], observation)
            observation, theirs, ends, cut, _ = env.step(int(actions[lane, number]))
            is_over = ends or cut
            np.testing.assert_array_equal(after[lane, number], observation)
            assert (reward[lane, number], terminated[lane, number], truncated[lane, number]) == (theirs, ends, cut)
    assert terminated.any()
    assert len(np.unique(seeds)) > NUM_LANES


def test_steps_are_those_of_our_own_cartpole(whole):
    *_, (before, actions, after, reward, terminated, *_) = whole
    simulator = cartpole(CartPoleSettings())

    def one(physics, action):
        state = ChangingState(physics, jnp.int32(0), jnp.int32(0))
        return simulator.environment.step((), state, action, simulator.params)

    ours = quick_jit(jax.vmap(jax.vmap(one)))(before, actions)
    np.testing.assert_allclose(ours.observation, after, rtol=2e-5, atol=2e-6)
    np.testing.assert_array_equal(ours.terminated, terminated)
    np.testing.assert_array_equal(ours.reward, reward)


def test_a_saved_state_goes_on_bit_for_bit_where_nothing_is_remembered(live, whole, tmp_path):
    """In the middle of episodes: they are played again in new environments."""
    simulator, _, run = live
    _, between, after, record = whole
    assert between[0].episode_step.max() > 5
    save_state(between, tmp_path / "state.npz")
    host_of(simulator).forget()
    restored = load_state(tmp_path / "state.npz", like=between)
    again, late = run(KEYS, restored, NUM_STEPS // 2)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(again), after)
    jax.tree.map(lambda half, both: np.testing.assert_array_equal(half, both[:, NUM_STEPS // 2 :]), late, record)
    once_more, _ = run(KEYS, restored, NUM_STEPS // 2)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(once_more), after)


def test_lanes_do_not_depend_on_one_another_and_copies_are_played_once(live, whole):
    simulator, start, run = live
    host = host_of(simulator)
    host.forget()
    copies = KEYS[jnp.array([1, 1, 1])]
    _, record = run(copies, start(copies), 0)
    jax.tree.map(
        lambda found, lanes: np.testing.assert_array_equal(found, np.stack([lanes[1, : NUM_STEPS // 2]] * 3)),
        jax.device_get(record),
        whole[3],
    )
    assert host._num_idle == 1


def test_an_episode_is_truncated_and_not_also_terminated():
    """Pendulum never ends, and its actions are numbers."""
    simulator = live_gymnasium("Pendulum-v1", time_limit=3)
    environment = simulator.environment
    assert environment.num_actions == 0
    state, first = environment.reset(np.uint32(7), (), None)
    env = gymnasium.make("Pendulum-v1")
    np.testing.assert_array_equal(first, env.reset(seed=7)[0])
    for number in range(3):
        action = jnp.array([0.5 * number], jnp.float32)
        made = environment.step(np.uint32(8), state, action, ())
        np.testing.assert_array_equal(made.observation, env.step(np.array(action))[0])
        assert (bool(made.terminated), bool(made.truncated)) == (False, number == 2)
        state = made.state
    _, following = environment.reset(np.uint32(9), (), state)
    np.testing.assert_array_equal(following, env.reset(seed=8)[0], err_msg="begun by the step that ended the episode")


class Moody(gymnasium.Env):
    """What it shows is decided by nothing that it is given."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))
    action_space = gymnasium.spaces.Discrete(2, start=3)
    shown = 0.0

    def reset(self, *, seed=None, options=None):
        return self.step(3)[0], {}

    def step(self, action):
        assert action in (3, 4)
        Moody.shown += 1.0
        return np.array([Moody.shown], np.float32), 0.0, False, False, {}


def test_an_environment_that_its_seed_does_not_decide_runs_and_cannot_be_gone_on_from():
    with pytest.warns(UserWarning, match="Moody came out otherwise .* its results cannot be repeated"):
        simulator = live_gymnasium(Moody, time_limit=5)
    environment = simulator.environment
    state, _ = environment.reset(np.uint32(1), (), None)
    state = environment.step(np.uint32(1), state, jnp.int32(1), ()).state
    host = host_of(simulator)
    host.forget()
    arguments = [np.asarray(part) for part in (state.seed, state.episode_step, state.actions, state.observation)]
    with pytest.raises(UserError, match="Moody came out otherwise when an episode was played again"):
        host.step(*arguments, np.int32(0), np.uint32(1))


def test_settings_and_wrappers_of_ones_own_are_told_apart_where_results_are_kept():
    """Two functions of one name, which differ inside."""

    def of_length(length):
        def make():
            return gymnasium.wrappers.TimeAwareObservation(gymnasium.make("CartPole-v1", max_episode_steps=length))

        return make

    simulators = [
        live_gymnasium("CartPole-v1"),
        live_gymnasium("CartPole-v1", sutton_barto_reward=True),
        live_gymnasium(of_length(20)),
        live_gymnasium(lambda: of_length(20)()),
    ]
    digests = [own_environment("any", simulator).digest for simulator in simulators]
    assert len(set(digests)) == len(simulators)
    assert own_environment("any", live_gymnasium("CartPole-v1")).digest == digests[0]


class Broken(Moody):
    """It comes farther than the steps with which it is tried, and then no further."""

    taken = 0

    def reset(self, *, seed=None, options=None):
        self.taken = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.taken += 1
        if self.taken > 9:
            raise RuntimeError("out of order")
        return np.zeros(1, np.float32), 0.0, False, False, {}


def test_what_goes_wrong_in_an_environment_is_said_in_its_words():
    simulator = live_gymnasium(Broken, time_limit=19)
    run = quick_jit(lambda key: walk(simulator, key, begin(simulator, key), 0, 19))
    with pytest.raises(UserError, match=r"^Broken fails: RuntimeError: out of order$"), in_words(simulator.environment):
        jax.block_until_ready(run(KEYS[0]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: live_gymnasium("CartPole-v9"), "gymnasium.make.'CartPole-v9'. failed"),
        (lambda: live_gymnasium("FrozenLake-v1"), "observation space of FrozenLake-v1 is Discrete.*a Box is allowed"),
        (lambda: live_gymnasium(Moody), "Moody has no limit of steps: set time_limit"),
        (lambda: live_gymnasium(Moody, time_limit=2**19), "Moody has episodes of 524288 steps: set time_limit"),
        (lambda: live_gymnasium(Moody, size=3), "size: a function that makes an environment takes no settings"),
    ],
)
def test_what_cannot_be_stepped_is_refused_in_words(build, message):
    with pytest.raises(UserError, match=message):
        build()


def test_a_suite_of_a_live_environment_runs(monkeypatch):
    compile_quickly(monkeypatch)
    suite = Suite(
        "CartPole, live",
        GymnasiumLiveSettings("CartPole-v1", time_limit=15),
        MlpModel(units=4, layers=1, batch_size=2, capacity=20),
        steps=40,
        record_every=20,
        measure_every=20,
        planning_updates=1,
        values=MlpSettings(units=4, layers=1),
        candidates=BufferSettings(num_candidates=4, capacity=20),
        records_episodes=True,
        agents=choose_agents(NETWORK_SUITES["cartpole"], ["uniform"]).agents,
    )
    result = mgsc.run(suite, seeds=3)
    assert result.sizes["seed"] == 3
    np.testing.assert_array_equal(result.reward.sum("chunk"), 40)
    assert (result.episodes_truncated + result.episodes_terminated).sum() >= 3 * 40 // 15
    with pytest.raises(UserError, match="actions of Pendulum-v1 are numbers"):
        mgsc.run(Suite("x", GymnasiumLiveSettings("Pendulum-v1"), steps=250, agents=suite.agents), seeds=1)
