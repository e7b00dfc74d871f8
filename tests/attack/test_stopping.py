"""A command that is stopped says so, with the status that shells and clusters expect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from mgsc import cli, interrupts
from mgsc.interrupts import Stopped, stopping

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "stopped by SIGTERM", signal.SIGHUP: "stopped by SIGHUP"}


@pytest.fixture(autouse=True)
def nothing_is_ignored():
    """What starts the tests in the background may ignore signals, and so would they."""
    before = {number: signal.getsignal(number) for number in WORDS}
    for number in WORDS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", WORDS)
def test_issue_signals_are_answered_in_words(number, capsys, monkeypatch) -> None:
    before = signal.getsignal(number)
    monkeypatch.setattr(cli, "_list", lambda options: os.kill(os.getpid(), number))
    assert cli.main(["list"]) == 128 + number
    assert capsys.readouterr().err == f"mgsc: {WORDS[number]}; to go on, give the same command again\n"
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        (["compare", "x"], "same command"),
        (["run", "x"], "--resume"),
        (["run", "x", "--index", "0", "--of", "2"], "what is finished is kept, give the same command again"),
    ],
)
def test_issue_advice_fits_the_command(command, advice, capsys, monkeypatch) -> None:
    monkeypatch.setattr(cli, f"_{command[0]}", lambda options: os.kill(os.getpid(), signal.SIGTERM))
    assert cli.main(command) == 143
    assert advice in capsys.readouterr().err


def test_issue_who_waits_is_told_at_once(capfd, monkeypatch) -> None:
    def compiles_long() -> str:
        said = ""
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except Stopped:
            deadline = time.monotonic() + 10
            while not said and time.monotonic() < deadline:
                said = capfd.readouterr().err
        return said

    monkeypatch.setattr(interrupts, "PATIENCE", 0.0)
    with stopping():
        said = compiles_long()
    assert said == interrupts.WORDS.decode()


def test_issue_a_signal_in_a_finaliser_is_not_lost() -> None:
    class Ends:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)  # what is raised here, Python ignores

    def goes_on() -> None:
        ends = Ends()
        del ends
        time.sleep(10)

    with pytest.raises(Stopped), stopping():
        goes_on()


def test_issue_a_signal_at_the_exit_of_the_interpreter_prints_no_traceback() -> None:
    code = (
        "import atexit, os, signal, sys; atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "from mgsc.cli import main; sys.exit(main(['list', 'suites']))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (process.returncode, process.stderr) == (-signal.SIGINT, "")
    assert process.stdout.startswith("Suites")


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        with stopping():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_issue_a_cluster_that_ends_a_run_is_answered(tmp_path) -> None:
    command = ["run", "tmaze-fixed", "--agents", "no_planning", "--seeds", "1", "--out", str(tmp_path / "result")]
    # So long that the signal always comes before the end.
    for setting in (
        "steps=20000000",
        "record_every=2000",
        "measure_every=2000",
        "environment.switch_every=20000000",
    ):
        command += ["--set", setting]
    code = f"import sys; from mgsc.cli import main; sys.exit(main({command!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    manifest, deadline = tmp_path / "result" / "manifest.json", time.monotonic() + 120
    while not manifest.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.terminate()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143
    assert said.splitlines()[-1] == "mgsc: stopped by SIGTERM; what is finished is kept, go on with --resume"
    assert manifest.exists()
