"""A tour with pictures: a maze, Q-learning, planning everywhere, MGSC, where it looks, and its gradient by hand.

Six pictures and a few lines about each, in about a minute::

    python examples/tour.py --out tour
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np

import mgsc
from mgsc import environments, meta_gradient
from mgsc.experiments import mean_interval

mpl.use("agg")
import matplotlib.pyplot as plt

COLOURS = {"no_planning": "#7F7F7F", "uniform": "#0072B2", "meta_gradient": "#D55E00"}
NAMES = {"no_planning": "Q-learning", "uniform": "uniform planning", "meta_gradient": "MGSC"}
GOOD, BAD, INK = "#009E73", "#CC79A7", "#222222"


def save(figure, out, name, words):
    figure.savefig(out / name, dpi=150)
    plt.close(figure)
    print(f"{name:24} {words}")


def draw_maze(axes, maze, numbers=None, norm=None):
    """The maze's cells, coloured by one number for each state; grey where there is none."""
    image = None
    height, width = int(maze.row.max()) + 1, int(maze.column.max()) + 1
    if numbers is not None:
        picture = np.full((height, width), np.nan)
        picture[maze.row, maze.column] = np.where(maze.tables.is_terminal, np.nan, numbers)
        image = axes.imshow(picture, cmap="Blues", norm=norm, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    for state, (row, column) in enumerate(zip(maze.row, maze.column, strict=True)):
        is_end = maze.tables.is_terminal[state]
        face = "#e6e6e6" if is_end else "white" if numbers is None else "none"
        axes.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=face, edgecolor=INK, linewidth=0.8))
    axes.set(xlim=(-0.7, width - 0.3), ylim=(height - 0.3, -0.7), aspect="equal")
    axes.axis("off")
    return image


def label_goals(axes, maze, phase):
    """What entering each end gives in a phase."""
    for column, gain in ((maze.column.max(), 1 - 2 * phase), (maze.column.min(), 2 * phase - 1)):
        colour, words = (GOOD, "+1") if gain > 0 else (BAD, "−1")
        axes.text(column, 0, words, ha="center", va="center", color=colour, weight="bold")


def the_maze(out, maze, settings):
    figure, panels = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained")
    for phase, axes in enumerate(panels):
        draw_maze(axes, maze)
        label_goals(axes, maze, phase)
        start = int(np.argmax(maze.tables.start))
        axes.text(maze.column[start], maze.row[start], "start", ha="center", va="center", fontsize=8)
        axes.set_title(("first phase", "second phase")[phase], fontsize=10)
    figure.suptitle(f"A TMaze whose goals swap every {settings.switch_every:,} steps", fontsize=11)
    save(figure, out, "1-maze.png", "the problem; the agent's model has the first phase's rewards for ever")


def reward_curves(out, name, result, agents, title, words):
    """Reward per step through time: the mean over seeds, and its 95 % interval."""
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    per_step = result.reward / result.attrs["record_every"]
    for agent in agents:
        each = per_step.sel(agent=agent).values
        intervals = np.array([mean_interval(column) for column in each.T])
        axes.plot(result.step, intervals[:, 0], color=COLOURS[agent], label=NAMES[agent])
        axes.fill_between(result.step, *intervals[:, 1:].T, color=COLOURS[agent], alpha=0.2, linewidth=0)
    axes.plot(
        result.step, result.optimal_reward / result.attrs["record_every"], color=INK, lw=1, ls=":", label="optimum"
    )
    for switch in result.attrs["switch_steps"]:
        axes.axvline(switch, color="#cccccc", linewidth=0.8, zorder=0)
    axes.set(xlabel="environment steps", ylabel="reward per step", title=title, xlim=(0, int(result.step[-1])))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    save(figure, out, name, words)


def the_distribution(out, maze, result):
    """d at the ends of the last two phases."""
    d = result.query_distribution.sel(agent="meta_gradient").mean("seed")
    phase = result.phase_of_chunk.values
    figure, panels = plt.subplots(1, 2, figsize=(7, 3.3), layout="constrained")
    lasts = [int(np.flatnonzero(phase == number)[-1]) for number in (0, 1)]
    norm = plt.Normalize(0, float(max(d[chunk].max() for chunk in lasts)))
    for number, (axes, chunk) in enumerate(zip(panels, lasts, strict=True)):
        image = draw_maze(axes, maze, d[chunk].values, norm)
        label_goals(axes, maze, number)
        for state in np.flatnonzero(result.wrong_state.values[number]):
            corner = (maze.column[state] - 0.5, maze.row[state] - 0.5)
            axes.add_patch(plt.Rectangle(corner, 1, 1, fill=False, edgecolor=BAD, linewidth=2, linestyle="--"))
        axes.set_title(
            ("while the model is right", "while it is wrong")[number] + f", step {int(result.step[chunk]):,}",
            fontsize=10,
        )
    ticks = plt.MaxNLocator(6, steps=[1, 2, 5, 10])
    bar = figure.colorbar(image, ax=panels, shrink=0.7, ticks=ticks, format=lambda value, _: f"{value:.0%}")
    bar.set_label("share of the queries", fontsize=9)
    figure.suptitle("From which states MGSC queries its model; dashed: there the model is wrong", fontsize=11)
    wrong = float(result.wrong_mass.sel(agent="meta_gradient").values[:, phase == 1].mean())
    evenly = float(result.wrong_mass.sel(agent="uniform").values[:, phase == 1].mean())
    words = f"while the model is wrong, {wrong:.1%} of the queries go where it is (uniform: {evenly:.1%})"
    save(figure, out, "5-distribution.png", words)


def by_hand(out):
    """Two possible queries, a target, and one number that shares the planning between them."""
    directions, step_size, target = jnp.eye(2), 0.2, jnp.array([0.3, 0.1])

    def planned_at(logit):
        share = jax.nn.sigmoid(logit)
        return meta_gradient.planned_from_directions(jnp.zeros(2), directions, jnp.stack([share, 1 - share]), step_size)

    def loss(logit):
        return meta_gradient.meta_loss(planned_at(logit), target)

    value, slope = jax.value_and_grad(loss)(0.0)
    figure, (plane, curve) = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained")
    line = np.array([planned_at(logit) for logit in jnp.linspace(-6, 6, 60)])
    planned = np.array(planned_at(0.0))
    plane.plot(*line.T, color="#7F7F7F", lw=1, label="all that planning can reach")
    plane.plot(*planned, "o", color=COLOURS["meta_gradient"], label="planned: half and half")
    plane.plot(*target, "*", color=INK, markersize=11, label="target")
    plane.annotate("", target, planned, arrowprops={"arrowstyle": "->", "color": COLOURS["meta_gradient"]})
    plane.set(
        xlabel="first parameter", ylabel="second parameter", xlim=(-0.02, 0.34), ylim=(-0.02, 0.26), aspect="equal"
    )
    plane.legend(frameon=False, fontsize=8, loc="upper right")
    logits = np.linspace(-3, 3, 61)
    curve.plot(logits, jax.vmap(loss)(jnp.asarray(logits)), color=COLOURS["uniform"])
    around = np.array([-1.2, 1.2])
    curve.plot(around, value + slope * around, color=COLOURS["meta_gradient"], label=f"slope {slope:.2f}")
    curve.plot(0, value, "o", color=COLOURS["meta_gradient"])
    curve.set(xlabel="logit of the first query", ylabel="meta-loss")
    curve.legend(frameon=False, fontsize=9)
    for axes in (plane, curve):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle("The meta-gradient by hand: more of the query that points at the target", fontsize=11)
    save(figure, out, "6-by-hand.png", f"L = {value:.2f}, dL/dlogit = {slope:.2f}: the first query gains weight")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("tour"), help="folder for the pictures")
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps of each run")
    parser.add_argument("--switch-every", type=int, default=2500, help="steps between swaps of the goals")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args(arguments)
    if options.steps < 2 * options.switch_every:
        parser.error(f"--steps is {options.steps}: two phases take {2 * options.switch_every}")
    options.out.mkdir(parents=True, exist_ok=True)
    settings = environments.TMazeSettings(switch_every=options.switch_every)
    maze = environments.tmaze(settings)
    the_maze(options.out, maze, settings)
    changes = {"steps": options.steps, "environment.switch_every": options.switch_every}
    result = mgsc.run("tmaze-fixed", agents=list(NAMES), seeds=options.seeds, settings=changes)
    total = {agent: mean_interval(result.reward.sel(agent=agent).sum("chunk")) for agent in NAMES}

    def said(agent):
        mean, low, high = total[agent]
        return f"{NAMES[agent]}: total reward {mean:,.0f} ({low:,.0f} to {high:,.0f})"

    curves = [
        ("2-q-learning.png", ["no_planning"], "Without planning: learns slowly, after every switch anew"),
        (
            "3-uniform.png",
            ["no_planning", "uniform"],
            "Planning everywhere: fast while the model is right, harmful after",
        ),
        ("4-mgsc.png", list(NAMES), "MGSC: plans where it helps"),
    ]
    for name, agents, title in curves:
        reward_curves(options.out, name, result, agents, title, said(agents[-1]))
    the_distribution(options.out, maze, result)
    by_hand(options.out)


if __name__ == "__main__":
    main()
