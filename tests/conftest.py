"""What every test shares: a quiet, reproducible process and one compilation cache.

The environment is set here, before any test module imports JAX, so that processes started by tests
inherit it. A variable that is set already wins: `JAX_PLATFORMS=cuda make test` tests on a GPU.
"""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

CACHE = Path(__file__).parent.parent / ".pytest_cache" / "jax"

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")
# Workers, reruns and child processes compile each program once between them.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# Shells let what they start in the background ignore interrupts, and processes that a test interrupts inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

gc.set_threshold(50_000)  # as the command line does: less time for objects that live on

# The same examples on every run and machine; compilation makes first examples slow.
hypothesis.settings.register_profile("mgsc", derandomize=True, deadline=None)
hypothesis.settings.load_profile("mgsc")


@pytest.fixture
def x64() -> Iterator[None]:
    """Run the test in float64; arrays must be made inside it."""
    import jax

    with jax.enable_x64(True):
        yield
