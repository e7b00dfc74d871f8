"""Writing that survives a kill: atomic files, flushed trees, a lock, and names that tell debris.

Everything here follows one recipe: write under a temporary name (such names are debris unless the folder's
lock is held), flush the contents, rename onto the final name (atomic within a file system), flush the folder
that holds the name.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from mgsc.experiments.store.errors import StoreError
from mgsc.files import TEMPORARY_PREFIX as TEMPORARY_PREFIX
from mgsc.files import flush as flush
from mgsc.files import is_temporary as is_temporary
from mgsc.files import parse_json as parse_json
from mgsc.files import read_bytes as read_bytes
from mgsc.files import reason_of
from mgsc.files import temporary_name as temporary_name
from mgsc.files import usable_path as usable_path
from mgsc.files import whole_file as whole_file
from mgsc.files import write_atomically as write_atomically

LOCK_NAME = ".lock"

FLUSHES = 16
"""Files of a tree that are flushed side by side."""

POLL = 0.05
"""Seconds between two tries to take a lock."""


def flush_tree(root: Path) -> None:
    """Makes every file and folder below ``root``, and ``root`` itself, durable.

    Side by side: a file system then commits many small files at once, in place of one after the other.
    """
    paths = [Path(folder) / name for folder, _, names in os.walk(root) for name in (*names, "")]
    with ThreadPoolExecutor(FLUSHES) as pool:
        for _ in pool.map(flush, paths):
            pass


def rename_durably(source: Path, target: Path) -> None:
    """Renames within one folder and makes the new name durable."""
    os.rename(source, target)
    flush(target.parent)


def point_link(link: Path, target_name: str) -> None:
    """Makes the symbolic link ``link`` lead to ``target_name`` beside it, in one atomic step."""
    temporary = temporary_name(link.parent, link.name)
    os.symlink(target_name, temporary)
    os.replace(temporary, link)
    flush(link.parent)


def discard_tree(path: Path) -> None:
    """Removes a folder; it is renamed first, so that no reader meets a half-removed one."""
    doomed = temporary_name(path.parent, path.name)
    os.rename(path, doomed)
    shutil.rmtree(doomed)


def clean_debris(directory: Path) -> None:
    """Removes half-written files of killed runs in ``directory``; call with the lock held.

    Only names of the form of ``temporary_name`` are removed.
    """
    for path in directory.glob(f"{TEMPORARY_PREFIX}*"):
        if not is_temporary(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def as_store_errors(action: str, path: Path) -> Iterator[None]:
    """Replaces an error of the operating system by one clear line.

    Args:
        action: of the block, as in ``"cannot {action} {path}"``.
        path: its object.

    Raises:
        StoreError: in place of any ``OSError`` from the block.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot {action} {path}: {reason_of(error)}") from error


class FolderLock:
    """The right to write in a result folder; the kernel takes it back when its holder dies.

    The lock file is never removed: a new file of the same name could be locked while the old one is.
    """

    def __init__(self, directory: Path, patience: float = 0.0) -> None:
        """Takes the lock.

        Args:
            directory: existing folder to lock.
            patience: seconds to wait for another holder.

        Raises:
            StoreError: another run holds the lock, or the folder cannot be written.
        """
        path = directory / LOCK_NAME
        with as_store_errors("write in", directory):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            self._take(patience)
        except BlockingIOError as error:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            who = f" (process {holder})" if holder else ""
            raise StoreError(
                f"{directory} is being written by another run{who}: wait for it, or choose another folder"
            ) from error
        except OSError as error:
            os.close(self._descriptor)
            raise StoreError(f"cannot lock {path}: {error.strerror}; choose a folder on another file system") from error
        try:
            with as_store_errors("write in", directory):
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        except StoreError:
            self.release()
            raise

    def _take(self, patience: float) -> None:
        until = time.monotonic() + patience
        while True:
            try:
                return fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise
                time.sleep(POLL)

    def release(self) -> None:
        """Gives the lock back; further calls do nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> FolderLock:
        """Returns the lock, which is held already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Gives the lock back."""
        self.release()
