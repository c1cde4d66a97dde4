# SPDX-License-Identifier: Apache-2.0
"""A matrix of filters as the fields of a specification: sample rate, ends, scale, norm and triangles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.errors import FeatureError
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec

_Real = npt.NDArray[np.float64]
RATES = (16000, 8000, 22050, 44100, 48000, 32000, 24000, 11025, 12000, 96000)
# (mel_scale, mel_norm, mel_triangles): tf.signal and Keras, torchaudio, librosa, and the rest.
_KINDS = (
    ("htk", "none", "mel"), ("htk", "none", "hz"), ("slaney", "slaney", "hz"), ("slaney", "none", "hz"),
    ("htk", "slaney", "hz"), ("slaney", "none", "mel"), ("htk", "slaney", "mel"),
)  # fmt: skip
# Of the largest weight: what single precision and TensorFlow's mel formula leave.
_ERROR_MAX = 3e-5
# Of the sum of weights: a scale or a norm that is another differs by more, half a bin by less.
_NEAR = 0.4
_STEPS_HZ = (100.0, 50.0, 20.0, 5.0, 1.0)


def identify(matrix: _Real, n_fft: int) -> dict[str, Any] | None:
    """The fields with which a specification has these filters, (bins, bands); ``None`` where none was found."""
    filters = matrix.T
    if len(filters) < 2 or filters.min() < 0 or not filters.any() or (filters > 0).sum(axis=0).max() > 2:
        return None
    likely = [
        (rate, kind)
        for rate, kind in itertools.product(RATES, _KINDS)
        if _is_near(filters, n_fft, rate, kind)
    ]
    for step in _STEPS_HZ:
        for rate, kind in likely:
            lows, highs = _ends(filters, rate / n_fft)
            tops = [rate / 2] if highs[1] >= rate / 2 else []
            for low, high in itertools.product(_neat(*lows, step), [*tops, *_neat(*highs, step)]):
                fields = _fields(n_fft, rate, kind, len(filters), low, high)
                if _error(filters, n_fft, fields) <= _ERROR_MAX:
                    return fields
    return None


def _ends(filters: _Real, bin_hz: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Between which frequencies the first filter begins and the last one ends: DC has no weight in any."""
    heard = np.flatnonzero(filters.any(axis=0))
    lowest, highest = int(heard[0]), int(heard[-1])
    last = min((highest + 1) * bin_hz, (filters.shape[1] - 1) * bin_hz)
    return (0.0 if lowest == 1 else (lowest - 1) * bin_hz, lowest * bin_hz), (highest * bin_hz, last)


def _is_near(filters: _Real, n_fft: int, rate: int, kind: tuple[str, str, str]) -> bool:
    """Whether the filters of the upper half, which a bin more or less changes little, are about these."""
    lows, highs = _ends(filters, rate / n_fft)
    fields = _fields(n_fft, rate, kind, len(filters), sum(lows) / 2, sum(highs) / 2)
    found = _matrix(n_fft, fields, filters.shape[1])
    if found is None:
        return False
    upper = slice(len(filters) // 2, None)
    return float(np.abs(found[upper] - filters[upper]).sum()) < _NEAR * float(filters[upper].sum())


def _neat(low: float, high: float, step: float) -> Iterator[float]:
    """The multiples of a step from ``low`` to ``high``."""
    for number in range(int(np.ceil(low / step)), int(high / step) + 1):
        yield number * step


def _fields(
    n_fft: int, rate: int, kind: tuple[str, str, str], count: int, low: float, high: float
) -> dict[str, Any]:
    scale, norm, triangles = kind
    return {
        "sample_rate_hz": rate, "n_mels": count, "fmin_hz": low, "fmax_hz": high, "mel_scale": scale,
        "mel_norm": norm, "mel_triangles": triangles,
    }  # fmt: skip


def _matrix(n_fft: int, fields: dict[str, Any], bins: int) -> _Real | None:
    """The filters of these fields, (bands, bins); ``None`` where they cannot be."""
    try:
        spec = FeatureSpec(
            **fields, n_fft=n_fft, win_length=n_fft, clip_samples=n_fft, hop_length=n_fft, center=False
        )
    except FeatureError:
        return None
    return tables.mel_segments(spec).matrix(bins)


def _error(filters: _Real, n_fft: int, fields: dict[str, Any]) -> float:
    """The largest difference of a weight, as a share of the largest weight."""
    found = _matrix(n_fft, fields, filters.shape[1])
    return math.inf if found is None else float(np.abs(found - filters).max() / filters.max())
