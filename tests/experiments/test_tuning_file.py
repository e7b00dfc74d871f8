"""Tuning into a file: what a kill leaves, what is taken up again, and what is never replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.experiments.programs import compile_each_once
from tests.experiments.small_tuning import AGENTS, LANE_STEPS, PROTOCOL, SUITE, StopError, resume, stop_in_round, tune

from mgsc import cli
from mgsc.errors import UserError
from mgsc.experiments.design.suites import change_suite, choose_agents
from mgsc.experiments.running.provenance import provenance
from mgsc.experiments.running.versions import versions
from mgsc.experiments.store import resumable
from mgsc.experiments.store.files import FolderLock
from mgsc.experiments.store.resumable import differences
from mgsc.experiments.store.sealed import unsealed
from mgsc.experiments.tuning import file as file_module
from mgsc.experiments.tuning import search as search_module
from mgsc.experiments.tuning import space as space_module
from mgsc.experiments.tuning.file import check_can_write, write_sweep
from mgsc.experiments.tuning.search import tune_suite

NUM_ROUNDS = 2 * len(AGENTS)


@pytest.fixture(scope="module", autouse=True)
def _programs_are_compiled_once():
    with pytest.MonkeyPatch.context() as patch:
        compile_each_once(patch)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """The file of a tuning nobody interrupts."""
    out = tmp_path_factory.mktemp("whole") / "sweep.json"
    tune(out)
    assert os.listdir(out.parent) == ["sweep.json"]
    return out.read_bytes()


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "sweep.json"


def parts_of(out: Path) -> list[str]:
    return sorted(path.name for path in Path(f"{out}.partial").glob("*.json"))


def refuse_work(monkeypatch):
    monkeypatch.setattr(file_module, "tune_suite", lambda *arguments: pytest.fail("worked"))


# --- stopped, and taken up again --------------------------------------------------------------


def sweep_in(text):
    return unsealed(json.loads(text), "the sweep")


def test_the_file_holds_the_sweep(whole):
    assert sweep_in(whole) == tune_suite("tmaze-fixed", SUITE, PROTOCOL)


@pytest.mark.parametrize("number", range(1, NUM_ROUNDS + 1))
def test_a_stopped_tuning_loses_its_round_and_nothing_else(number, whole, out):
    stop_in_round(number, out)
    assert not out.exists()
    assert parts_of(out) == [f"{agent}.json" for agent in AGENTS[: number // 2]]
    assert resume(out) == sum((LANE_STEPS * 2)[number - 1 :])
    assert out.read_bytes() == whole
    assert os.listdir(out.parent) == ["sweep.json"], "the parts are gone"


@pytest.mark.parametrize("rounds", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_a_killed_tuning_goes_on(rounds, whole, out):
    script = [sys.executable, "-m", "tests.experiments.kill_tuning", str(out), str(rounds)]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stands still\n"
        with pytest.raises(UserError, match=rf"is being written by another run \(process {process.pid}\)"):
            tune(out, resume=True)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert resume(out) == sum((LANE_STEPS * 2)[rounds:])
    assert out.read_bytes() == whole
    assert os.listdir(out.parent) == ["sweep.json"]


def test_killed_between_the_sweep_and_the_removal_of_its_parts(monkeypatch, whole, out):
    def stop(parts):
        raise StopError

    with monkeypatch.context() as patch:
        patch.setattr("mgsc.experiments.store.resumable.Parts.remove", stop)
        with pytest.raises(StopError):
            tune(out)
    assert parts_of(out) == ["no_planning.json", "uniform.json"]
    assert resume(out) == 0
    assert out.read_bytes() == whole
    assert os.listdir(out.parent) == ["sweep.json"]


def test_resuming_what_is_complete_or_was_never_begun(monkeypatch, whole, out):
    assert resume(out) == sum(LANE_STEPS) * 2
    assert out.read_bytes() == whole
    refuse_work(monkeypatch)
    assert tune(out, resume=True) == sweep_in(whole)


def test_more_agents_may_be_asked_for_but_none_left_out(whole, out):
    stop_in_round(3, out)
    with pytest.raises(UserError, match="it holds no_planning, and only uniform are to be tuned"):
        tune(out, choose_agents(SUITE, ["uniform"]), resume=True)
    stop_in_round(2, out, overwrite=True, suite=choose_agents(SUITE, ["no_planning"]))
    assert resume(out) == sum(LANE_STEPS) + LANE_STEPS[1]
    assert out.read_bytes() == whole


# --- refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suite", "protocol", "message"),
    [
        (change_suite(SUITE, {"epsilon": 0.2}), PROTOCOL, "settings.epsilon: 0.1 and 0.2"),
        (change_suite(SUITE, {"no_planning.initial_value": 2.0}), PROTOCOL, "own.initial_value: 0.0 and 2.0"),
        (change_suite(SUITE, {"no_planning.step_size": 0.7}), PROTOCOL, "own.step_size: 0.5 and 0.7"),
        (SUITE, PROTOCOL._replace(final_seeds=4), "protocol.final_seeds: 3 and 4"),
        (SUITE, PROTOCOL._replace(root=8), "protocol.root: 7 and 8"),
    ],
)
def test_parts_of_other_settings_are_refused(monkeypatch, out, suite, protocol, message):
    stop_in_round(2, out)
    kept = Path(f"{out}.partial/no_planning.json").read_bytes()
    refuse_work(monkeypatch)
    with pytest.raises(UserError, match=f"cannot resume .*: no_planning was begun with other settings: {message};"):
        tune(out, suite, protocol, resume=True)
    assert Path(f"{out}.partial/no_planning.json").read_bytes() == kept


def test_parts_of_other_versions_or_another_space_are_refused(monkeypatch, out):
    stop_in_round(2, out)
    with monkeypatch.context() as patch:
        patch.setattr(search_module, "versions", lambda: {**versions(), "jax": "9.9"})
        with pytest.raises(UserError, match=r"other settings: versions\.jax: .* and 9\.9;"):
            tune(out, resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(search_module, "provenance", lambda lanes: {**provenance(lanes), "backend": "gpu"})
        with pytest.raises(UserError, match=r"other settings: provenance\.backend: cpu .* and gpu;"):
            tune(out, resume=True)
    monkeypatch.setattr(space_module, "STEP_SIZES", space_module.STEP_SIZES._replace(low=0.2))
    with pytest.raises(UserError, match=r"other settings: space\.step_size\.low: 0\.1 and 0\.2;"):
        tune(out, resume=True)


def test_nothing_is_replaced_unasked(monkeypatch, whole, out):
    stop_in_round(2, out)
    with pytest.raises(UserError, match="holds an unfinished tuning: go on with --resume, start over with --overwrite"):
        tune(out)
    assert parts_of(out) == ["no_planning.json"]
    out.write_bytes(whole)
    with pytest.raises(UserError, match="is there already: replace it with --overwrite, or name another file"):
        tune(out)
    refuse_work(monkeypatch)
    other = change_suite(SUITE, {"steps": 400})
    with pytest.raises(UserError, match=r"sweep of other settings: settings.steps: 200 and 400; add --overwrite"):
        tune(out, other, resume=True)
    assert out.read_bytes() == whole


def test_overwriting_starts_over_and_replaces_at_the_end_only(whole, out):
    out.write_bytes(whole)
    stop_in_round(2, out, overwrite=True, suite=change_suite(SUITE, {"epsilon": 0.2}))
    assert out.read_bytes() == whole
    stop_in_round(2, out, overwrite=True, protocol=PROTOCOL._replace(root=8))
    with pytest.raises(UserError, match=r"sweep of other settings: protocol\.root: 7 and 8"):
        tune(out, protocol=PROTOCOL._replace(root=8), resume=True)
    assert out.read_bytes() == whole
    assert resume(out, protocol=PROTOCOL._replace(root=8), overwrite=True) == sum(LANE_STEPS) + LANE_STEPS[1]
    assert json.loads(out.read_bytes())["protocol"]["root"] == 8
    assert os.listdir(out.parent) == ["sweep.json"]


@pytest.mark.parametrize("contents", ["years of work", '{"suite": "tmaze-fixed"}', "[]"])
def test_what_is_no_sweep_is_never_replaced(contents, out):
    out.write_text(contents)
    for options in ({}, {"overwrite": True}, {"resume": True}, {"resume": True, "overwrite": True}, {"into": True}):
        with pytest.raises(UserError, match=r"is there already|is no sweep"):
            tune(out, **options)
    assert out.read_text() == contents


def test_a_foreign_folder_is_never_touched(out):
    foreign = Path(f"{out}.partial/thesis.tex")
    foreign.parent.mkdir()
    foreign.write_text("years of work")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(UserError, match=r"holds thesis\.tex, which tuning never writes"):
            tune(out, **options)
    assert os.listdir(foreign.parent) == ["thesis.tex"]


def test_files_that_cannot_be_written_are_refused_early(monkeypatch, tmp_path: Path):
    with pytest.raises(UserError, match=r"cannot write .*; name a file"):
        check_can_write(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the folder"):
        check_can_write(tmp_path / "file" / "sweep.json")
    refuse_work(monkeypatch)
    with pytest.raises(UserError, match="cannot make the folder"):
        tune(tmp_path / "file" / "sweep.json")
    with pytest.raises(UserError, match="it is a folder; name a file"):
        tune(tmp_path)
    with pytest.raises(UserError, match=r"cannot write .*: no such file or directory"):
        write_sweep({}, tmp_path / "nowhere" / "sweep.json")


def test_a_lock_on_a_folder_that_was_removed_meanwhile_is_no_right_to_write(monkeypatch, out):
    take = FolderLock.__enter__

    def finished_by_another(lock):
        Path(f"{out}.partial/.lock").unlink()
        return take(lock)

    monkeypatch.setattr(FolderLock, "__enter__", finished_by_another)
    with pytest.raises(UserError, match="was finished by another tuning just now"):
        tune(out)


# --- damaged ----------------------------------------------------------------------------------


def _cut(text: str) -> str:
    return text[: len(text) // 2]


def _change_a_number(text: str) -> str:
    return text.replace('"mean": ', '"mean": 9', 1)


def _of_other_points(text: str) -> str:
    """Sound by its checksum, but not what this identity leads to: of another version of SciPy, say."""
    from mgsc.experiments.store import resumable

    contents = json.loads(text)
    contents["rounds"][0][0]["settings"]["step_size"] = 0.123
    return json.dumps({**contents, "checksum": resumable._checksum(contents["rounds"])})


@pytest.mark.parametrize("damage", [_cut, _change_a_number, _of_other_points, lambda text: "[]", lambda text: "{}"])
def test_a_damaged_part_is_refused_and_named(damage, whole, out, capsys, monkeypatch):
    stop_in_round(2, out)
    part = Path(f"{out}.partial/no_planning.json")
    part.write_text(damage(part.read_text()))
    with monkeypatch.context() as patch:
        refuse_work(patch)
        with pytest.raises(UserError, match=r"no_planning\.json is damaged: remove it, and --resume tunes its agent"):
            tune(out, resume=True)
    part.unlink()
    resume(out)
    assert out.read_bytes() == whole


def test_debris_of_a_kill_is_cleaned(whole, out):
    stop_in_round(2, out)
    Path(f"{out}.partial/.tmp-uniform.json-0123456789ab").write_text("{")
    assert resume(out) == sum(LANE_STEPS) + LANE_STEPS[1]
    assert out.read_bytes() == whole


def test_issue_what_others_put_among_the_parts_survives(whole, out):
    stop_in_round(2, out)
    remove = resumable.Parts.remove

    def put_and_remove(parts):
        for name in ("notes.txt", "result/manifest.json", "folder.json/notes"):
            (parts.path / name).parent.mkdir(exist_ok=True)
            (parts.path / name).write_text("mine")
        remove(parts)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(resumable.Parts, "remove", put_and_remove)
        resume(out)
    assert out.read_bytes() == whole
    assert sorted(os.listdir(f"{out}.partial")) == [".lock", "folder.json", "notes.txt", "result"]
    with pytest.raises(UserError, match=r"holds folder\.json, which tuning never writes"):
        tune(out, resume=True)


# --- single agents ----------------------------------------------------------------------------


def test_single_agents_are_replaced_and_the_others_stay(whole, out):
    out.write_bytes(whole)
    one = choose_agents(change_suite(SUITE, {"uniform.initial_value": 2.0}), ["uniform"])
    stop_in_round(2, out, suite=one, into=True)
    assert out.read_bytes() == whole
    with pytest.raises(UserError, match="holds an unfinished tuning"):
        tune(out, one, into=True)
    assert resume(out, suite=one, into=True) == LANE_STEPS[1]
    before, after = sweep_in(whole), sweep_in(out.read_bytes())
    assert after["agents"]["no_planning"] == before["agents"]["no_planning"]
    assert after["agents"]["uniform"] != before["agents"]["uniform"]
    assert after["agents"]["uniform"] == tune_suite("tmaze-fixed", one, PROTOCOL)["agents"]["uniform"]
    assert after["chosen"] == {agent: entry["chosen"] for agent, entry in after["agents"].items()}
    assert after["settings"]["agents"]["uniform"]["initial_value"] == 2.0
    assert tune(out, choose_agents(SUITE, ["uniform"]), into=True) == before
    assert out.read_bytes() == whole, "the order of agents, too"


def test_agents_a_sweep_lacks_take_their_place_in_it(whole, out):
    tune(out, choose_agents(SUITE, ["uniform"]))
    tune(out, choose_agents(SUITE, ["no_planning"]), into=True)
    assert out.read_bytes() == whole


def test_an_agent_of_other_versions_says_so(monkeypatch, whole, out):
    out.write_bytes(whole)
    newer = {**json.loads(whole)["versions"], "jax": "9.9"}
    monkeypatch.setattr("mgsc.experiments.tuning.search.versions", lambda: newer)
    after = tune(out, choose_agents(SUITE, ["uniform"]), into=True)
    assert after["agents"]["uniform"]["versions"] == newer
    assert "versions" not in after["agents"]["no_planning"]
    assert after["versions"] == json.loads(whole)["versions"]
    with pytest.raises(UserError, match=r"sweep of other settings: versions\.jax"):
        tune(out, resume=True)


@pytest.mark.parametrize(
    ("suite", "protocol", "message"),
    [
        (change_suite(SUITE, {"environment.slip": 0.3}), PROTOCOL, "settings.environment.slip: 0.1 and 0.3"),
        (SUITE, PROTOCOL._replace(configurations=8), "protocol.configurations: 4 and 8"),
    ],
)
def test_agents_of_other_suites_or_protocols_are_not_mixed(monkeypatch, whole, out, suite, protocol, message):
    out.write_bytes(whole)
    refuse_work(monkeypatch)
    with pytest.raises(UserError, match=f"cannot tune into .*: it is a sweep of other settings: {message}"):
        tune(out, choose_agents(suite, ["uniform"]), protocol, into=True)
    write_sweep({**sweep_in(whole), "suite": "other"}, out)
    with pytest.raises(UserError, match="suite: other and tmaze-fixed"):
        tune(out, choose_agents(SUITE, ["uniform"]), into=True)


def test_differences_are_named_briefly():
    assert differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 2}}) == []
    assert differences({"a": 1, "b": {"c": 2}}, {"b": {"c": 3}}) == ["a: 1 and (none)", "b.c: 2 and 3"]
    assert differences({"a": None}, {}) == ["a: None and (none)"]
    assert differences(dict.fromkeys("abcd", 1), dict.fromkeys("abcd", 2))[2:] == ["c: 1 and 2", "…"]


# --- the command line -------------------------------------------------------------------------


def test_mgsc_tune_stops_resumes_and_prints_the_choice(whole, out, capsys, monkeypatch):
    monkeypatch.setattr("mgsc.experiments.design.suites.get_suite", lambda name: SUITE)
    command = ["tune", "tmaze-fixed", "--out", str(out), "--configurations", "4", "--seeds", "2"]
    command += ["--finalists", "2", "--final-seeds", "3", "--root-seed", "7"]
    stop_in_round(3, out)
    assert cli.main(command) == 2
    out_text, err = capsys.readouterr()
    assert (out_text, err.count("\n")) == ("", 1)
    assert "--resume" in err
    assert cli.main([*command, "--resume"]) == 0
    assert out.read_bytes() == whole
    assert "planning_updates" in capsys.readouterr().out
    part = [*command[:2], "--agents", "uniform", "--into", str(out), *command[4:]]
    assert cli.main(part) == 0
    assert "no_planning" not in capsys.readouterr().out
    assert out.read_bytes() == whole
