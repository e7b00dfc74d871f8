"""What the pages of the strategies and of the environments say that the code knows: settings, costs, sources, results.

Each function reads the table of strategies, the suites, docstrings or committed results, and returns Markdown. No
page types such a fact a second time.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from mgsc import search_control
from mgsc.environments.changing import UNCHANGED
from mgsc.experiments.design import quantities
from mgsc.experiments.design.agents import AgentSettings
from mgsc.experiments.design.parts import ENVIRONMENTS
from mgsc.experiments.design.suites import PAPER_SUITES, SUITES, Suite, updates_of
from mgsc.experiments.running.measure_table import MORE_MEASURES
from mgsc.experiments.studies import across
from mgsc.experiments.studies.summary import load_summary, summaries
from mgsc.experiments.tuning.space import STEP_SIZES
from mgsc.search_control.row import Need, NoSettings
from mgsc.search_control.table import STRATEGIES
from mgsc.settings import describe

DOCS = Path(__file__).parent.parent
RESULTS = DOCS / "results"
OF_NETWORKS = "net-cartpole"
"""The suite whose costs are shown of strategies for networks only."""

COMPARISON = "comparison"
"""The study in which all agents meet."""

HAS = {
    "truth": "tables",
    "listed": "listed states",
    "episodes": "recorded episodes",
    "held out": "a model with held-out transitions",
    "actor": "actions that are numbers",
}
"""What a problem may have, in the words of the pages."""


class Cost(NamedTuple):
    """What one real step of an agent costs in a suite, beside its K sampled updates.

    Attributes:
        updates: K.
        backups: expected backups per real step.
        memory: bytes of the strategy's own state, for one seed.
    """

    updates: int
    backups: int
    memory: int


def factory_of(name: str) -> Callable[..., Any] | None:
    """The function of ``mgsc.search_control`` that a row's ``build`` names; None for Q-learning."""
    row = STRATEGIES[name]
    if not row.plans:
        return None
    assert inspect.isfunction(row.build), "rows of the table are built by plain functions"
    named = sorted(set(row.build.__code__.co_names) & set(search_control.__all__))
    factories: list[Callable[..., Any]] = [getattr(search_control, word) for word in named if word[0].islower()]
    makers = [made for made in factories if inspect.signature(made).return_annotation == "Strategy"]
    if len(makers) != 1:
        raise ValueError(f"{name}: its row must build with one factory of mgsc.search_control, not {named}")
    return makers[0]


def source_of(name: str) -> str:
    """The ``Source:`` paragraph of the factory's docstring, or else of its module's."""
    factory = factory_of(name)
    if factory is None:
        return ""
    for documented in (factory, inspect.getmodule(factory)):
        text = inspect.getdoc(documented) or ""
        if found := re.search(r"^Source: (.*?)(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL):
            return " ".join(found[1].split())
    raise ValueError(f"{name}: the docstring of {factory.__name__} has no paragraph `Source:`")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """A Markdown table, the last ``numbers`` columns to the right."""
    rule = [*["---"] * (len(header) - numbers), *["---:"] * numbers]
    lines = [header, rule, *[[cell.replace("|", "\\|") for cell in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(name: str) -> str:
    """What the table says of a strategy, with its factory, what it asks, and what it needs by default."""
    row, factory = STRATEGIES[name], factory_of(name)
    facts = [f"*{row.summary[0].upper() + row.summary[1:]}.*"]
    if factory is None:
        facts.append("No planning: K = 0.")
    else:
        facts.append(f"Made by {{py:func}}`mgsc.search_control.{factory.__name__}`.")
        asks = "the model" if row.queries_model else "stored real transitions, not the model"
        facts.append(f"Each planning update asks {asks}.")
        if needs := row.needs(row.settings()):
            facts.append(f"It needs {', '.join(needs)}.")
    return " ".join(facts)


def settings(name: str) -> str:
    """The strategy's own settings: default, limits, where tuning searches, meaning."""
    row = STRATEGIES[name]
    searched = {key: (span.low, span.high, span.share_of_zero) for key, span in row.space.items()}
    if row.settings is NoSettings:
        return "None of its own. " + _shared_search(name)
    rows = []
    for field in dataclasses.fields(row.settings):
        rule = field.metadata
        is_traced = rule["kind"] == "number" or rule.get("traced", False)
        rows.append(
            [
                f"`{field.name}`",
                _value(field.default),
                describe(rule),
                _span(searched.get(field.name)),
                "yes" if is_traced else "no",
                rule["help"],
            ]
        )
    header = ("setting", "default", "allowed", "tuning searches", "traced", "meaning")
    return table(header, rows) + "\n\n" + _shared_search(name)


def _shared_search(name: str) -> str:
    row = STRATEGIES[name]
    low, high, *_ = row.space.get("step_size", STEP_SIZES)
    text = f"Tuning searches the step size α in {low:g} … {high:g}"
    if row.plans:
        updates = "and K from 1 to the budget" if row.tunes_updates else "and leaves K at the budget"
        text += f", {updates}"
    return f"{text}.{_searched_elsewhere(name)}"


def _searched_elsewhere(name: str) -> str:
    """The ranges that tuning has beside those of tables, in sentences; empty where there are none."""
    row = STRATEGIES[name]
    places = {
        "values are networks": row.space_of_networks,
        "updates are of minibatches": row.space_of_minibatches(row.settings()),
    }
    return "".join(
        f" Where {place}, it searches {' and '.join(f'`{key}` in {_span(span[:3])}' for key, span in space.items())}."
        for place, space in places.items()
        if space
    )


def _span(span: tuple[float, float, float] | None) -> str:
    if span is None:
        return "–"
    low, high, share_of_zero = span
    return f"{'0, ' if share_of_zero else ''}{low:g} … {high:g}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def shared_settings() -> str:
    """The settings every agent of a suite has, whatever its strategy."""
    rows = [
        [f"`{field.name}`", _value(field.default), describe(field.metadata), field.metadata["help"]]
        for field in dataclasses.fields(AgentSettings)
        if field.metadata and field.name != "strategy"
    ]
    return table(("setting", "default", "allowed", "meaning"), rows)


def measures() -> str:
    """All that is recorded of a run, by the list that recorder, store and figures share."""
    groups = {
        "of an agent that plans, per chunk": quantities.MEASURES,
        "of every agent, per chunk": quantities.ALWAYS,
        "for each state, per chunk": quantities.STATE_MEASURES,
        "for each state, at a chunk's end": quantities.SNAPSHOTS,
        "by a strategy of itself": quantities.REPORTED,
        "where candidates are drawn anew, per chunk": quantities.SPREAD,
        "with `records_episodes`, per chunk": quantities.EPISODES,
    }
    rows = [[f"`{name}`", meaning, of] for of, listed in groups.items() for name, meaning in listed.items()]
    for row in MORE_MEASURES:
        where = [f"with {HAS[one]}" for one in row.needs] + [f"without {HAS[one]}" for one in row.spares]
        rows.append([f"`{row.name}`", f"{row.meaning} [{row.unit}]", ", ".join([*where, "per chunk"])])
    return table(("name", "meaning [unit]", "recorded"), rows)


def agents_of(name: str, suite: Suite) -> dict[str, AgentSettings]:
    """The agents of a suite that are this strategy; by itself where there is none."""
    found = {agent: own for agent, own in suite.agents.items() if own.strategy == name}
    return found or {name: AgentSettings(strategy=name, options=STRATEGIES[name].settings())}


@functools.cache
def _problem(suite_name: str) -> Any:
    from mgsc.experiments.running.build import build_problem

    return build_problem(SUITES[suite_name])


def cost_of(suite_name: str, agent: AgentSettings) -> Cost:
    """What an agent costs in a suite, with its untuned settings."""
    import jax

    from mgsc import dyna
    from mgsc.experiments.running.build import build_agent, expected_backups

    suite, problem = SUITES[suite_name], _problem(suite_name)
    row, updates = STRATEGIES[agent.strategy], updates_of(suite, agent)
    if not row.plans:
        return Cost(0, 0, 0)
    built = build_agent(suite, agent, problem)
    state = jax.eval_shape(lambda key: dyna.init(built, key).search, jax.random.key(0))
    memory = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return Cost(updates, expected_backups(suite, agent, problem), memory)


def costed_in(name: str) -> tuple[str, ...]:
    """The suites in which a strategy's cost is shown: the paper's or, where these lack what it needs, another."""
    row = STRATEGIES[name]
    needs_networks = {"stored transitions", "an ensemble"} & set(row.needs(row.settings()))
    return (OF_NETWORKS,) if needs_networks else tuple(PAPER_SUITES)


def cost(name: str) -> str:
    """Expected backups per real step and memory, in every suite; variants with other options have rows of their own."""
    rows = []
    for suite_name in costed_in(name):
        suite, seen = SUITES[suite_name], list[object]()
        for agent_name, agent in agents_of(name, suite).items():
            if agent.options in seen:
                continue
            seen.append(agent.options)
            found = cost_of(suite_name, agent)
            of = _problem(suite_name).facts
            states = f"{of.num_states:,}" if of.has_listed_observations else "–"
            sizes = (of.num_actions, *found)
            rows.append([f"`{suite_name}`", f"`{agent_name}`", states, *(f"{number:,}" for number in sizes)])
    header = ("suite", "agent", "S", "A", "K", "expected backups per step", "memory [bytes per seed]")
    note = "Counted when this page was built, with untuned settings."
    return f"{table(header, rows, numbers=5)}\n\n{note}"


def strategies() -> str:
    """All strategies in the order of the table, each linked to its page."""
    rows = []
    for name, row in STRATEGIES.items():
        found = cost_of(costed_in(name)[0], AgentSettings(name, options=row.settings()))
        own = 0 if row.settings is NoSettings else len(dataclasses.fields(row.settings))
        rows.append([f"[`{name}`](/strategies/{name}.md)", row.summary, str(own), f"{found.backups:,}"])
    return table(("strategy", "what it does", "settings", "expected backups"), rows, numbers=2)


def needs() -> str:
    """What each strategy that plans needs of a problem, with its own settings as they are by default."""
    rows = []
    for name, row in STRATEGIES.items():
        if row.plans:
            needed = row.needs(row.settings())
            cells = ["yes" if need in needed else "" for need in get_args(Need)]
            rows.append([f"[`{name}`](/strategies/{name}.md)", *cells])
    return table(("strategy", *get_args(Need)), rows)


def suite_results(name: str) -> str:
    """The rows of this strategy's agents in the committed tables of the suites."""
    rows = []
    for suite_name, suite in PAPER_SUITES.items():
        means = dict(_first_table(RESULTS / f"{suite_name}.md"))
        order = sorted(means, key=lambda agent: -_number(means[agent][1]))
        for agent, own in suite.agents.items():
            if own.strategy == name and agent in means:
                n, mean, interval, share = means[agent][:4]
                place = f"{order.index(agent) + 1} of {len(order)}"
                link = f"[`{suite_name}`](/results.md#{suite_name})"
                rows.append([link, f"`{agent}`", n, mean, interval, share, place])
    if not rows:
        return "It stands in none of the paper's suites, so their tables do not show it."
    header = ("suite", "agent", "n", "total reward", "95 % interval", "of optimum", "place by mean")
    return table(header, rows, numbers=5) + "\n\nFrom `mgsc reproduce`; n counts seeds, of 50,000 steps each."


def _first_table(file: Path) -> Iterator[tuple[str, list[str]]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\| `(\w+)` \| (.*) \|$", line):
            yield found[1], found[2].split(" | ")
        elif line.startswith("Optimum:"):
            return


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def comparison(name: str, file: Path | None = None) -> str:
    """What the comparison of all agents found of one; so long as it has not been run, that it has not."""
    file = file or summaries() / f"{COMPARISON}.json"
    if not file.is_file():
        return "The comparison of all agents has not been run: there is nothing to report of it yet."
    rows = []
    for cell in load_summary(str(file))["cells"]:
        means = {agent: entry["mean"] for agent, entry in cell["agents"].items()}
        order = sorted(means, key=lambda agent: -means[agent])
        for agent, entry in cell["agents"].items():
            if entry["settings"]["strategy"] == name:
                score = across.scores_of(cell, agent).mean()
                interval = f"{entry['low']:,.0f} … {entry['high']:,.0f}"
                place = f"{order.index(agent) + 1} of {len(order)}"
                shown = [f"{entry['n']}", f"{entry['mean']:,.0f}", interval, f"{score:.2f}", place]
                rows.append([str(cell["ground"]), f"`{agent}`", *shown])
    if not rows:
        return "The comparison of all agents does not hold it."
    header = ("problem", "agent", "n", "total reward", "95 % interval", "score", "place by mean")
    told = f"From `mgsc study show {COMPARISON}`; a score of 0 is Q-learning's mean, 1 the ε-soft optimum."
    return table(header, rows, numbers=5) + f"\n\n{told}"


def environments() -> str:
    """A line for each environment of the table."""
    rows = [[f"[`{name}`](#{name})", row.summary] for name, row in ENVIRONMENTS.items()]
    return table(("environment", "what"), rows)


def environment_settings(name: str) -> str:
    """The settings of an environment: default, limits, meaning; its changes where it has a choice of them."""
    rows, changes = [], ""
    for field in dataclasses.fields(ENVIRONMENTS[name].settings):
        rule = field.metadata
        rows.append([f"`{field.name}`", _value(field.default), describe(rule), rule["help"]])
        if field.name == "change":
            kinds = ", ".join(f"`{option}`" for option in rule["options"] if option != UNCHANGED)
            changes = f"\n\nChanges: {kinds}."
    return table(("setting", "default", "allowed", "meaning"), rows) + changes
