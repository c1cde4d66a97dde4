# SPDX-License-Identifier: Apache-2.0
"""The two mel scales, with the bits that librosa gives.

Here and not from librosa: an export needs a few dozen numbers of it, and its import takes longer than they do.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_Real = npt.NDArray[np.float64]

# Slaney's Auditory Toolbox (1998): linear up to 1 kHz, then 27 steps for each factor of 6.4.
_HZ_PER_MEL = 200.0 / 3
_LOG_FROM_HZ = 1000.0
_LOG_FROM_MEL = _LOG_FROM_HZ / _HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


def hz_to_mel(hz: npt.ArrayLike, *, htk: bool) -> _Real:
    """Frequencies in mel: 2595 log10(1 + f / 700) by HTK, else Slaney's."""
    f = np.asarray(hz, np.float64)
    if htk:
        return np.asarray(2595.0 * np.log10(1.0 + f / 700.0))
    above = np.maximum(f, _LOG_FROM_HZ)
    return np.where(
        f >= _LOG_FROM_HZ, _LOG_FROM_MEL + np.log(above / _LOG_FROM_HZ) / _LOG_STEP, f / _HZ_PER_MEL
    )


def mel_to_hz(mel: npt.ArrayLike, *, htk: bool) -> _Real:
    """The inverse of ``hz_to_mel``."""
    m = np.asarray(mel, np.float64)
    if htk:
        return np.asarray(700.0 * (10.0 ** (m / 2595.0) - 1.0))
    above = np.maximum(m, _LOG_FROM_MEL)
    return np.where(
        m >= _LOG_FROM_MEL, _LOG_FROM_HZ * np.exp(_LOG_STEP * (above - _LOG_FROM_MEL)), _HZ_PER_MEL * m
    )


def corners(count: int, low_hz: float, high_hz: float, *, htk: bool) -> _Real:
    """``count`` frequencies in Hz, evenly spaced in mel, both ends included."""
    low, high = (float(hz_to_mel(hz, htk=htk)) for hz in (low_hz, high_hz))
    return mel_to_hz(np.linspace(low, high, count), htk=htk)


def at_bins(corners_hz: _Real, n_fft: int, sample_rate_hz: int) -> _Real:
    """Corners at whole FFT bins, as speechpy places them: floor((n_fft + 1) f / sample rate).

    Edge Impulse's fork lowers the last corner by 0.001 Hz, so that rounding does not decide about its bin.
    """
    lowered = np.concatenate([corners_hz[:-1], corners_hz[-1:] - 0.001])
    return np.asarray(np.floor((n_fft + 1) * lowered / sample_rate_hz))
