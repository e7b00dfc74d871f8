"""The benchmark of devices names what it measured, and says so where there is nothing to measure."""

import jax
import pytest
from tests.quick import compile_quickly

from mgsc import cli
from mgsc.benchmarks import device_speed


def test_a_device_that_is_not_there_is_said(capsys, tmp_path, monkeypatch):
    def none(backend):
        raise RuntimeError(f"Unknown backend {backend}")

    local = jax.local_devices
    monkeypatch.setattr(jax, "local_devices", lambda backend=None: none(backend) if backend == "gpu" else local())
    assert cli.main(["bench", "--device", "gpu", "--out", str(tmp_path / "gpu.json")]) == 2
    assert "there is no gpu that JAX can use on this machine (there is: cpu)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_measurement_is_that_of_its_lanes(monkeypatch):
    compile_quickly(monkeypatch)
    monkeypatch.setattr(device_speed, "COPIED", 2**16)
    found = device_speed.measure(jax.local_devices(backend="cpu")[0], "uniform", 4, steps=2500)
    assert found.device.startswith("cpu ")
    assert found.lanes == 4
    assert min(found.steps_per_second, found.limit, found.bytes) > 0


def test_only_kinds_of_devices_are_measured(capsys):
    assert cli.main(["bench", "--device", "abacus"]) == 2
    assert "invalid choice: 'abacus'" in capsys.readouterr().err
