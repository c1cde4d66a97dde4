# SPDX-License-Identifier: Apache-2.0
"""Window functions by name: those of ``scipy.signal.get_window``, and Kaldi's."""

from __future__ import annotations

import math
import warnings

import numpy as np
import numpy.typing as npt

from ascmcu import extras
from ascmcu.errors import FeatureError

_Real = npt.NDArray[np.float64]

# Kaldi's window: a Hann window to this power (feature-window.cc).
_POVEY_EXPONENT = 0.85
# (a, b) of the windows a - b cos.
_COSINES = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "boxcar": (1.0, 0.0)}
# A window that is no mirror image of itself by more than this has no half that says all.
_ASYMMETRY_MAX = 1e-9


def values(name: str, length: int, symmetric: bool) -> _Real:
    """The samples of a window, float64 (``length``,).

    Args:
        name: as ``scipy.signal.get_window`` knows it, with its parameter behind a colon (``kaiser:8.6``), or ``povey``.
        symmetric: sample n equals sample length - 1 - n; else the window is periodic: sample n equals length - n.

    Raises:
        FeatureError: no such window, or one that is no mirror image of itself.
    """
    kind, _, parameter = name.partition(":")
    if name in _COSINES:
        a, b = _COSINES[name]
        turns = np.arange(length) / max(length - 1 if symmetric else length, 1)
        return np.asarray(a - b * np.cos(2 * np.pi * turns))
    if name == "povey":
        return values("hann", length, symmetric) ** _POVEY_EXPONENT
    # Only here: its import takes longer than an export.
    signal = extras.load("scipy.signal", "features", f"the window {name} needs SciPy")
    try:
        number = float(parameter) if parameter else None
        if number is not None and not math.isfinite(number):
            raise ValueError("the parameter is not a finite number")
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            window = signal.get_window(
                kind if number is None else (kind, number), length, fftbins=not symmetric
            )
    except (ValueError, TypeError) as error:
        raise FeatureError(
            "no such window",
            where="window",
            expected='a name of scipy.signal.get_window, a parameter behind a colon, or "povey"',
            found=repr(name),
            hint=str(error).rstrip("."),
        ) from error
    found = np.asarray(window, np.float64)
    mirrored = found[::-1] if symmetric else np.concatenate([found[:1], found[:0:-1]])
    if not np.all(np.isfinite(found)):
        raise FeatureError("the window has values that are no numbers", where="window", found=repr(name))
    if np.abs(found - mirrored).max() > _ASYMMETRY_MAX:
        raise FeatureError("the window is no mirror image of itself", where="window", found=repr(name))
    return found
