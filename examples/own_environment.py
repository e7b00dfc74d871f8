"""An environment of your own, and two agents on it.

Run it with ``python examples/own_environment.py``. Instead of a map, ``own_environment`` takes tables just
as well: ``from_tables``, ``from_dense``, or ``from_gymnasium("FrozenLake-v1")``.
"""

import mgsc
from mgsc import environments
from mgsc.experiments import SUITES, Suite, choose_agents, own_environment

MAP = """
A...
.##.
S..B
"""
agents = choose_agents(SUITES["tmaze-fixed"], ["uniform", "meta_gradient"]).agents
maze = environments.from_map(MAP, {"A": (1.0, -1.0), "B": (-1.0, 1.0)}, slip=0.1)
suite = Suite("A ring", own_environment("ring", maze, switch_every=1000), steps=4000, agents=agents)
result = mgsc.run(suite, seeds=3)
print(result.reward.sum("chunk").mean("seed").to_series())
