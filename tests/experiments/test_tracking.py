"""TensorBoard's own reader and the offline file of W&B give back exactly what the store holds, and each number once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from tests.experiments import wandb_file
from tests.experiments.small_tuning import SUITE as TUNED
from tests.experiments.synthetic import PAIR, fill, manifest, small

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments import store
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import change_suite
from mgsc.experiments.reading.statistics import mean_interval
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.track import track, tracking_of
from mgsc.experiments.tracking import runs, table

KINDS = {"tensorboard": ("tensorboardX", "tensorboard"), "wandb": ("wandb",)}
SUITE = change_suite(TUNED, {"lanes_per_block": 2, "planning_updates": 1})


def needs(kind: str) -> None:
    for package in KINDS[kind]:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: `make test-tracking` has it")


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    needs(request.param)
    return request.param


@pytest.fixture
def result(tmp_path) -> Path:
    made = small()
    single = made["reward"].astype(np.float32).astype(np.float64)  # as runs record it
    fill(tmp_path / "result", made.assign(reward=single), manifest(PAIR, 2))
    return tmp_path / "result"


def read(kind: str, folder: Path) -> dict[str, list[tuple[int, str, float]]]:
    """By run, AGENT/PART, every number that was logged: its step, name and value."""
    found: dict[str, list[tuple[int, str, float]]] = {}
    if kind == "wandb":
        for path in (folder / "wandb").glob("offline-run-*/run-*.wandb"):
            run, _ = wandb_file.about(path)
            rows = found.setdefault(run.display_name, [])
            for row in wandb_file.history(path):
                step = row.pop("_step")
                rows += [(step, name, value) for name, value in row.items()]
        return {run: sorted(rows) for run, rows in found.items()}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for place in folder.glob("[!.]*/*"):
        events = EventAccumulator(str(place), size_guidance={"scalars": 0})
        events.Reload()
        rows = found.setdefault(f"{place.parent.name}/{place.name}", [])
        for name in events.Tags()["scalars"]:
            rows += [(event.step, name, event.value) for event in events.Scalars(name)]
    return {run: sorted(rows) for run, rows in found.items()}


def stored(dataset) -> dict[str, list[tuple[int, str, float]]]:
    """The same as the store has it."""
    found = {}
    names = [name for name, entry in dataset.data_vars.items() if entry.dims == ("agent", "seed", "chunk")]
    for agent in dataset["agent"].values:
        for seed in dataset["seed"].values:
            run = dataset[names].sel(agent=agent, seed=seed)
            found[f"{agent}/seed-{seed}"] = sorted(
                (int(step), str(name), float(run[name].values[place]))
                for place, step in enumerate(dataset["step"].values)
                for name in names
                if np.isfinite(run[name].values[place])
            )
    return found


def test_a_result_is_given_back_exactly(kind, result, capsys):
    assert cli.main(["track", str(result), "--to", kind]) == 0
    assert "6 runs written, 0 were there" in capsys.readouterr().out
    dataset, folder = store.open_result(result), result / "track" / kind
    given, known = read(kind, folder), stored(dataset)
    assert given.keys() == {*known, "uniform/aggregate", "meta_gradient/aggregate"}
    for name, numbers in known.items():
        assert given[name] == numbers
        assert len(numbers) > 10
    means = {(step, name): value for step, name, value in given["uniform/aggregate"]}
    for chunk, step in enumerate(dataset["step"].values):
        mean, low, high = mean_interval(dataset["reward"].sel(agent="uniform").values[:, chunk])[:3]
        written = [means[int(step), name] for name in ("reward", "reward/low", "reward/high")]
        precision = np.float32 if kind == "tensorboard" else np.float64
        assert written == [float(precision(number)) for number in (mean, low, high)]


def test_nothing_is_logged_twice(kind, result):
    """Not when it is asked for again, not after a stop, not when the result is another."""
    dataset, tracking = store.open_result(result), tracking_of(kind, result, "tmaze-fixed")
    assert track(dataset, tracking) == (6, 0)
    assert track(dataset, tracking) == (0, 6)
    name = runs.known_runs(tracking)[-1]
    begun = runs.TrackedRun(tracking, name, {})  # begun again, and killed
    begun.log(250, {"reward": 7.0})
    begun.close()
    assert track(dataset, tracking) == (1, 5)
    before = read(kind, Path(tracking.folder))
    for run, numbers in stored(dataset).items():
        assert before[run] == numbers
    changed = dataset.assign_attrs(settings=dataset.attrs["settings"].replace("0.5", "0.25"))
    fewer = changed.isel(agent=[0])
    assert track(fewer, tracking) == (3, 0)
    after = read(kind, Path(tracking.folder))
    assert after.keys() == {run for run in before if run.startswith("uniform/")}
    assert after == {run: before[run] for run in after}


def test_live_tracking_logs_what_will_be_stored(kind, tmp_path, monkeypatch):
    """A run that is stopped at a part, and goes on; the stored result then adds the means only."""
    tracking = tracking_of(kind, tmp_path / "result", "small")
    write = store.PartPlace.write

    def stop_at_the_second(self, seeds, arrays):
        if (self.agent, seeds) == ("uniform", (0, 1)):
            raise UserError("the disk is full")
        return write(self, seeds, arrays)

    with monkeypatch.context() as patch:
        patch.setattr(store.PartPlace, "write", stop_at_the_second)
        with pytest.raises(UserError, match="the disk is full"):
            run_suite("small", SUITE, Seeds(3), out=tmp_path / "result", track=tracking)
    dataset = run_suite("small", SUITE, Seeds(3), out=tmp_path / "result", resume=True, track=tracking)
    given, known = read(kind, Path(tracking.folder)), stored(dataset)
    assert given.keys() == known.keys()
    for name, numbers in known.items():
        assert given[name] == numbers
    assert track(dataset, tracking) == (2, 6)


def test_runs_of_wandb_are_grouped_by_agent_and_hold_their_settings(result):
    needs("wandb")
    tracking = tracking_of("wandb", result, "tmaze-fixed", project="maze")
    track(store.open_result(result), tracking)
    found = {}
    for path in Path(tracking.folder).glob("wandb/offline-run-*/run-*.wandb"):
        run, config = wandb_file.about(path)
        found[run.display_name] = run, config
        assert (run.project, run.notes) == ("maze", "")
    run, config = found["uniform/seed-1"]
    assert (run.run_group, run.job_type, config["seed"]) == ("uniform", "seed", 1)
    assert config["own"] == {"step_size": 0.5}
    assert found["uniform/aggregate"][0].job_type == "aggregate"
    assert found["uniform/aggregate"][1]["seeds"] == [0, 1]


def test_what_is_no_tracker_or_not_installed_is_refused(result, capsys, monkeypatch):
    assert cli.main(["track", str(result), "--to", "tensorbord"]) == 2
    assert "did you mean 'tensorboard'" in capsys.readouterr().err

    def missing():
        raise ImportError("No module named 'wandb'")

    monkeypatch.setitem(table.SINKS, "wandb", table.SINKS["wandb"]._replace(check=missing))
    assert cli.main(["run", "tmaze-fixed", "--track", "wandb", "--out", str(result.parent / "new")]) == 2
    assert "pip install 'mgsc[wandb]', or '.[wandb]' in a clone" in capsys.readouterr().err
    assert not (result.parent / "new").exists()


def test_a_record_of_anyones_removes_nothing(result, tmp_path):
    """What a folder says of its runs leads nowhere else."""
    needs("tensorboard")
    tracking = tracking_of("tensorboard", result, "tmaze-fixed")
    precious = tmp_path / "precious" / "seed-1"
    precious.mkdir(parents=True)
    about = Path(tracking.folder) / runs.ABOUT
    about.mkdir(parents=True)
    for name, part in (("uniform-seed-7", "../../../../precious/seed-1"), ("x-seed-1", "seed-1")):
        agent = "../../../precious" if name == "x-seed-1" else "uniform"
        (about / f"{name}.json").write_text(
            f'{{"agent": "{agent}", "part": "{part}", "identity": "{"0" * 16}", "digest": ""}}'
        )
    assert track(store.open_result(result), tracking) == (6, 0)
    assert precious.is_dir()
    assert cli.main(["track", str(result), "--to", "tensorboard", "--out", str(result / "parts" / "x")]) == 2
