"""Studies are run: what is shared, what a stop leaves, what is taken up again, and what is never replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.experiments.programs import compile_each_once
from tests.experiments.studies.small_studies import NAME, NUM_ENTRIES, SEEDS, SMALL

from mgsc.errors import UserError
from mgsc.experiments.design.seeds import Seeds
from mgsc.experiments.design.suites import change_suite, choose_agents
from mgsc.experiments.running.progress import Progress
from mgsc.experiments.running.run import run_suite
from mgsc.experiments.store.resumable import Parts
from mgsc.experiments.store.sealed import unsealed
from mgsc.experiments.studies import runner
from mgsc.experiments.studies.design import cells_of
from mgsc.experiments.studies.runner import run_study
from mgsc.experiments.studies.summary import write_summary

ENTRY_STEPS = 3 * 200
"""Lane-steps of one agent of one cell."""


class StopError(Exception):
    """Stands for whatever may stop a study."""


@pytest.fixture(scope="module", autouse=True)
def _programs_are_compiled_once():
    with pytest.MonkeyPatch.context() as patch:
        compile_each_once(patch)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """The file of a study nobody interrupts."""
    out = tmp_path_factory.mktemp("whole") / "small.json"
    run(out)
    assert os.listdir(out.parent) == ["small.json"]
    return out.read_bytes()


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "small.json"


def summary_in(text):
    return unsealed(json.loads(text), "the summary")


def run(out, study=SMALL, seeds=SEEDS, **options):
    return run_study(NAME, study, seeds, out, **options)


def stop_after(number: int, out: Path, monkeypatch, **options) -> None:
    """Runs until so many entries are kept."""
    keep, left = Parts.keep, number

    def stop(parts, entry, rounds):
        nonlocal left
        if not left:
            raise StopError
        left -= 1
        keep(parts, entry, rounds)

    with monkeypatch.context() as patch:
        patch.setattr(Parts, "keep", stop)
        with pytest.raises(StopError):
            run(out, **options)


def resume(out: Path, **options) -> int:
    """Goes on; returns how many entries that took."""
    steps = []
    run(out, resume=True, progress=Progress(advance=lambda ground, done: steps.append(done)), **options)
    return sum(steps) // ENTRY_STEPS


def refuse_work(monkeypatch):
    monkeypatch.setattr(runner, "_run_lots", lambda *arguments: pytest.fail("worked"))


# --- what is run ------------------------------------------------------------------------------


def test_totals_are_those_of_the_suite_run_by_itself(whole):
    """A budget of 3 of which one update is made is a budget of 1; and a changed step size is that one."""
    cells = {cell["at"][0]: cell["agents"] for cell in summary_in(whole)["cells"]}
    base = choose_agents(cells_of(SMALL, SEEDS)[0].suite, ["uniform"])
    for at, changes in (("slow", {"uniform.step_size": 0.1}), ("one update", {"planning_updates": 1})):
        alone = run_suite("alone", change_suite(base, changes), SEEDS).reward.sum("chunk").values[0]
        assert cells[at]["uniform"]["totals"] == alone.tolist(), at
    assert len({tuple(agents["uniform"]["totals"]) for agents in cells.values()}) == 4, "the cells differ"


def test_cells_that_differ_in_numbers_share_a_program():
    cells = cells_of(SMALL, SEEDS)
    lots = list(runner._lots(cells, runner._problems(cells), SEEDS, {}).values())
    # The noisy model is another constant; the rest are numbers.
    assert [len(lot.numbers) for lot in lots] == [3, 3, 1, 1]
    steps = [numbers["step_size"] for numbers in lots[0].numbers.values()]
    assert steps == [cell.suite.agents["uniform"].step_size for cell in cells[:3]]
    done = {cells[1].entry("uniform"): []}
    lots = list(runner._lots(cells, runner._problems(cells), SEEDS, done).values())
    assert [len(lot.numbers) for lot in lots] == [2, 3, 1, 1]


def test_progress_is_told_by_ground(out):
    started, running, steps = [], set(), []
    progress = Progress(
        start=lambda ground, number: started.append((ground, number)),
        running=running.add,
        advance=lambda ground, done: steps.append((ground, done)),
    )
    run(out, progress=progress)
    assert started == [("tiny TMaze", NUM_ENTRIES * ENTRY_STEPS)]
    assert running == {"tiny TMaze"}
    assert sum(done for _, done in steps) == NUM_ENTRIES * ENTRY_STEPS


def test_unrolled_stages_are_static(out):
    study = SMALL._replace(axes=(SMALL.axes[0]._replace(values=SMALL.axes[0].values[:1]),))
    ground = study.grounds[0]
    changed = {**ground.changes, "meta_gradient.form": "unrolled"}
    study = study._replace(grounds=(ground._replace(agents=("meta_gradient",), changes=changed),))
    entry = run(out, study, Seeds(2, root=2))["cells"][0]["agents"]["meta_gradient"]
    assert entry["settings"]["options"]["form"] == "unrolled"
    assert entry["n"] == 2


# --- stopped, and taken up again --------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 4, 7])
def test_a_stopped_study_goes_on_to_the_same_file(number, whole, out, monkeypatch):
    stop_after(number, out, monkeypatch)
    assert not out.exists()
    parts = list(Path(f"{out}.partial").glob("*.json"))
    assert len(parts) == number
    assert resume(out) == NUM_ENTRIES - number
    assert out.read_bytes() == whole
    assert os.listdir(out.parent) == ["small.json"], "the parts are gone"


def test_resuming_what_is_complete(whole, out, monkeypatch):
    out.write_bytes(whole)
    refuse_work(monkeypatch)
    assert run(out, resume=True) == summary_in(whole)
    assert out.read_bytes() == whole


def test_parts_of_other_settings_are_refused(out, monkeypatch):
    stop_after(2, out, monkeypatch)
    refuse_work(monkeypatch)
    with pytest.raises(UserError, match=r"cannot resume .* other settings: seeds\.count: 3 and 4;"):
        run(out, seeds=Seeds(4, root=2), resume=True)
    ground = SMALL.grounds[0]
    other = SMALL._replace(grounds=(ground._replace(changes={**ground.changes, "epsilon": 0.2}),))
    with pytest.raises(UserError, match=r"other settings: settings\.epsilon: 0\.1 and 0\.2;"):
        run(out, other, resume=True)
    with pytest.raises(UserError, match="holds an unfinished study: go on with --resume, start over with --overwrite"):
        run(out)


def test_a_damaged_part_is_refused(out, monkeypatch):
    stop_after(1, out, monkeypatch)
    (part,) = Path(f"{out}.partial").glob("*.json")
    part.write_text(part.read_text().replace('"count": 3', '"count": 3,', 1))
    with pytest.raises(UserError, match=r"is damaged: remove it, and --resume runs its agent again"):
        run(out, resume=True)
    part.unlink()
    assert resume(out) == NUM_ENTRIES


def test_nothing_is_replaced_unasked(whole, out, monkeypatch):
    out.write_bytes(whole)
    refuse_work(monkeypatch)
    with pytest.raises(UserError, match="is there already: replace it with --overwrite, or name another folder"):
        run(out)
    with pytest.raises(
        UserError, match=r"other settings: tiny TMaze \| as tuned \| uniform: seeds\.count: 3 and 4; add --overwrite"
    ):
        run(out, seeds=Seeds(4, root=2), resume=True)
    fewer = SMALL._replace(axes=(SMALL.axes[0]._replace(values=SMALL.axes[0].values[:3]),))
    with pytest.raises(UserError, match=r"only that study has tiny TMaze \| noisy \| uniform; add --overwrite"):
        run(out, fewer, resume=True)
    out.write_text("years of work")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(UserError, match=r"is there already|is no summary"):
            run(out, **options)
    assert out.read_text() == "years of work"
    with pytest.raises(UserError, match="it is a folder; name a file"):
        run(out.parent)


def test_overwriting_starts_over(whole, out, monkeypatch):
    write_summary({**summary_in(whole), "study": "other"}, out)
    stop_after(1, out, monkeypatch, overwrite=True)
    assert b'"study": "other"' in out.read_bytes()
    run(out, overwrite=True)
    assert out.read_bytes() == whole


def test_a_study_that_grows_keeps_what_it_has(whole, out):
    fewer = SMALL._replace(axes=(SMALL.axes[0]._replace(values=SMALL.axes[0].values[:3]),))
    smaller = json.dumps(run(out, fewer))
    assert 0 < (added := resume(out, overwrite=True)) < NUM_ENTRIES
    assert out.read_bytes() == whole
    assert added == sum(len(cell["agents"]) for cell in summary_in(whole)["cells"][3:])
    assert resume(out, overwrite=True) == 0
    assert resume(out, study=fewer, overwrite=True) == 0
    assert summary_in(out.read_text()) == json.loads(smaller)


def test_what_was_run_with_other_settings_is_run_again(whole, out):
    out.write_bytes(whole)
    assert resume(out, seeds=Seeds(3, root=9), overwrite=True) == NUM_ENTRIES
    changed = summary_in(whole)
    changed["cells"][0]["agents"]["uniform"]["settings"]["step_size"] = 0.123
    out.write_text(json.dumps(changed))
    assert resume(out, overwrite=True) == 1
    assert out.read_bytes() == whole


@pytest.mark.parametrize("other", ["code", "mgsc"])
def test_what_other_code_ran_is_taken_over_and_says_so(other, whole, out):
    old = summary_in(whole)
    if other == "code":
        old["provenance"]["code"] = "0123"
    else:  # as mgsc 0.1.0 wrote it
        del old["provenance"]
        old["versions"]["mgsc"] = "0.1.0"
    changed = old["cells"][0]["agents"]["uniform"]
    changed["settings"]["step_size"] = 0.123
    out.write_text(json.dumps(old))
    with pytest.raises(UserError, match=r"summary of other settings: .*; add --overwrite"):
        run(out, resume=True)
    assert resume(out, overwrite=True) == 1
    new = summary_in(out.read_text())
    assert new["provenance"] == summary_in(whole)["provenance"]
    said = [agent.pop("computed_by", None) for cell in new["cells"] for agent in cell["agents"].values()]
    origin = {key: old.get(key, {}) for key in ("versions", "provenance") if old.get(key, {}) != new[key]}
    assert said == [None, *[origin] * (NUM_ENTRIES - 1)]
    assert new == summary_in(whole)
    assert resume(out, overwrite=True) == 0


@pytest.mark.parametrize("change", [{"backend": "gpu"}, {"block_width": 512}])
def test_what_another_backend_ran_is_run_again(change, whole, out):
    old = summary_in(whole)
    old["provenance"] |= change
    out.write_text(json.dumps(old))
    assert resume(out, overwrite=True) == NUM_ENTRIES
    assert out.read_bytes() == whole


def test_issue_a_kept_total_that_no_float_holds_is_none():
    assert runner._are_totals(Seeds(1), "entry", [[{"totals": [1.5]}]])
    assert not runner._are_totals(Seeds(1), "entry", [[{"totals": [10**400]}]])
