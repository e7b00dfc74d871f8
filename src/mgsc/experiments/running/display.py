"""The display of a running suite: a live table on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from mgsc.experiments.running.progress import Progress as Listener

PLAIN_SECONDS = 5.0
"""Seconds between lines where there is no terminal; the first comes at once."""

SHORTEST = 0.1
"""Seconds from which on a speed is said: a cluster reports a whole unit at once, as soon as it is seen to have run."""


def short(number: float) -> str:
    """A count with two or three digits: 1.50M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.0f}"


def _which(number: int, programs: int) -> str:
    """Which program it is; what is announced as one, such as a study's ground, may take several."""
    return f"{number} of {programs}" if number <= programs else f"program {number}"


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.finished and task.finished_speed:
            return Text(f"{short(task.finished_speed)} steps/s")
        if task.finished:
            return Text("done")
        return Text(f"{short(task.speed)} steps/s" if task.speed else str(task.fields["phase"]))


@contextlib.contextmanager
def display(title: str) -> Iterator[Listener]:
    """Shows progress on standard error while the block runs; lane-steps are environment steps of one seed."""
    console = Console(stderr=True)
    with _live(title, console) if console.is_terminal else _plain(title, console) as listener:
        yield listener


@contextlib.contextmanager
def _live(title: str, console: Console) -> Iterator[Listener]:
    columns = (
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[done]:>15}"),
        _Speed(),
        TimeRemainingColumn(compact=True),
    )
    console.print(Text(title, style="bold"))
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}
        lock = threading.Lock()

        compiling: dict[str, int] = {}

        def start(agent: str, steps: int) -> None:
            if agent in tasks:
                task = bars.tasks[tasks[agent]]
                bars.update(tasks[agent], total=(task.total or 0) + steps, programs=task.fields["programs"] + 1)
            else:
                tasks[agent] = bars.add_task(agent, total=steps, start=False, phase="waiting", done="", programs=1)

        def compile_began(agent: str) -> None:
            with lock:
                compiling[agent] = compiling.get(agent, 0) + 1
                programs = bars.tasks[tasks[agent]].fields["programs"]
                which = f" {_which(compiling[agent], programs)}" if (programs, compiling[agent]) != (1, 1) else ""
                bars.update(tasks[agent], phase=f"compiling{which}")

        def shared(agent: str) -> None:
            with lock:
                compiling[agent] -= 1
                bars.update(tasks[agent], programs=bars.tasks[tasks[agent]].fields["programs"] - 1)

        def running(agent: str) -> None:
            bars.start_task(tasks[agent])
            bars.update(tasks[agent], phase="running")

        def advance(agent: str, steps: int) -> None:
            with lock:
                task = bars.tasks[tasks[agent]]
                done = f"{short(task.completed + steps)}/{short(task.total or 0)}"
                bars.update(tasks[agent], advance=steps, done=done)

        yield Listener(start=start, compiling=compile_began, shared=shared, running=running, advance=advance)


class _Stopwatch:
    """Seconds in which at least one agent runs."""

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._before, self._since = 0.0, 0.0

    def begin(self, agent: str, now: float) -> None:
        if not self._running:
            self._since = now
        self._running.add(agent)

    def end(self, agent: str, now: float) -> None:
        if agent in self._running:
            self._running.remove(agent)
            if not self._running:
                self._before += now - self._since

    def seconds(self, now: float) -> float:
        return self._before + (now - self._since if self._running else 0.0)


class _Lines:
    """A line now and then, of all agents together."""

    def __init__(self, title: str, console: Console) -> None:
        self._title, self._console = title, console
        self._lock, self._watch = threading.Lock(), _Stopwatch()
        self._total: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._programs = self._compiling = 0
        self._last = -PLAIN_SECONDS
        self._is_over = False

    def start(self, agent: str, steps: int) -> None:
        self._programs += 1
        self._total[agent] = self._total.get(agent, 0) + steps
        self._done.setdefault(agent, 0)

    def compiling(self, agent: str) -> None:
        with self._lock:
            self._compiling += 1
            now = time.monotonic()
            if now - self._last >= PLAIN_SECONDS:
                self._say(f"compiling {_which(self._compiling, self._programs)}, {agent}", now)

    def shared(self, agent: str) -> None:
        del agent
        with self._lock:
            self._programs -= 1
            self._compiling -= 1

    def running(self, agent: str) -> None:
        with self._lock:
            self._watch.begin(agent, time.monotonic())

    def advance(self, agent: str, steps: int) -> None:
        with self._lock:
            self._done[agent] += steps
            now, made, everything = time.monotonic(), sum(self._done.values()), sum(self._total.values())
            if now - self._last >= PLAIN_SECONDS or made == everything:
                words = f"{agent}  {100 * made / everything:3.0f} %  {short(made)}/{short(everything)} steps"
                seconds = self._watch.seconds(now)
                if made and seconds >= SHORTEST:
                    rate = made / seconds
                    words += f"  {short(rate)} steps/s  ETA {(everything - made) / rate:.0f} s"
                self._say(words, now)
            if self._done[agent] == self._total[agent]:
                self._watch.end(agent, now)

    def end(self) -> None:
        """Says nothing from now on: when a command is stopped, the last line is the command's."""
        with self._lock:
            self._is_over = True

    def _say(self, words: str, now: float) -> None:
        if self._is_over:
            return
        self._console.print(f"{self._title}: {words}", markup=False, highlight=False, soft_wrap=True)
        self._last = now


@contextlib.contextmanager
def _plain(title: str, console: Console) -> Iterator[Listener]:
    lines = _Lines(title, console)
    try:
        yield Listener(
            start=lines.start,
            compiling=lines.compiling,
            shared=lines.shared,
            running=lines.running,
            advance=lines.advance,
        )
    finally:
        lines.end()
