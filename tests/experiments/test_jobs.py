"""Jobs of clusters: their settings, and what a job that begins again leaves out."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal

import numpy as np
import pytest
from tests.experiments.test_units import ONE

from mgsc.errors import UserError
from mgsc.experiments.design.suites import change_suite
from mgsc.experiments.running import jobs
from mgsc.experiments.running.cluster_settings import cluster_settings
from mgsc.experiments.running.ray_session import _own_sigterm
from mgsc.experiments.running.slurm import parameters, states_of
from mgsc.experiments.running.units import run_unit, units_of


def test_settings_of_clusters_come_from_a_file_and_the_command_line(tmp_path):
    file = tmp_path / "cluster.toml"
    file.write_text('partition = "gpu"\ntime = 30\nmemory = 4\n')
    settings = cluster_settings(str(file), ["time=45", "account=lab"])
    assert (settings.partition, settings.time, settings.memory, settings.account) == ("gpu", 45, 4, "lab")
    told = parameters(settings, tmp_path / "it's here")
    assert (told["slurm_partition"], told["timeout_min"], told["mem_gb"]) == ("gpu", 45, 4)
    assert "gpus_per_node" not in told
    for text, words in [("time = [", "no TOML file"), ("time = 0", "time is 0"), ('tiem = "5"', "did you mean 'time'")]:
        file.write_text(text)
        with pytest.raises(UserError, match=words):
            cluster_settings(str(file))
    with pytest.raises(UserError, match="set twice"):
        cluster_settings(None, ["time=1", "time=2"])


def test_a_group_runs_what_has_no_message_yet(tmp_path, monkeypatch):
    """A job that is started again leaves out what it has done; an error is a message, too."""
    monkeypatch.setattr(jobs, "settle", lambda setup: None)
    first, second, third = units_of(change_suite(ONE, {"lanes_per_block": 1}), range(3), 0)
    broken = dataclasses.replace(third, agent="nobody")
    sent = tuple(pickle.dumps(unit) for unit in (first, second, broken))
    group = jobs.Group("job-1", str(tmp_path), (4, 5, 6), sent, jobs.Setup(None, {}), 2, 60.0, 10.0)
    jobs._send(group, 1, jobs.Message("kept"))
    run = jobs.RunGroup()
    run(group)
    assert jobs.numbers_of_messages(tmp_path) == [4, 5, 6]
    assert jobs.read_message(tmp_path, 5).result == "kept"
    given, known = jobs.read_message(tmp_path, 4).result, run_unit(first)
    np.testing.assert_array_equal(given.record["reward"], known.record["reward"])
    assert isinstance(jobs.read_message(tmp_path, 6).error, KeyError)
    assert group.missing() == []
    assert not jobs.is_late(group, 60)
    os.utime(group.beat, (0, 0))
    assert jobs.is_late(group, 60)
    group.requeue.touch()
    assert not jobs.is_late(group, 60), "it waits to be started again"


def test_states_are_those_that_squeue_says(tmp_path, monkeypatch):
    """It is called once for all jobs; of a job that SLURM has forgotten it says nothing."""
    squeue = tmp_path / "squeue"
    squeue.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\necho "7_0 RUNNING"\necho "7_1 CANCELLED"\n')
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert states_of(["7_0", "7_1", "3_0"]) == {"7_0": "RUNNING", "7_1": "CANCELLED"}
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert call.split()[-1] == "--jobs=7,3"
    assert states_of([]) == {}, "no jobs are not all jobs"


def test_the_answer_to_sigterm_stays_what_it_was():
    """Ray puts its own in its place, which ends the process without a word of ours."""
    before = signal.getsignal(signal.SIGTERM)
    with _own_sigterm():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGTERM) == before
