"""The scripts in ``examples/`` run, are as short as they say, and do what they say."""

from __future__ import annotations

import ast
import importlib.util
import re
import runpy
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from tests.quick import compile_quickly

import mgsc
from mgsc import dyna
from mgsc.types import Transition

ROOT = Path(__file__).parent.parent
EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.py"))}
LONGEST = {"own_environment": 20, "own_strategy": 40, "own_suite": 60, "cartpole_mlp": 80}
PAGE = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_imports_from_the_public_face_only(name):
    for node in ast.walk(ast.parse(EXAMPLES[name].read_text())):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("mgsc.") for alias in node.names)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mgsc"):
            assert node.module in ("mgsc", "mgsc.experiments"), node.module
            public = mgsc.__all__ if node.module == "mgsc" else mgsc.experiments.__all__
            assert {alias.name for alias in node.names} <= set(public)


@pytest.mark.parametrize("name", LONGEST)
def test_a_short_example_is_short(name):
    source = EXAMPLES[name].read_text()
    assert body_length(source) <= LONGEST[name]
    assert max(map(len, source.splitlines())) <= 120, "as formatted by ruff"
    assert not re.search(r";\s|\bif .*: \S|\bfor .*: \S", source.split('"""')[2]), "one statement a line"


def test_the_readme_names_every_example():
    assert set(re.findall(r"examples/(\w+)\.py", PAGE)) == set(EXAMPLES)


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


@pytest.fixture(scope="module")
def cartpole():
    return load("cartpole_mlp")


@pytest.mark.slow
def test_cartpole_runs_on_the_loop_and_mgsc_leaves_uniform(cartpole, capsys):
    results = cartpole.main(["--steps", "240", "--seeds", "2"])
    assert {name: each.shape for name, each in results.items()} == dict.fromkeys(cartpole.AGENTS, (2, 3))
    assert all((each[:, 0] >= 8).all() for each in results.values()), "a pole takes eight steps to fall"
    assert all((each[:, 1] >= 1).all() for each in results.values()), "episodes ended"
    np.testing.assert_allclose(results["uniform"][:, 2], 1, atol=1e-4)
    assert (results["MGSC"][:, 2] < 0.999).all()
    assert capsys.readouterr().out.count(" to ") == 3


@pytest.mark.slow
def test_a_state_of_networks_optimisers_and_buffers_can_be_saved(cartpole, tmp_path):
    """It goes on bit for bit."""
    agent, key = cartpole.build(*cartpole.AGENTS["MGSC"]), jax.random.key(0)

    @jax.jit
    def steps(state):
        return dyna.run_chunk(agent, state, key, num_steps=5, measure_every=5, recorder=dyna.total_reward())[0]

    state = steps(dyna.init(agent, key))
    mgsc.save_state(state, tmp_path / "state")
    restored = mgsc.load_state(tmp_path / "state", like=jax.eval_shape(lambda: dyna.init(agent, key)))
    assert int(restored.step) == 5
    for one, other in zip(*map(jax.tree.leaves, (steps(state), steps(restored))), strict=True):
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
