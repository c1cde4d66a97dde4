# SPDX-License-Identifier: Apache-2.0
"""Numba's decorators, with a cache that knows every file that native code is made of.

Numba compiles constants and called functions in, but its own cache looks only at the date of the file that holds
the caller. Here the cache's folder is named after the contents of all of them.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ascmcu import paths

# Numba is typed in parts; what is used here works on its own kinds of pointers, which mypy cannot follow.
_numba: Any = importlib.import_module("numba")
types: Any = _numba.types
inlined: Any = _numba.njit(inline="always")
intrinsic: Any = importlib.import_module("numba.extending").intrinsic
ir: Any = importlib.import_module("llvmlite.ir")

# What a change of makes compiled code stale.
_SOURCES = ("sim/words.py", "sim/native.py", "m4/costs.py", "sim/flash.py", "sim/hook.py")


def cache_folder(package: Path) -> Path:
    """Where code compiled from the package's files is kept: below ``NUMBA_CACHE_DIR``, else in our cache."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((package / name).read_bytes())
    root = _numba.config.CACHE_DIR
    return (Path(root) if root else paths.cache() / "native") / digest.hexdigest()[:16]


_FOLDER = str(cache_folder(Path(__file__).parents[1]))


def _kept(decorate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Decorate while Numba's cache is ours: it takes its folder when it meets a function."""

    def decorated(function: Any) -> Any:
        before = _numba.config.CACHE_DIR
        _numba.config.CACHE_DIR = _FOLDER
        try:
            return decorate(function)
        finally:
            _numba.config.CACHE_DIR = before

    return decorated


def compiled(function: Any) -> Any:
    """A function for native code and for Python."""
    return _kept(_numba.njit(cache=True))(function)


def callback(signature: Any) -> Callable[[Any], Any]:
    """A C function; ``address`` is where it lies."""
    return _kept(_numba.cfunc(signature, cache=True))
