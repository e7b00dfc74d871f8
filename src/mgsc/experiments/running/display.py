"""What a person sees while a suite runs: a live table on a terminal, a plain line now and then elsewhere."""

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
"""Seconds between lines where there is no terminal."""


def short(number: float) -> str:
    """A count with two or three digits: 1.50M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.0f}"


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.finished and task.finished_speed:
            return Text(f"{short(task.finished_speed)} steps/s")
        return Text(f"{short(task.speed)} steps/s" if task.speed else str(task.fields["phase"]))


@contextlib.contextmanager
def display(title: str) -> Iterator[Listener]:
    """Shows progress on standard error while the block runs; lane-steps are environment steps of one seed."""
    console = Console(stderr=True)
    if console.is_terminal:
        with _live(title, console) as listener:
            yield listener
    else:
        yield _plain(title, console)


@contextlib.contextmanager
def _live(title: str, console: Console) -> Iterator[Listener]:
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[done]:>15}"),
        _Speed(),
        TimeRemainingColumn(compact=True),
    )
    console.print(f"[bold]{title}[/bold]")
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}
        lock = threading.Lock()

        def start(agent: str, steps: int) -> None:
            if agent in tasks:
                bars.update(tasks[agent], total=(bars.tasks[tasks[agent]].total or 0) + steps)
            else:
                tasks[agent] = bars.add_task(agent, total=steps, start=False, phase="waiting", done="")

        def running(agent: str) -> None:
            bars.start_task(tasks[agent])
            bars.update(tasks[agent], phase="running")

        def advance(agent: str, steps: int) -> None:
            with lock:
                task = bars.tasks[tasks[agent]]
                done = f"{short(task.completed + steps)}/{short(task.total or 0)}"
                bars.update(tasks[agent], advance=steps, done=done)

        yield Listener(start, running, advance)


def _plain(title: str, console: Console) -> Listener:
    began, lock = time.monotonic(), threading.Lock()
    total: dict[str, int] = {}
    done: dict[str, int] = {}
    last = [began]

    def say(agent: str, now: float) -> None:
        steps, everything = sum(done.values()), sum(total.values())
        seconds = now - began
        rate = steps / seconds if seconds else 0.0
        left = (everything - steps) / rate if rate else float("nan")
        console.print(
            f"{title}: {agent}  {100 * steps / everything:3.0f} %  {short(steps)}/{short(everything)} steps  "
            f"{short(rate)} steps/s  ETA {left:.0f} s",
            highlight=False,
            soft_wrap=True,
        )
        last[0] = now

    def start(agent: str, steps: int) -> None:
        total[agent] = total.get(agent, 0) + steps
        done.setdefault(agent, 0)

    def advance(agent: str, steps: int) -> None:
        with lock:
            done[agent] += steps
            now = time.monotonic()
            if now - last[0] >= PLAIN_SECONDS or sum(done.values()) == sum(total.values()):
                say(agent, now)

    return Listener(start, lambda agent: None, advance)
