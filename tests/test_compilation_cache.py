"""Where compiled programs are kept, and that they are found again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mgsc import cli, compilation_cache
from mgsc.compilation_cache import FOLDER, LIMIT, contents, processor, root, switch_on
from mgsc.errors import UserError

COMPILES = """
import sys
from mgsc import compilation_cache
compilation_cache.switch_on()
import jax, jax.numpy as jnp
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
found = []
jax.monitoring.register_event_listener(lambda event, **rest: found.append(event))
print(float(jax.jit(lambda x: jnp.sin(x).sum())(jnp.arange(8.0))))
print("hits", sum(event.endswith("cache_hits") for event in found))
"""


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in (FOLDER, "JAX_COMPILATION_CACHE_MAX_SIZE", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_it_lies_in_the_users_cache_folder_apart_for_each_processor(home):
    variables = {"XDG_CACHE_HOME": str(home)}
    switch_on(variables)
    assert Path(variables[FOLDER]) == home / "mgsc" / "programs" / processor() == root(variables) / processor()
    assert variables["JAX_COMPILATION_CACHE_MAX_SIZE"] == str(LIMIT)
    assert root({}).is_relative_to(Path.home())


def test_a_cache_that_the_user_has_set_wins(home):
    variables = {"XDG_CACHE_HOME": str(home), FOLDER: "elsewhere"}
    switch_on(variables)
    assert variables == {"XDG_CACHE_HOME": str(home), FOLDER: "elsewhere"}
    assert not list(home.iterdir())


def test_nothing_is_kept_where_the_folder_cannot_be_made(home):
    (home / "mgsc").write_text("a file")
    variables = {"XDG_CACHE_HOME": str(home)}
    switch_on(variables)
    assert FOLDER not in variables


def test_two_processes_at_once_share_it_and_the_next_one_finds_what_they_compiled(home):
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-W", "error", "-c", COMPILES], stdout=subprocess.PIPE, text=True)

    both = [start(), start()]
    outputs = [process.communicate(timeout=100)[0].split("hits") for process in both]
    again = start()
    third = again.communicate(timeout=100)[0].split("hits")
    assert [process.returncode for process in (*both, again)] == [0, 0, 0]
    assert outputs[0][0] == outputs[1][0] == third[0]
    assert int(third[1]) > 0
    assert contents(home).programs > 0


def test_the_command_shows_and_clears_it(home, capsys, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())  # what the command switches on ends with this test
    switch_on()
    (Path(os.environ[FOLDER]) / "jit_f-0-cache").write_bytes(bytes(2_000_000))
    assert cli.main(["cache"]) == 0
    shown = capsys.readouterr().out
    assert "1 compiled programs, 2.0 MB" in shown
    assert f"in use on this machine: {os.environ[FOLDER]}" in shown
    assert cli.main(["cache", "--clear"]) == 0
    assert "1 compiled programs removed" in capsys.readouterr().out
    assert contents(home) == (0, 0)
    assert cli.main(["cache", "--clear"]) == 0, "there is nothing, and that is no error"
    monkeypatch.setenv(FOLDER, "elsewhere")
    assert cli.main(["cache"]) == 0
    assert f"not in use: {FOLDER} is elsewhere" in capsys.readouterr().out


def test_a_cache_that_cannot_be_removed_is_said(home, monkeypatch):
    root().mkdir(parents=True)

    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(compilation_cache.shutil, "rmtree", refuse)
    with pytest.raises(UserError, match=r"cannot remove .*: Permission denied"):
        compilation_cache.clear()
