# SPDX-License-Identifier: Apache-2.0
"""The primitives of ``native.py`` in Python: hooks are ``ctypes`` callbacks, the array is a view of its memory."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ascmcu.sim.cpu import entry_point
from ascmcu.sim.words import TOTAL

FAST = False
F = TypeVar("F", bound=Callable[..., Any])
_C: dict[str, Any] = {"void": None, "int64": ctypes.c_int64, "uint32": ctypes.c_uint32}
_GOLDEN, _WORD = 0x9E3779B97F4A7C15, 0xFFFFFFFFFFFFFFFF
_kept: list[BaseException] = []


@dataclass(frozen=True)
class Callback:
    """A C function; ``address`` is where it lies."""

    function: Any
    address: int


def inlined(function: F) -> F:
    """A function that the hooks call."""
    return function


def compiled(function: F) -> F:
    """A function that the hooks and Python call."""
    return function


def callback(signature: str) -> Callable[[F], Callback]:
    """A C function with a signature such as ``void(int64, uint32)``; what it raises stops the emulation.

    The first argument is Unicorn's engine.
    """
    result, _, arguments = signature.rstrip(")").partition("(")
    kind = ctypes.CFUNCTYPE(_C[result], *(_C[name.strip()] for name in arguments.split(",")))

    def decorated(function: F) -> Callback:
        def guarded(*values: int) -> Any:
            try:
                return function(*values)
            except BaseException as error:  # must not cross into C; Ctrl-C comes here too
                _kept.append(error)
                _function(entry_point("uc_emu_stop"), 0)(values[0])
                return 0

        made = kind(guarded)
        return Callback(made, ctypes.cast(made, ctypes.c_void_p).value or 0)

    return decorated


def raise_kept() -> None:
    """Raise what a callback raised since the last call."""
    if _kept:
        error = _kept[0]
        _kept.clear()
        raise error


def spread(key: int, bits: int) -> int:
    """Fibonacci hashing: ``bits`` well-mixed bits of a 64-bit key."""
    return (key * _GOLDEN & _WORD) >> (64 - bits)


@functools.lru_cache(maxsize=64)
def words_at(address: int) -> Any:
    """The integer as a pointer to 64-bit words."""
    return memoryview((ctypes.c_int64 * TOTAL).from_address(address)).cast("B").cast("q")


@functools.cache
def _function(address: int, arguments: int) -> Any:
    """A C function by its address: the engine, and so many further words."""
    return ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int64] * (1 + arguments))(address)


def call_register(function: int, engine: int, register: int, into: int) -> Any:
    """Call ``uc_reg_read`` or ``uc_reg_write``."""
    return _function(function, 2)(engine, register, into)


def call_stop(function: int, engine: int) -> Any:
    """Call ``uc_emu_stop``."""
    return _function(function, 0)(engine)


def call_memory(function: int, engine: int, address: int, data: int, size: int) -> Any:
    """Call ``uc_mem_read`` or ``uc_mem_write``."""
    return _function(function, 3)(engine, address, data, size)


@functools.cache
def _reader(address: int) -> Any:
    kinds = (ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint32, ctypes.c_int64)
    return ctypes.CFUNCTYPE(*kinds)(address)


def call_read(function: int, engine: int, offset: int, size: int, user: int) -> Any:
    """Call Python's read function, a ``ctypes`` callback."""
    return _reader(function)(engine, offset, size, user)
