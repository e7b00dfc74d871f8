"""Where a seed stands in its block decides no bit of what is recorded of it."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from tests.quick import slow_but_for

from mgsc.experiments.design.suites import get_suite
from mgsc.experiments.running.build import build_problem
from mgsc.experiments.running.devices import CPU_WIDTH
from mgsc.experiments.running.program import Lane, Program

CASES = {
    "uniform": ("tmaze-fixed", "uniform"),
    "MGSC": ("tmaze-fixed", "meta_gradient"),
    "replay": ("tmaze-fixed", "replay"),
    "learned model": ("tworooms-learned", "uniform"),
}


@pytest.mark.parametrize("case", slow_but_for(["uniform"], CASES))
def test_issue_every_lane_of_a_block_gives_the_bits_of_the_first(case) -> None:
    # Lanes 11 to 15 once differed from the others in sums over states, from some thousand steps on.
    name, agent = CASES[case]
    suite = dataclasses.replace(get_suite(name), steps=10_000)
    program, device = Program(suite, suite.agents[agent], build_problem(suite), 0), jax.devices()[0]
    program.compile([device], CPU_WIDTH)
    record = program.run_block([Lane(3, {})] * CPU_WIDTH, device, lambda steps: None).record
    assert {"uniform_error", "uniform_update", "weighted_error", "weighted_update"} <= set(record)
    for quantity, values in record.items():
        assert len(values) == CPU_WIDTH
        for lane in range(1, CPU_WIDTH):
            np.testing.assert_array_equal(values[lane], values[0], err_msg=f"{quantity} of lane {lane}")
