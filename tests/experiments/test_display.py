"""What is shown while a suite runs where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mgsc.experiments.running import display
from mgsc.experiments.running.executor import execute
from mgsc.experiments.running.executors import THREADS
from mgsc.experiments.running.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def shown(monkeypatch):
    """A plain display at a clock of ours, and what it has said."""
    clock, text = Clock(), io.StringIO()
    monkeypatch.setattr(display, "time", clock)
    with display._plain("suite", Console(file=text, width=200)) as listener:
        yield clock, text, listener


def test_it_says_from_the_first_second_what_compiles(shown):
    clock, text, listener = shown
    for agent in ("one", "other"):
        listener.start(agent, 1000)
    listener.compiling("one")
    assert text.getvalue() == "suite: compiling 1 of 2, one\n"
    clock.now += 1
    listener.compiling("other")
    assert text.getvalue().count("\n") == 1, "a line now and then"


def test_steps_per_second_are_of_the_time_in_which_somebody_runs(shown):
    clock, text, listener = shown
    for agent in ("one", "other"):
        listener.start(agent, 1000)
        listener.compiling(agent)
    clock.now += 50
    listener.running("one")
    clock.now += 1
    listener.advance("one", 1000)
    clock.now += 50  # the other still compiles
    listener.running("other")
    clock.now += 1
    listener.advance("other", 1000)
    assert text.getvalue().splitlines()[-1] == "suite: other  100 %  2k/2k steps  1k steps/s  ETA 0 s"


def test_issue_a_unit_that_a_cluster_reports_at_once_has_no_speed(shown):
    clock, text, listener = shown
    listener.start("one", 1000)
    listener.running("one")
    clock.now += 1e-5
    listener.advance("one", 500)
    clock.now += 10
    listener.advance("one", 500)
    first, last = text.getvalue().splitlines()
    assert first == "suite: one   50 %  500/1k steps"
    assert last == "suite: one  100 %  1k/1k steps  100 steps/s  ETA 0 s"


def test_issue_a_command_that_was_stopped_has_the_last_word():
    """A thread that still runs when the command has answered a signal says nothing more."""
    text = io.StringIO()
    with display._plain("suite", Console(file=text, width=200)) as listener:
        listener.start("one", 1000)
        listener.running("one")
    listener.advance("one", 1000)
    listener.compiling("other")
    assert text.getvalue() == ""


def test_sessions_say_when_a_program_begins_to_compile_and_when_it_runs():
    from tests.experiments.programs import SUITE

    from mgsc.experiments.design.suites import choose_agents
    from mgsc.experiments.running.units import units_of

    said: list[tuple[str, str]] = []
    progress = Progress(
        compiling=lambda agent: said.append(("compiling", agent)), running=lambda agent: said.append(("running", agent))
    )
    units = units_of(choose_agents(SUITE, ["no_planning"]), range(20), 0)
    assert len(list(execute(units, THREADS, progress))) == len(units) > 1
    assert said == [("compiling", "no_planning"), ("running", "no_planning")]


def test_a_terminal_shows_what_compiles_and_then_what_runs():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    shown = []
    with display._live("suite", console) as listener:
        (bars,) = console._live_stack

        def look() -> None:
            text = Console(file=io.StringIO(), width=120)
            text.print(bars.get_renderable())
            shown.append(text.file.getvalue())

        listener.start("one", 1000)
        look()
        listener.compiling("one")
        look()
        listener.running("one")
        look()
        listener.advance("one", 1000)
        look()
    for text, expected in zip(shown, ("waiting", "compiling", "running", ""), strict=True):
        assert expected in text
    assert "compiling" not in shown[2]
    assert "compiling" not in shown[3]
    assert "1k/1k" in shown[3]


def test_programs_are_counted_that_are_compiled(shown):
    clock, text, listener = shown
    for agent in ("one", "two", "three"):
        listener.start(agent, 1000)
    for agent in ("one", "two"):
        listener.compiling(agent)
    listener.shared("two")
    clock.now += 50
    listener.compiling("three")
    assert text.getvalue().splitlines()[-1] == "suite: compiling 2 of 2, three"


def test_a_terminal_counts_the_programs_that_are_compiled():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with display._live("suites", console) as listener:
        (bars,) = console._live_stack
        for _ in range(3):
            listener.start("suite", 1000)
        listener.compiling("suite")
        listener.compiling("suite")
        listener.shared("suite")
        listener.compiling("suite")
        text = Console(file=io.StringIO(), width=120)
        text.print(bars.get_renderable())
    assert "compiling 2 of 2" in text.file.getvalue()
