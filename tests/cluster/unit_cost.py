"""What a unit of a suite costs on one core: seconds of CPU to compile and to run it, bytes of its part.

python -m tests.cluster.unit_cost tmaze-fixed uniform meta_gradient
"""

from __future__ import annotations

import sys
import tempfile
import time

from mgsc.experiments.design.suites import choose_agents, get_suite
from mgsc.experiments.running.units import Programs, run_unit, units_of
from mgsc.experiments.store.part_place import PartPlace


def main(name: str, agents: list[str]) -> None:
    """Runs two units of each agent, the second warm, and prints."""
    suite = choose_agents(get_suite(name), agents)
    with tempfile.TemporaryDirectory() as folder:
        for agent in agents:
            programs, place = Programs(), PartPlace(folder, agent, 1, "")
            units = units_of(choose_agents(suite, [agent]), range(32), 0)
            began = time.process_time()
            programs.compiled(units[0], _devices())
            compiled = time.process_time()
            run_unit(units[0], programs)
            first = time.process_time()
            result = run_unit(units[1], programs)
            ran = time.process_time()
            size = place.write(units[1].seeds, result.record).stat().st_size
            lanes = len(units[1].lanes)
            print(
                f"{name} {agent}: {suite.steps} steps, {lanes} lanes: compile {compiled - began:.1f} s,"
                f" run {first - compiled:.2f} s, warm {ran - first:.2f} s, part {size / 1e6:.2f} MB"
            )


def _devices() -> list[object]:
    from mgsc.experiments.running.devices import devices

    return devices()[:1]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
