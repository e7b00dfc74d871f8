"""Failures of a run in plain words: failure signatures in the stored measures.

Each signature is judged seed by seed and reported only where it applies. By the choice of thresholds a healthy run,
tuned or with default settings, shows none: the numbers of healthy runs of all suites stand beside each.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mgsc.experiments.reading import words
from mgsc.experiments.reading.missing import not_judged
from mgsc.experiments.reading.seed_runs import Run, mean_return, row_of_stored, runs_of
from mgsc.experiments.store.contract import check_result, what_it_has

if TYPE_CHECKING:
    import xarray as xr


Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FEWEST_CHUNKS = 8
"""Least number of chunks; of a shorter run only numbers that are not finite are reported."""

UNIFORM = 0.01
"""d has stayed uniform if never more than this share of planning went elsewhere; healthy runs move 2 % and more."""

FEW_STATES = 1.5
"""exp(entropy) of a d that is on one state, nearly; healthy runs are there in at most 4 % of their chunks."""

WASTED = 0.5
"""A concentrated d is a failure where at least this share of planning changes nothing or trusts a wrong model:
following the one state that matters from moment to moment is what d is for, and wastes little."""

MOST = 0.5
"""Share of the chunks that is most of a run."""

LESS_ERROR = 0.9
"""Values have improved if their error once was below this share of its start; healthy runs get below 0.75."""

MORE_REWARD = 0.05
"""Reward has improved if its share of the optimum grew by this from the first chunk to the second half; the return of
an episode, where there is no optimum, by this share of itself."""

NIL = 1e-9
"""Norm of a meta-gradient that is nil, over max |R|²; healthy runs: 1e-6 to 1e-3, and nil in up to a third of
their chunks, before the first reward is found."""

GROWTH = 1000.0
"""Growth of the meta-gradient's norm from the first to the last quarter of a run that counts as unbounded, if it
goes on from quarter to quarter and ends above max |R|²; healthy runs never come near max |R|² (at most 0.5 %)."""

OVERSHOT = 0.25
"""Share of the chunks in which planned updates overshoot that is substantial; healthy runs: up to 10 %."""

LARGER_STEPS = ("nil_gradient", "uniform", "no_improvement")
"""Signatures that larger steps may mend. They are not reported of an agent with values that are not finite."""

READ_OFF_VALUES = ("collapsed",)
"""Signatures that are not reported of a seed whose values are not finite, since they follow from the values."""


@dataclass(frozen=True)
class Finding:
    """One failure signature of one agent.

    Attributes:
        signature: its name.
        agent: that shows it.
        seeds: that show it.
        num_seeds: number of all seeds.
        since: environment step at which the first of these seeds begins to show it.
        figures: its numbers, means over these seeds.
        words: the failure in words.
        advice: in words, with the settings by their names.
    """

    signature: str
    agent: str
    seeds: tuple[int, ...]
    num_seeds: int
    since: int
    figures: Mapping[str, float]
    words: str
    advice: str

    def __str__(self) -> str:
        seeds = "all seeds" if len(self.seeds) == self.num_seeds else f"{len(self.seeds)} of {self.num_seeds} seeds"
        start = "since the first chunk" if self.signature == "not_finite" else "from the start"
        since = start if self.since == 0 else f"since step {self.since:,}"
        return f"{self.agent}: {self.words} ({seeds}, {since}). Try: {self.advice}."


class Sign(NamedTuple):
    """The sign of one seed: the chunk at which it begins, and its figures."""

    since: int
    figures: Mapping[str, float]


class Signature(NamedTuple):
    """The functions that recognise and describe a failure.

    Attributes:
        find: returns the sign, or None.
        tell: the words, from the figures.
        advise: the advice, from an agent's name and settings, where its strategy has none of its own.
    """

    find: Callable[[Run], Sign | None]
    tell: Callable[[Mapping[str, float]], str]
    advise: Callable[[str, Mapping[str, Any]], str]


def diagnose(dataset: xr.Dataset) -> list[Finding]:
    """The failure signatures of a result.

    Args:
        dataset: a result, in the form of ``store.contract``.

    Returns:
        The findings, agent by agent; none for a healthy result.

    Raises:
        UserError: that is no result.
    """
    check_result(dataset)
    settings = json.loads(dataset.attrs["settings"]).get("agents", {})
    unjudged = not_judged(what_it_has(dataset))
    findings = []
    for agent in (str(name) for name in dataset["agent"].values):
        own = settings.get(agent, {})
        runs = runs_of(dataset, agent, own)
        finite = {seed: run for seed, run in runs.items() if _is_not_finite(run) is None}
        for name, signature in SIGNATURES.items():
            if name in unjudged or (name in LARGER_STEPS and len(finite) < len(runs)):
                continue
            judged = finite if name in READ_OFF_VALUES else runs
            signs = {seed: sign for seed, run in judged.items() if (sign := signature.find(run)) is not None}
            if signs:
                findings.append(_finding(dataset, name, agent, signs, own))
    return _blaming_environment(findings, dataset.sizes["agent"])


def _blaming_environment(findings: list[Finding], num_agents: int) -> list[Finding]:
    """The findings, which advise to look at the environment where no agent is finite, whatever it learns."""
    broken = [finding for finding in findings if finding.signature == "not_finite"]
    has_rewards = all(finding.figures["rewards"] for finding in broken)
    if len(broken) < num_agents or not (has_rewards or num_agents > 1):
        return findings
    advice = "look first at the environment's rewards and observations, since no agent is finite"
    return [replace(one, advice=f"{advice}; else {one.advice}") if one in broken else one for one in findings]


def to_text(findings: list[Finding]) -> str:
    """The findings as text, a paragraph each; empty without any."""
    return "\n".join(map(str, findings))


def verdict(dataset: xr.Dataset, findings: list[Finding]) -> str:
    """The findings as text, or that there are none, or that the run is too short; and the signatures not judged."""
    chunks = dataset.sizes["chunk"]
    if chunks < FEWEST_CHUNKS and not findings:
        return f"too short to judge: {chunks} recorded chunks, at least {FEWEST_CHUNKS} are needed"
    has = what_it_has(dataset)
    text = to_text(findings) or "no failure signature"
    if names := not_judged(has):
        text += f"\nnot judged, for lack of {'listed states' if 'truth' in has else 'tables'}: {', '.join(names)}"
    return text


def to_json(findings: list[Finding]) -> str:
    """The findings as strict JSON; a figure that is not finite is null."""
    contents = [asdict(finding) for finding in findings]
    for entry in contents:
        entry["figures"] = {key: value if math.isfinite(value) else None for key, value in entry["figures"].items()}
    return json.dumps({"findings": contents}, indent=2, allow_nan=False, ensure_ascii=False)


def _finding(dataset: xr.Dataset, name: str, agent: str, signs: Mapping[int, Sign], settings: Any) -> Finding:
    first = min(sign.since for sign in signs.values())
    ends = np.asarray(dataset["step"].values, int)
    names = next(iter(signs.values())).figures
    figures = {key: float(np.mean([sign.figures[key] for sign in signs.values()])) for key in names}
    return Finding(
        name,
        agent,
        tuple(signs),
        dataset.sizes["seed"],
        int(ends[first - 1]) if first else 0,
        figures,
        SIGNATURES[name].tell(figures),
        _advise(name, agent, settings),
    )


def _is_not_finite(run: Run) -> Sign | None:
    parts = {"values": ~run.has_finite_values, "rewards": ~np.isfinite(run.measures["reward"])}
    if not run.learns:  # of a learned d its cause is reported, the gradient
        parts["d"] = ~run.has_finite_d
    broken = np.any(list(parts.values()), axis=0)
    if not broken.any():
        return None
    return Sign(int(np.argmax(broken)), {name: float(part.mean()) for name, part in parts.items()})


def _explodes(run: Run) -> Sign | None:
    if not run.learns:
        return None
    norm = run.measures["meta_gradient_norm"]
    d = run.measures["entropy"] if run.distance is None else run.distance
    broken = ~(np.isfinite(norm) & np.isfinite(run.measures["meta_loss"]) & np.isfinite(d))
    if broken.any():
        return Sign(int(np.argmax(broken)), {"norm": math.inf, "not_finite": float(broken.mean())})
    if len(norm) < FEWEST_CHUNKS:
        return None
    quarters = np.array_split(norm, 4)
    middles = [float(np.median(quarter)) for quarter in quarters]
    grows = all(later > earlier for earlier, later in itertools.pairwise(middles))
    if not grows or middles[-1] <= max(GROWTH * middles[0], run.reward_scale[1] ** 2):
        return None
    return Sign(len(quarters[0]), {"norm": middles[-1], "not_finite": 0.0})


def _is_nil(run: Run) -> Sign | None:
    nil = run.measures["meta_gradient_norm"] <= NIL * run.reward_scale[0] ** 2
    if not run.learns or len(nil) < FEWEST_CHUNKS or nil.mean() <= MOST:
        return None
    return Sign(
        _longest_stretch(nil),
        {"share": float(nil.mean()), "norm": float(np.max(run.measures["meta_gradient_norm"][nil]))},
    )


def _stays_uniform(run: Run) -> Sign | None:
    # One cause is reported once: without a gradient, or with one that is no number, d has nothing to go by.
    if run.distance is None or not run.learns or len(run.distance) < FEWEST_CHUNKS or _is_nil(run) or _explodes(run):
        return None
    farthest = float(run.distance.max())
    return Sign(0, {"elsewhere": farthest}) if farthest <= UNIFORM else None


def _has_collapsed(run: Run) -> Sign | None:
    is_measured = "redundant_mass" in run.measures
    states = np.exp(run.measures["entropy"]) if is_measured else run.measures["effective_candidates"]
    few = states < FEW_STATES
    if not run.learns or len(few) < FEWEST_CHUNKS or few.mean() <= MOST:
        return None
    figures = {"states": float(states[few].mean()), "share": float(few.mean())}
    if is_measured:
        figures["wasted"] = float((run.measures["wrong_mass"] + run.measures["redundant_mass"])[few].mean())
        if figures["wasted"] < WASTED:
            return None
    return Sign(_longest_stretch(few), figures)


def _does_not_improve(run: Run) -> Sign | None:
    if run.optimum is None:
        return _return_does_not_improve(run)
    error, reward = run.measures["value_error"], run.measures["reward"]
    if len(error) < FEWEST_CHUNKS or error[0] == 0:
        return None
    half = len(error) // 2
    optimum = run.optimum
    start, later = _share(reward[:1], optimum[:1]), _share(reward[half:], optimum[half:])
    least = float(np.min(error[1:]))
    if least < LESS_ERROR * error[0] or not later - start < MORE_REWARD:
        return None
    return Sign(0, {"first_error": float(error[0]), "least_error": least, "first_reward": start, "later_reward": later})


def _return_does_not_improve(run: Run) -> Sign | None:
    """Against the first chunk in which an episode ended or the first quarter, whichever is lower."""
    number = len(run.begins)
    half, quarter = number // 2, number // 4
    if run.ended is None or number < FEWEST_CHUNKS or not (run.ended[:half].any() and run.ended[half:].any()):
        return None
    first = int(np.argmax(run.ended > 0)) + 1
    start = min(mean_return(run, 0, first), mean_return(run, 0, max(first, quarter)))
    later = mean_return(run, half, number)
    if later - start > MORE_REWARD * max(abs(start), abs(later)):
        return None
    return Sign(0, {"first_return": start, "later_return": later})


def _overshoots(run: Run) -> Sign | None:
    over = run.measures["overshoot"] > 1
    row = row_of_stored(run.settings)
    can_overshoot = row is None or row.can_overshoot(run.settings)
    if not run.learns or not can_overshoot or len(over) < FEWEST_CHUNKS or over.mean() < OVERSHOT:
        return None
    return Sign(
        _longest_stretch(over),
        {"share": float(over.mean()), "overshoot": float(run.measures["overshoot"][over].mean())},
    )


def _share(reward: Floats, optimum: Floats) -> float:
    """Reward over the optimum's; where that is not above zero, the reward itself."""
    expected = float(optimum.sum())
    return float(reward.sum()) / expected if expected > 0 else float(reward.sum())


def _longest_stretch(flags: Flags) -> int:
    """Where the longest stretch of what is true begins."""
    turns = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    begins, ends = turns[::2], turns[1::2]
    return int(begins[np.argmax(ends - begins)])


def _advise(name: str, agent: str, settings: Mapping[str, Any]) -> str:
    """What the agent's strategy advises against a failure, or else what helps any."""
    row = row_of_stored(settings)
    advise = None if row is None else row.advice.get(name)
    return (advise or SIGNATURES[name].advise)(agent, settings)


def _advise_values(agent: str, settings: Mapping[str, Any]) -> str:
    from mgsc.search_control.row import named_setting

    advice = f"raise {named_setting(agent, settings, 'step_size')}, or give it more steps"
    if settings.get("strategy") == "no_planning":
        return advice
    return f"{advice}, or a better model: agent no_planning beside it tells whether the model is to blame"


def _always(advice: str) -> Callable[[str, Mapping[str, Any]], str]:
    """The same advice for any agent, where its strategy has none of its own."""

    def advise(agent: str, settings: Mapping[str, Any]) -> str:
        del agent, settings
        return advice

    return advise


SIGNATURES: Mapping[str, Signature] = {
    "not_finite": Signature(
        _is_not_finite,
        words.not_finite,
        _always("take smaller steps (lower step_size), or lower discount"),
    ),
    "exploding_gradient": Signature(
        _explodes,
        words.exploding,
        _always("take smaller steps where d is learned, or lower discount if values grow without bound"),
    ),
    "nil_gradient": Signature(
        _is_nil,
        lambda f: f"the meta-gradient is nil (norm at most {f['norm']:.1g}) in {100 * f['share']:.0f} % of the chunks",
        _always("see whether rewards are ever found: without any there is no gradient"),
    ),
    "uniform": Signature(
        _stays_uniform,
        lambda f: f"d has stayed uniform: at most {100 * f['elsewhere']:.2g} % of planning ever went elsewhere",
        _always("take larger steps where d is learned, or give its entropy less weight"),
    ),
    "collapsed": Signature(
        _has_collapsed,
        words.collapsed,
        _always("take smaller steps where d is learned, or give its entropy more weight"),
    ),
    "no_improvement": Signature(
        _does_not_improve,
        words.no_improvement,
        _advise_values,
    ),
    "overshoot": Signature(
        _overshoots,
        lambda f: (
            f"planned updates overshoot in {100 * f['share']:.0f} % of the chunks, by a factor of {f['overshoot']:.1f}"
        ),
        _always("make fewer or smaller planning updates, or spread d over more states"),
    ),
}
"""All signatures in the order of reports: causes before their consequences."""
