# SPDX-License-Identifier: Apache-2.0
"""``expf``, ``expm1f``, ``logf``, ``erfcf`` and ``tanhf`` of this machine's C library.

LiteRT fills its tables for LOGISTIC, TANH, EXP, ELU, LOG and GELU with them, so the tables' bits are the C library's:
glibc's ``tanhf`` is off by up to two units in the last place before 2.41 and correctly rounded from then on. Asking the
same library gives LiteRT's bits on every machine. Where there is none that Python can load, the correctly rounded
value stands in.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
_ROUNDED: dict[str, Callable[[float], float]] = {
    "expf": lambda x: float(np.float32(np.exp(x))),
    "tanhf": lambda x: float(np.float32(np.tanh(x))),
    "expm1f": lambda x: float(np.float32(np.expm1(x))),
    "logf": lambda x: float(np.float32(np.log(x))),
    "erfcf": lambda x: float(np.float32(math.erfc(x))),
}


def expf(x: Float32) -> Float32:
    """e^x, element by element."""
    return _mapped("expf", x)


def tanhf(x: Float32) -> Float32:
    """The hyperbolic tangent, element by element."""
    return _mapped("tanhf", x)


def expm1f(x: Float32) -> Float32:
    """e^x − 1, element by element."""
    return _mapped("expm1f", x)


def logf(x: Float32) -> Float32:
    """The natural logarithm of positive numbers, element by element."""
    return _mapped("logf", x)


def erfcf(x: Float32) -> Float32:
    """The complementary error function, element by element."""
    return _mapped("erfcf", x)


def _mapped(name: str, x: Float32) -> Float32:
    function = _function(name)
    with np.errstate(over="ignore"):
        return np.array([function(float(v)) for v in x.reshape(-1)], np.float32).reshape(x.shape)


@functools.cache
def _function(name: str) -> Callable[[float], float]:
    try:
        function = getattr(ctypes.CDLL(ctypes.util.find_library("m")), name)
    except (OSError, AttributeError, TypeError):
        return _ROUNDED[name]
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    called: Callable[[float], float] = function
    return called
