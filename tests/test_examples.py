"""The scripts in ``examples/`` run, are as short as they say, and do what they say."""

from __future__ import annotations

import ast
import importlib.util
import re
import runpy
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.quick import compile_quickly

import mgsc
from mgsc.meta_gradient import transition_meta_loss
from mgsc.types import Candidates, Params, Parts, Successors, Transition

ROOT = Path(__file__).parent.parent
EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.py"))}
LONGEST = {"own_environment": 20, "own_strategy": 40}
README = (ROOT / "README.md").read_text(encoding="utf-8")


def body_length(source: str) -> int:
    """Lines of a script that are not blank, without imports and the module's docstring."""
    left_out = set()
    for number, node in enumerate(ast.parse(source).body):
        is_docstring = number == 0 and isinstance(node, ast.Expr)
        if is_docstring or isinstance(node, ast.Import | ast.ImportFrom):
            left_out.update(range(node.lineno, node.end_lineno + 1))
    lines = enumerate(source.splitlines(), 1)
    return sum(number not in left_out and bool(line.strip()) for number, line in lines)


def load(name: str):
    """An example as a module; its ``main`` has not run."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES[name])
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_length_is_counted_as_promised():
    source = '"""A\n\nword."""\n\nimport a\nfrom b import (\n    c,\n)\n\nx = """\n\n1"""\n\n# why\ny = 2\n'
    # x takes two lines that are not blank, the comment one, y one.
    assert body_length(source) == 4


@pytest.mark.parametrize("name", LONGEST)
def test_a_short_example_is_short(name):
    source = EXAMPLES[name].read_text()
    assert body_length(source) <= LONGEST[name]
    assert max(map(len, source.splitlines())) <= 120, "as formatted by ruff"
    assert not re.search(r";\s|\bif .*: \S|\bfor .*: \S", source.split('"""')[2]), "one statement a line"


def test_the_readme_names_every_example():
    assert set(re.findall(r"examples/(\w+)\.py", README)) == set(EXAMPLES)


@pytest.fixture
def short_runs(monkeypatch):
    """``mgsc.run`` with one seed and a few hundred steps."""
    compile_quickly(monkeypatch)
    monkeypatch.setattr("mgsc.experiments.running.devices.CPU_WIDTH", 2)
    run = mgsc.run

    def run_shortly(suite, agents=None, seeds=None, root_seed=0, settings=None):
        small = {"steps": 500, "environment.switch_every": 250}
        return run(suite, agents=agents, seeds=2, root_seed=root_seed, settings=small)

    monkeypatch.setattr(mgsc, "run", run_shortly)


@pytest.mark.slow
def test_own_strategy(short_runs, capsys):
    found = runpy.run_path(str(EXAMPLES["own_strategy"]))
    result = found["result"]
    assert result.agent.values.tolist() == ["uniform", "meta_gradient", "trusted"]
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["uniform", "meta_gradient", "trusted"]
    assert all("95 % interval" in line for line in printed)
    # Its rule: less planning where the model was found wrong than uniform planning does.
    wrong = result.wrong_mass.isel(chunk=-1).mean("seed")
    assert wrong.sel(agent="trusted") < wrong.sel(agent="uniform")


# --- the plain agent ------------------------------------------------------------------------------


def test_the_plain_agent_learns_a_model_and_goes_on_from_its_memory(tmp_path, capsys):
    plain, memory = load("plain_agent"), tmp_path / "agent.npz"
    plain.main(["--steps", "150", "--memory", str(memory)])
    like = plain.Agent(True, 0).memory()
    first = mgsc.load_state(memory, like=like)
    assert first["model"]["count"].sum() == 150
    plain.main(["--steps", "50", "--memory", str(memory)])
    assert mgsc.load_state(memory, like=like)["model"]["count"].sum() == 200
    assert capsys.readouterr().out.count("mean return of") == 2


def test_the_plain_agents_counts_are_the_model_that_mgsc_sees():
    plain = load("plain_agent")
    agent = plain.Agent(True, 0)
    for after, ends in ((3, 0), (3, 0), (5, 1)):
        agent.model["count"][2, 1, after] += 1
        agent.model["reward"][2, 1, after], agent.model["ends"][2, 1, after] = after / 10, ends
    answers = plain.expect(agent.model, 2, 1)
    np.testing.assert_allclose(answers.probability[np.array([3, 5])], [2 / 3, 1 / 3])
    np.testing.assert_allclose(answers.reward[np.array([3, 5])], [0.3, 0.5])
    np.testing.assert_allclose(answers.discount[np.array([3, 5])], [plain.DISCOUNT, 0])
    untried = plain.expect(agent.model, 7, 0)
    np.testing.assert_array_equal(untried.probability, np.arange(plain.STATES) == 7)


def test_the_plain_agent_turns_away_from_where_its_model_is_wrong():
    """State 0 is as its model says, and state 1 is not: d leaves state 1."""
    plain = load("plain_agent")
    agent = plain.Agent(True, 0)
    agent.has_acted[:2] = True
    for state, reward in ((0, 1.0), (1, -1.0)):
        agent.model["count"][state, :, 15], agent.model["ends"][state, :, 15] = 1, 1
        agent.model["reward"][state, :, 15] = reward
    for step in range(200):
        # In truth both pay 1; the values are where experience has left them.
        real = Transition(step % 2, 0, 1.0, 0.0, 15)
        d = agent.query_distribution(real)
    assert d[0] > 0.7
    assert d.sum() == pytest.approx(1)
    np.testing.assert_array_equal(d[2:], 0)


def test_the_plain_agent_beside_uniform(capsys):
    load("plain_agent").main(["--steps", "120", "--seeds", "1"])
    printed = capsys.readouterr().out
    assert "uniform " in printed
    assert "MGSC " in printed


# --- networks -------------------------------------------------------------------------------------


def some_problem(cartpole, key):
    """Parameters that are no constants, a batch of candidates, and a real transition."""
    keys = jax.random.split(key, 6)

    def network(key, sizes):
        layers = cartpole.init_mlp(key, sizes)
        last = layers[-1]
        return [*layers[:-1], (0.3 * jax.random.normal(key, last[0].shape), last[1])]

    observations = jax.random.normal(keys[0], (6, 4))
    candidates = Candidates(observations, jnp.arange(6), jnp.array([True] * 5 + [False]))
    params = Params(network(keys[1], (4, 8, 8, 2)), network(keys[2], (6, 8, 5)))
    real = Transition(observations[0], jnp.int32(1), jnp.float64(1.0), jnp.float64(0.9), observations[1])
    return params, network(keys[3], (4, 8, 1)), candidates, real


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
def test_the_networks_meta_gradient_is_that_of_finite_differences():
    """∂L/∂η through exact_network, softmax and h, against the general meta-loss with its target held fixed."""
    cartpole = load("cartpole_mlp")
    params, logits, candidates, real = some_problem(cartpole, jax.random.key(1))
    step_size = 0.3
    loss, gradient, weights = cartpole.meta_gradient(cartpole.PARTS, params, logits, candidates, real, step_size)
    assert weights[5] == 0
    assert np.ptp(weights[:5]) > 0.01
    numbers = (step_size, cartpole.PLANNING_UPDATES)
    planned = mgsc.meta_gradient.planned_parameters(cartpole.PARTS, params, candidates, weights, *numbers)
    target = mgsc.meta_gradient.target_parameters(cartpole.PARTS, planned, params.values, real, step_size)

    @jax.jit
    def loss_of(flat):
        weights = cartpole.query_weights(unflatten(flat), candidates)
        return transition_meta_loss(cartpole.PARTS, params, candidates, weights, None, *numbers, target=target)

    flat, unflatten = jax.flatten_util.ravel_pytree(logits)
    expected, _ = jax.flatten_util.ravel_pytree(gradient)
    assert float(loss) == pytest.approx(float(loss_of(flat)))
    size = 1e-6
    for place in range(0, len(flat), 7):
        nudge = jnp.zeros_like(flat).at[place].set(size)
        slope = (loss_of(flat + nudge) - loss_of(flat - nudge)) / (2 * size)
        assert float(slope) == pytest.approx(float(expected[place]), rel=1e-5, abs=1e-9)
    assert np.abs(expected).max() > 1e-4


@pytest.mark.slow
def test_the_candidates_weights_leave_where_the_model_is_wrong():
    """Every episode ends at once with reward 1; the model says so where x < 0, and −1 elsewhere."""
    cartpole = load("cartpole_mlp")

    def expect(model, observation, action):
        reward = jnp.where(observation[0] < 0, 1.0, -1.0)
        return Successors(jnp.ones(1), reward[None], jnp.zeros(1), observation[None])

    parts = Parts(cartpole.apply_mlp, cartpole.POLICY.probabilities, expect)
    state = cartpole.init(jax.random.key(0))

    def step(carry, key):
        logits, optimizer = carry
        key_candidates, key_real = jax.random.split(key)
        observations = jax.random.normal(key_candidates, (24, 4))
        candidates = Candidates(observations, jnp.arange(24), jnp.ones(24, bool))
        here = jax.random.normal(key_real, (4,))
        real = Transition(here, jnp.int32(0), jnp.float32(1.0), jnp.float32(0.0), here)
        params = Params(state.values, state.model)
        _, gradient, weights = cartpole.meta_gradient(parts, params, logits, candidates, real, 0.01)
        mass = jnp.sum(jnp.where(observations[:, 0] < 0, weights, 0)) - jnp.mean(observations[:, 0] < 0)
        return cartpole.descend(logits, optimizer, gradient, 0.01), mass

    keys = jax.random.split(jax.random.key(1), 300)
    _, excess = jax.jit(lambda: jax.lax.scan(step, (state.logits, state.logits_optimizer), keys))()
    assert excess[0] == pytest.approx(0, abs=1e-6), "it begins uniform"
    assert excess[-100:].mean() > 0.3, "of at most 0.5"


@pytest.mark.slow
def test_cartpole_runs_and_mgsc_leaves_uniform(capsys):
    cartpole = load("cartpole_mlp")
    returns, spreads = cartpole.main(["--steps", "120", "--seeds", "2"])
    assert {name: each.shape for name, each in returns.items()} == dict.fromkeys(cartpole.AGENTS, (2,))
    assert all((each >= 8).all() for each in returns.values()), "a pole takes eight steps to fall"
    np.testing.assert_allclose(spreads["uniform"], 1, atol=1e-5)
    assert (spreads["MGSC"] < 0.999).all()
    assert capsys.readouterr().out.count(" to ") == 3


@pytest.mark.slow
def test_cartpoles_state_can_be_saved(tmp_path):
    """A state of networks, optimisers and a buffer goes on bit for bit."""
    cartpole = load("cartpole_mlp")
    key = jax.random.key(0)
    learn = jax.jit(cartpole.learn)
    numbers = cartpole.AGENTS["MGSC"]
    real = Transition(jnp.ones(4), jnp.int32(1), jnp.float32(0.02), jnp.float32(0.99), jnp.zeros(4))
    state, _ = learn(cartpole.init(key), numbers, real, key)
    mgsc.save_state(state, tmp_path / "state")
    restored = mgsc.load_state(tmp_path / "state", like=jax.eval_shape(cartpole.init, key))
    for one, other in zip(
        *map(jax.tree.leaves, (learn(state, numbers, real, key), learn(restored, numbers, real, key)))
    ):
        np.testing.assert_array_equal(one, other)


# --- the tour -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_tour_draws_its_pictures(short_runs, tmp_path, capsys):
    from matplotlib.image import imread

    tour = load("tour")
    tour.main(["--out", str(tmp_path / "pictures"), "--steps", "500", "--switch-every", "250"])
    names = ["1-maze", "2-q-learning", "3-uniform", "4-mgsc", "5-distribution", "6-by-hand"]
    printed = capsys.readouterr().out
    assert [path.stem for path in sorted((tmp_path / "pictures").iterdir())] == names
    for name in names:
        picture = imread(tmp_path / "pictures" / f"{name}.png")
        assert picture.shape[0] > 300
        assert picture.shape[1] > 900
        assert picture.std() > 0.05, f"{name} is blank"
        assert name in printed
    assert "L = 0.04, dL/dlogit = -0.02" in printed


def test_the_tour_needs_two_phases(tmp_path, capsys):
    with pytest.raises(SystemExit):
        load("tour").main(["--out", str(tmp_path), "--steps", "500", "--switch-every", "500"])
    assert "--steps is 500: two phases take 1000" in capsys.readouterr().err
