"""The clusters, each started for the tests of a module."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster.slurm_cluster import two_nodes, why_not

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A real SLURM of two nodes."""
    if why_not():
        pytest.skip(why_not())
    with two_nodes(tmp_path_factory.mktemp("slurm")) as cluster, pytest.MonkeyPatch.context() as patch:
        for name in ("SLURM_CONF", "PATH"):
            patch.setenv(name, cluster.environment[name])
        patch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
        yield cluster


@pytest.fixture(scope="module")
def ray_cluster():
    """A real Ray: two nodes of one CPU each, beside a head that has none."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT / 'src'}:{ROOT}")
        patch.setenv("RAY_worker_niceness", "0")  # 15 by default: on a busy machine such a worker gets nothing done
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        made.two = [made.add_node(num_cpus=1) for _ in range(2)]
        yield made
        made.shutdown()
