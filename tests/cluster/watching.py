"""Watches the parts of a result while it is made: each is to be written once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from mgsc.experiments import store

TIMES = ("compile_seconds", "run_seconds")


def assert_same(one: xr.Dataset, other: xr.Dataset) -> None:
    """Bit by bit, but for the seconds."""
    assert one.attrs["provenance"] == other.attrs["provenance"]
    for name in set(other.variables) - set(TIMES):
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=str(name))


class Watch:
    """What was seen of a folder.

    Attributes:
        parts: by name, the different files that stood there under it.
    """

    def __init__(self, folder: Path, pattern: str) -> None:
        """Watches nothing yet."""
        self.folder, self.parts = folder, dict[str, set[tuple[int, int]]]()
        self._pattern = pattern

    def look(self) -> None:
        """Looks once."""
        for path in self.folder.glob(self._pattern):
            with contextlib.suppress(OSError):
                status = path.stat()
                if not path.name.startswith(".tmp-"):
                    self.parts.setdefault(path.name, set()).add((status.st_ino, status.st_mtime_ns))

    def census(self) -> store.Census | None:
        """How far it is; None before it has begun."""
        with contextlib.suppress(store.StoreError):
            return store.census(self.folder)
        return None

    def wait_until(self, is_so, what: str, patience: float = 180.0) -> store.Census:
        """Waits until something is so of the census."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            census = self.census()
            if census is not None and is_so(census):
                return census
            time.sleep(0.1)
        raise TimeoutError(f"{what}: {self.census()}")


@contextlib.contextmanager
def watching(folder: Path, pattern: str = "parts/*.npz") -> Iterator[Watch]:
    """Watches the parts in a folder while the block runs."""
    watch, ended = Watch(folder, pattern), threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            watch.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join()
