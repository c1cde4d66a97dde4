# SPDX-License-Identifier: Apache-2.0
"""Change the rate of a recording: by soxr, or as torchaudio does."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_Real = npt.NDArray[np.float64]

# torchaudio.functional.resample's defaults (torchaudio 2): a sinc with a Hann window of six zero crossings on either
# side, cut off a little below half the lower rate.
_CROSSINGS = 6
_ROLLOFF = 0.99


def resample(audio: _Real, rate_hz: int, wanted_hz: int, resampler: str) -> _Real:
    """A recording (samples, channels) at another rate.

    Args:
        resampler: ``torchaudio``, or soxr's quality such as ``soxr_hq``.
    """
    if rate_hz == wanted_hz:
        return audio
    if resampler == "torchaudio":
        return _windowed_sinc(audio, rate_hz, wanted_hz)
    import soxr

    quality = resampler.removeprefix("soxr_").upper()
    return np.asarray(soxr.resample(audio, rate_hz, wanted_hz, quality=quality))


def _windowed_sinc(audio: _Real, rate_hz: int, wanted_hz: int) -> _Real:
    """Each output sample is a sum over the input around it; the weights repeat every ``wanted`` of them."""
    common = math.gcd(rate_hz, wanted_hz)
    given, wanted = rate_hz // common, wanted_hz // common
    cutoff = min(given, wanted) * _ROLLOFF
    reach = math.ceil(_CROSSINGS * given / cutoff)
    offsets = np.arange(-reach, reach + given) / given
    at = (offsets[None, :] - np.arange(wanted)[:, None] / wanted) * cutoff
    at = np.clip(at, -_CROSSINGS, _CROSSINGS)
    weights = np.sinc(at) * np.cos(at * math.pi / _CROSSINGS / 2) ** 2 * cutoff / given
    padded = np.pad(audio, ((reach, reach + given), (0, 0)))
    blocks = np.lib.stride_tricks.sliding_window_view(padded, weights.shape[1], axis=0)[::given]
    made = np.einsum("tcn,wn->twc", blocks, weights, optimize=True).reshape(-1, audio.shape[1])
    return np.asarray(made[: math.ceil(wanted * len(audio) / given)])
