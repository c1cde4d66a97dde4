# SPDX-License-Identifier: Apache-2.0
"""The integer constants of the micro front end, with the roundings of TensorFlow's libraries.

Source of all formulas: tensorflow/lite/experimental/microfrontend/lib (``*_util.c``) and KISS FFT (``kiss_fft.c``,
``kiss_fftr.c`` with FIXED_POINT=16); of those of ``library = "signal"``: tensorflow/tflite-micro,
python/tflite_micro/signal/ops. The libraries compute most of them in single precision, and so does this: each function
rounds to float32 where they do, as a weight that lies at a half would come out one higher.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.features.microspec import FILTER_BITS, NOISE_BITS, MicroSpec

Ints = npt.NDArray[np.int64]
_Single = np.float32

_WINDOW_BITS = 12
_MOST_POSITIVE = 32767
# Segments of the logarithm's table, and its fractional bits.
LOG_SEGMENTS = 128
LOG_BITS = 16
# log 2 with 16 fractional bits.
LOG_OF_TWO = round(math.log(2) * (1 << LOG_BITS))


def window(spec: MicroSpec) -> Ints:
    """The Hann window, sampled half a sample late, with 12 fractional bits: int64 (``window_samples``,)."""
    size = spec.window_samples
    if spec.library == "signal":
        exact = 0.5 - 0.5 * np.cos(2 * np.pi / size * (np.arange(size) + 0.5))
        return np.asarray(np.rint(exact * (1 << _WINDOW_BITS)).astype(np.int64))
    step = _Single(math.pi) * _Single(2) / _Single(size)
    phase = step * (np.arange(size, dtype=np.float32) + _Single(0.5))
    weight = _Single(0.5) - _Single(0.5) * np.cos(phase.astype(np.float64)).astype(np.float32)
    return _rounded(np.asarray(weight, np.float32), _WINDOW_BITS)


def _rounded(values: npt.NDArray[np.float32], bits: int) -> Ints:
    scaled = values * _Single(1 << bits) + _Single(0.5)
    whole: Ints = np.floor(scaled).astype(np.int64)
    return whole


def _cut(values: npt.NDArray[np.float32], bits: int) -> Ints:
    return (values * _Single(1 << bits)).astype(np.int64)


def radices(points: int) -> tuple[int, ...]:
    """The radices of a complex FFT of ``points``, a power of two, from the outermost stage to the innermost."""
    found = []
    while points > 1:
        found.append(4 if points % 4 == 0 else 2)
        points //= found[-1]
    return tuple(found)


def order(points: int) -> Ints:
    """Where each input of the innermost butterflies comes from: the digits of the index, reversed."""
    source = np.zeros(1, np.int64)
    stride = 1
    for radix in radices(points):
        source = (source[:, None] + stride * np.arange(radix)).reshape(-1)
        stride *= radix
    return source


def twiddles(points: int) -> Ints:
    """exp(-2πik / points) with 15 fractional bits, int64 (points, 2): real and imaginary."""
    return _circle(-2 * math.pi * np.arange(points) / points)


def separation(points: int) -> Ints:
    """Factors that take the two halves of a real spectrum apart, for bins 1 … points / 2: int64 (points / 2, 2)."""
    k = np.arange(points // 2)
    return _circle(-math.pi * ((k + 1) / points + 0.5))


def _circle(phase: npt.NDArray[np.float64]) -> Ints:
    pairs = np.stack([np.cos(phase), np.sin(phase)], axis=1)
    return np.floor(0.5 + _MOST_POSITIVE * pairs).astype(np.int64)


@dataclass(frozen=True)
class Filters:
    """The filter bank by what lies between the corners of the filters.

    Attributes:
        first_bin: the first bin of the first segment.
        bins: bins of each of the ``n_mels`` + 1 segments.
        falling: weights of segment i's bins in filter i - 1, which falls there; 12 fractional bits [weights].
        rising: weights of the same bins in filter i, which rises there [unweights].
    """

    first_bin: int
    bins: Ints
    falling: Ints
    rising: Ints

    @property
    def end_bin(self) -> int:
        """The bin behind the last one."""
        return self.first_bin + int(self.bins.sum())


def _mel(hz: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return _Single(1127) * log1p(hz / _Single(700))


# The polynomial of fdlibm's log1pf, and log 2 in two parts.
_LOG1P = (
    0.66666668653,
    0.40000000596,
    0.28571429849,
    0.22222198546,
    0.18183572590,
    0.15313838422,
    0.14798198640,
)
_LN2_HIGH, _LN2_LOW = _Single(6.9313812256e-01), _Single(9.0580006145e-06)


def log1p(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """log(1 + x) of positive single-precision numbers as fdlibm's ``log1pf`` rounds it.

    The library builds its filters with it: newlib on the devices and glibc before 2.41 have this one. It is not
    correctly rounded, and here and there a filter's weight shows that.
    """
    one, half, two = _Single(1), _Single(0.5), _Single(2)
    plus = one + x
    exponent = np.frexp(plus)[1] - 1
    lost = np.where(exponent > 0, one - (plus - x), x - (plus - one)) / plus
    mantissa = np.ldexp(plus, -exponent)
    above = (mantissa.view(np.int32) & 0x7FFFFF) >= 0x3504F7  # above √2: between √½ and 1 of the next octave
    near = x < _Single(0.41421354)
    k = np.where(near, 0, exponent + above).astype(np.float32)
    f = np.where(near, x, np.where(above, mantissa * half, mantissa) - one)
    c = np.where(near, _Single(0), lost)
    square = half * f * f
    s = f / (two + f)
    z = s * s
    series = np.zeros_like(x)
    for coefficient in reversed(_LOG1P):
        series = z * (_Single(coefficient) + series)
    part = s * (square + series)
    return np.where(near, f - (square - part), k * _LN2_HIGH - ((square - (part + (k * _LN2_LOW + c))) - f))


def filters(spec: MicroSpec) -> Filters:
    """The filter bank of a spec; DC and what lies below ``fmin_hz`` are left out."""
    low, high = _mel(np.array([spec.fmin_hz, spec.fmax_hz], np.float32))
    spacing = (high - low) / _Single(spec.n_mels + 1)
    centers = low + spacing * np.arange(1, spec.n_mels + 2, dtype=np.float32)
    step_hz = _Single(0.5) * _Single(spec.sample_rate_hz) / _Single(spec.n_fft // 2)
    first = int(_Single(1.5) + _Single(spec.fmin_hz) / step_hz)
    mels = _mel(np.arange(spec.n_fft // 2 + 1, dtype=np.float32) * step_hz)
    edges, start = [first], first
    for center in centers:
        while start < len(mels) and mels[start] <= center:
            start += 1
        edges.append(start)
    bins = np.diff(edges)
    segment = np.repeat(np.arange(spec.n_mels + 1), bins)
    below = np.concatenate([[low], centers[:-1]]).astype(np.float32)
    weight = (centers[segment] - mels[first : edges[-1]]) / (centers - below)[segment]
    quantized = _cut if spec.library == "signal" else _rounded
    return Filters(first, bins, quantized(weight, FILTER_BITS), quantized(_Single(1) - weight, FILTER_BITS))


def smoothing(spec: MicroSpec) -> tuple[int, int, int]:
    """(even, odd, least remaining signal) of the noise reduction, with 14 fractional bits."""
    of = (spec.even_smoothing, spec.odd_smoothing, spec.min_signal_remaining)
    even, odd, remaining = (int(_Single(x) * _Single(1 << NOISE_BITS)) for x in of)
    return even, odd, remaining


def gains(spec: MicroSpec) -> Ints:
    """The gain by noise estimate, int64 (128,): two values and a pad, then (value, slope, curve, pad) per octave.

    Octave i, from 2^(i-1), stands at 4 i - 6. Between the values lie parabolas through its start, middle and end.
    """
    table = np.zeros(4 * 32 - 3, np.int64)
    table[:2] = _gain(spec, 0), _gain(spec, 1)
    for octave in range(2, 33):
        start = 1 << (octave - 1)
        end = 2 * start if octave < 32 else 2 * start - 1
        y0, y1, y2 = (_gain(spec, x) for x in (start, start + start // 2, end))
        slope = 4 * (y1 - y0) - (y2 - y0)
        at = 4 * octave - 6
        table[at : at + 3] = y0, _int16(slope), _int16(y2 - y0 - slope)
    return table


def _gain(spec: MicroSpec, estimate: int) -> int:
    bits = spec.smoothing_bits - spec.correction_bits
    x = _Single(estimate) / _Single(1 << bits) + _Single(spec.pcan_offset)
    power = _Single(float(x) ** -float(_Single(spec.pcan_strength)))
    gain = _Single(1 << spec.pcan_gain_bits) * power
    return _MOST_POSITIVE if gain > _MOST_POSITIVE else int(gain + _Single(0.5))


def _int16(value: int) -> int:
    return (value + 32768) % 65536 - 32768


def logarithms() -> Ints:
    """What log2(1 + x) exceeds x by, at the ends of 128 segments of 0 … 1, with 16 fractional bits; one more 0."""
    x = np.arange(LOG_SEGMENTS + 1) / LOG_SEGMENTS
    values = np.rint((np.log2(1 + x) - x) * (1 << LOG_BITS)).astype(np.int64)
    return np.append(values, 0)
