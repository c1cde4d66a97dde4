# SPDX-License-Identifier: Apache-2.0
"""Scratch folders that a killed process does not leave for good: the next one clears them.

A folder is locked while its process lives, and the system lets the lock go with it, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: nothing is cleared
    fcntl = None

# No other folder has these names: a cache of a user without a home and the tests' own folders begin with ascmcu-.
_BESIDE, _TEMPORARY = "-ascmcu-", "ascmcu-scratch-"
# Where ``exporting`` puts what stood in the way of a finished folder.
PREVIOUS = "previous"


@contextlib.contextmanager
def folder(beside: Path | None = None) -> Iterator[Path]:
    """A folder that is gone behind the context.

    Args:
        beside: it lies in this path's folder, hidden, so that what is made in it can be renamed to the path; None:
            in the system's temporary folder.
    """
    parent = Path(tempfile.gettempdir()) if beside is None else beside.parent
    prefix = _TEMPORARY if beside is None else f".{beside.name}{_BESIDE}"
    clear(parent, prefix, beside)
    made = Path(tempfile.mkdtemp(prefix=".ascmcu.", dir=parent))
    place = parent / f"{prefix}{made.name.removeprefix('.ascmcu.')}"
    lock = _lock(made)
    try:
        made.rename(place)  # under its lock already: no other process takes it for left behind
        yield place
    finally:
        for each in (made, place):
            shutil.rmtree(each, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def clear(parent: Path, prefix: str, target: Path | None = None) -> None:
    """Remove the scratch folders of dead processes; what one had moved out of ``target``'s place comes back."""
    for left in [path for path in parent.iterdir() if path.name.startswith(prefix)]:
        lock = _lock(left)
        if lock is None:
            continue
        previous = left / PREVIOUS
        if target is not None and previous.exists() and not os.path.lexists(target):
            previous.rename(target)
        shutil.rmtree(left, ignore_errors=True)
        os.close(lock)


def _lock(path: Path) -> int | None:
    """A lock on a folder of this user's, None where another process has it."""
    if fcntl is None or path.is_symlink() or not path.is_dir():
        return None
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        if os.fstat(handle).st_uid == os.geteuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
    except OSError:
        pass
    os.close(handle)
    return None
