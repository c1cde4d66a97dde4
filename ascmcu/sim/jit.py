# SPDX-License-Identifier: Apache-2.0
"""The primitives of ``native.py`` by Numba, with a cache that knows every file that native code is made of.

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

import numpy as np

from ascmcu import paths

FAST = True

# Numba is typed in parts; what is used here works on its own kinds of pointers, which mypy cannot follow.
_numba: Any = importlib.import_module("numba")
types: Any = _numba.types
inlined: Any = _numba.njit(inline="always")
intrinsic: Any = importlib.import_module("numba.extending").intrinsic
ir: Any = importlib.import_module("llvmlite.ir")

# What a change of makes compiled code stale.
_SOURCES = ("sim/words.py", "sim/jit.py", "m4/costs.py", "sim/flash.py", "sim/hook.py", "sim/pdm.py")


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


def callback(signature: str) -> Callable[[Any], Any]:
    """A C function with a signature such as ``void(int64, uint32)``; ``address`` is where it lies."""
    return _kept(_numba.cfunc(signature, cache=True))


@inlined
def spread(key: int, bits: int) -> Any:
    """Fibonacci hashing: ``bits`` well-mixed bits of a 64-bit key."""
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed >> np.uint64(64 - bits))


def raise_kept() -> None:
    """Compiled callbacks raise nothing."""


@intrinsic
def words_at(typing_context: Any, address: Any) -> Any:
    """The integer as a pointer to 64-bit words."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())

    return types.CPointer(types.int64)(types.int64), generate


@intrinsic
def call_register(typing_context: Any, function: Any, engine: Any, register: Any, into: Any) -> Any:
    """Call ``uc_reg_read`` or ``uc_reg_write``, at an address known only at run time: the hook stays cacheable."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, half = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(half, [word, half, word])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        handle, register, into = arguments[1:]
        return builder.sext(builder.call(pointer, [handle, builder.trunc(register, half), into]), word)

    return types.int64(types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def call_stop(typing_context: Any, function: Any, engine: Any) -> Any:
    """Call ``uc_emu_stop``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, half = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(half, [word])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.sext(builder.call(pointer, [arguments[1]]), word)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def call_memory(typing_context: Any, function: Any, engine: Any, address: Any, data: Any, size: Any) -> Any:
    """Call ``uc_mem_read`` or ``uc_mem_write``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, half = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(half, [word, word, word, word])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.sext(builder.call(pointer, arguments[1:]), word)

    return types.int64(types.int64, types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def call_read(typing_context: Any, function: Any, engine: Any, offset: Any, size: Any, user: Any) -> Any:
    """Call Python's read function, a ``ctypes`` callback."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, half = ir.IntType(64), ir.IntType(32)
        kind = ir.FunctionType(word, [word, word, half, word])
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.call(pointer, arguments[1:])

    return types.int64(types.int64, types.int64, types.int64, types.uint32, types.int64), generate
