# SPDX-License-Identifier: Apache-2.0
"""What was read of a graph's features as a ``FeatureSpec``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ascmcu.errors import FeatureError
from ascmcu.features import tables
from ascmcu.features.spec import FeatureSpec
from ascmcu.frontends.ingraph import mels
from ascmcu.frontends.ingraph.reading import BAND, TIME, Reading

_CLOSE = 1e-4
_FULL_SCALE = 32768.0
_LOGARITHMS = {"ln": 1.0, "log10": 1 / math.log(10)}


@dataclass(frozen=True)
class Derived:
    """A specification, and how the graph takes samples.

    Attributes:
        spec: ``None`` where the features cannot be described; ``why`` then says what is in the way.
        unit: what full scale is for the graph: 1, or 32768.
    """

    spec: FeatureSpec | None
    unit: float
    why: str = ""


def derive(x: Reading, dtype: str) -> Derived:
    """The specification of features as they were read; ``dtype`` is that of the graph's audio input."""
    frames = x.framing
    by_integers = dtype == "int16" or _FULL_SCALE / 2 <= 1 / abs(frames.unit) <= 2 * _FULL_SCALE
    unit = _FULL_SCALE if by_integers else 1.0
    for why in _obstacles(x):
        return Derived(None, unit, why)
    level = abs(frames.unit) * unit
    amplitude = "int16" if abs(level / _FULL_SCALE - 1) < _CLOSE else "full_scale"
    level /= _FULL_SCALE if amplitude == "int16" else 1.0
    factor = level**x.power * x.scale
    norm = _power_norm(factor, x)
    factor = 1.0 if norm or abs(factor - 1) < _CLOSE else factor
    filters: dict[str, Any] | None = {"filters": "none", "n_mels": frames.n_fft // 2 + 1}
    if x.matrix is not None:
        filters = mels.identify(x.matrix, frames.n_fft)
        if filters is None:
            return Derived(None, unit, f"{x.matrix.shape[1]} filters that are no mel filters")
    assert filters is not None
    try:
        fields = {**_of_frames(x), **filters, **_of_logarithm(x, factor)}
        spec = FeatureSpec(
            amplitude=amplitude, power=int(x.power), power_norm=norm or "none", **_with_rate(fields)
        )
        return Derived(_cepstra(spec, x), unit)
    except FeatureError as error:
        return Derived(None, unit, str(error).replace("\n", ";"))


def _obstacles(x: Reading) -> list[str]:
    frames = x.framing
    found = []
    if not frames.name:
        found.append("a window that has no name here")
    if x.power not in (1, 2):
        found.append(f"magnitudes to the power {x.power:g}")
    if frames.centered and frames.first != -(frames.n_fft // 2):
        found.append(f"frames that begin {-frames.first} samples before the clip")
    if frames.first > 0:
        found.append(f"frames that begin {frames.first} samples within the clip")
    if x.part != "values" or BAND not in x.axes:
        found.append("values without an axis of bands")
    return found


def _power_norm(factor: float, x: Reading) -> str:
    lengths = {"n_fft": x.framing.n_fft, "win_length": len(x.framing.window)}
    close = (name for name, n in lengths.items() if abs(factor * n ** (x.power / 2) - 1) < _CLOSE)
    return next(close, "")


def _of_frames(x: Reading) -> dict[str, Any]:
    frames = x.framing
    length = len(frames.window)
    middle = (frames.n_fft - length) // 2
    ordered = [axis for axis in x.axes if axis]
    return {
        "clip_samples": frames.samples, "n_fft": frames.n_fft, "win_length": length, "hop_length": frames.hop,
        "window": frames.name, "window_symmetric": frames.symmetric, "center": frames.centered,
        "window_place": "center" if frames.centered or (frames.begin == middle and middle) else "start",
        "pad_mode": "reflect" if frames.mirrored or not frames.centered else "constant",
        "layout": "mel_time" if ordered == [BAND, TIME] else "time_mel",
    }  # fmt: skip


def _of_logarithm(x: Reading, factor: float) -> dict[str, Any]:
    """Logarithm, limit and what scales the features; ``factor`` is that of the spectrum."""
    gain, bias = np.array(x.gain), np.array(x.bias)
    if not x.logarithm:
        offset, floor = _short(x.offset / factor), _short(x.floor / factor)
        found: dict[str, Any] = {"log": "none", "log_offset": offset, "log_floor": floor}
        gain = gain * factor
        return {**found, **_normalization(gain, bias)}
    decibels = (2 if x.power == 1 else 1) * 10 / math.log(10)
    units = {**_LOGARITHMS, "db": decibels}
    kind = next((name for name, u in units.items() if abs(x.logarithm / u - 1) < _CLOSE), "ln")
    kind = "db" if x.top_db is not None else kind
    rest = x.logarithm / units[kind] if abs(x.logarithm / units[kind] - 1) >= _CLOSE else 1.0
    bias = bias + gain * x.logarithm * math.log(factor)
    gain = gain * rest
    found = {"log": kind, "log_offset": _short(x.offset / factor), "log_floor": _short(x.floor / factor)}
    if x.top_db is not None:
        found["top_db"] = x.top_db / rest
    return {**found, **_normalization(gain, bias)}


def _short(value: float) -> float:
    """The shortest number that is the same float32, in which the graph has it: 1e-06 for 9.999999974752427e-07."""
    return float(str(np.float32(value)))


def _normalization(gain: np.ndarray[Any, Any], bias: np.ndarray[Any, Any]) -> dict[str, Any]:
    """y = gain x + bias as one of the normalizations."""
    if len(gain) == len(bias) == 1:
        if abs(gain[0] - 1) < 1e-6 and abs(bias[0]) < 1e-6:
            return {}
        low = -float(bias[0]) / float(gain[0])
        return {"normalization": "range", "range_low": low, "range_high": low + 1 / float(gain[0])}
    gain, bias = np.broadcast_arrays(gain, bias)
    return {
        "normalization": "mean_std",
        "mean": (tuple(float(v) for v in -bias / gain),), "std": (tuple(float(v) for v in 1 / gain),),
    }  # fmt: skip


def _with_rate(fields: dict[str, Any]) -> dict[str, Any]:
    """Without filters nothing says the sample rate: 16 kHz then."""
    rate = fields.setdefault("sample_rate_hz", 16000)
    fields.setdefault("fmax_hz", rate / 2)
    return fields


def _cepstra(spec: FeatureSpec, x: Reading) -> FeatureSpec:
    """With the coefficients of the matrix behind the logarithm, where there is one."""
    if x.basis is None:
        return spec
    if spec.normalization != "none":
        raise FeatureError("a transform between two factors", where="normalization")
    for norm in ("ortho", "tensorflow"):
        made = spec.replace(n_mfcc=x.basis.shape[1], dct_norm=norm)
        if np.abs(tables.dct(made).T - x.basis).max() < _CLOSE:
            return made
    raise FeatureError("a matrix behind the logarithm that is no DCT", where="n_mfcc")
