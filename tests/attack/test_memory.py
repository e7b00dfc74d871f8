"""What cannot fit into memory is refused before anything is computed or written."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mgsc import cli
from mgsc.experiments.running import memory

RUNS = {
    "too many seeds": (["--seeds", "2000000000"], "at most 1000000 are possible"),
    "too many chunks": (
        ["--steps", "1073741824", "--set", "record_every=1", "--set", "measure_every=1"],
        "raise record_every",
    ),
}


@pytest.mark.parametrize("case", RUNS)
def test_issue_what_does_not_fit_is_refused(case, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    options, words = RUNS[case]
    assert cli.main(["run", "tmaze-fixed", *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert list(tmp_path.iterdir()) == []


def test_issue_memory_that_runs_out_is_one_line(capsys, monkeypatch) -> None:
    def runs_out(options):
        raise MemoryError("Unable to allocate 8.00 GiB")

    monkeypatch.setattr(cli, "_list", runs_out)
    assert cli.main(["list"]) == 2
    assert capsys.readouterr().err.startswith("mgsc: not enough memory: unable to allocate 8.00 GiB; use fewer --seeds")


def test_issue_too_few_addresses_are_refused_in_words(tmp_path) -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (900_000 * 1024,) * 2)\n"
        "from mgsc.cli import main; sys.exit(main(['run', 'tmaze-fixed', '--seeds', '1']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "this process may use 0.9 GiB of addresses (ulimit -v), and JAX needs 2.0 GiB" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_estimate_counts_what_is_recorded(monkeypatch) -> None:
    from mgsc.experiments.design.suites import choose_agents, get_suite
    from mgsc.experiments.running.build import build_problem

    suite = choose_agents(get_suite("tmaze-fixed"), ["uniform", "replay"])
    problem = build_problem(suite)
    # 200 chunks of 15 states; see docs: 5 arrays of states, the rest one number a chunk.
    few, many = (memory.result_bytes(suite, problem, seeds) for seeds in (1, 10))
    assert many == 10 * few
    assert few > 4 * 2 * 200 * (5 * len(problem.known.is_candidate))
    monkeypatch.setattr(memory, "memory_limit", lambda: 3 * few)
    memory.check_memory(suite, problem, 1)
    with pytest.raises(memory.UserError, match="raise record_every, or run fewer seeds"):
        memory.check_memory(suite, problem, 2)


@pytest.fixture
def program():
    from tests.experiments.small_tuning import SUITE

    from mgsc.experiments.running.build import build_problem
    from mgsc.experiments.running.program import Program

    return Program(SUITE, SUITE.agents["no_planning"], build_problem(SUITE), 0, tunes=True)


def test_a_block_that_a_device_cannot_hold_is_refused_before_it_runs(program, monkeypatch) -> None:
    import jax

    from mgsc.errors import UserError

    device = jax.local_devices(backend="cpu")[0]
    monkeypatch.setattr(memory, "device_limit", lambda device: 100)
    with pytest.raises(UserError, match=r"a block of 16 lanes on .* needs about .*: lower lanes_per_block"):
        program.compile([device])
    monkeypatch.undo()
    program.compile([device])
    assert 0 < memory.block_bytes(program.functions(device).call) < 2**24

    def full(*arguments):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes")

    from mgsc.experiments.running.program import Lane

    compiled = program.functions(device)
    monkeypatch.setitem(program._compiled, (device, 16), compiled._replace(call=full))
    with pytest.raises(UserError, match="has no memory left for a block of 16 lanes: lower lanes_per_block"):
        program.run_block([Lane(0, {})], device, lambda steps: None)


def test_a_device_that_does_not_say_what_it_holds_is_trusted() -> None:
    class Accelerator:
        platform = "gpu"

        def memory_stats(self):
            return None

    class Full(Accelerator):
        def memory_stats(self):
            return {"bytes_limit": 5}

    assert memory.device_limit(Accelerator()) is None
    assert memory.device_limit(Full()) == 5
    assert memory.block_bytes(object()) == 0
