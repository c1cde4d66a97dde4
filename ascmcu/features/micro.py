# SPDX-License-Identifier: Apache-2.0
"""The micro front end in NumPy: the reference of the generated C, and TensorFlow's library number for number.

Integers are int64 here and are wrapped where the library stores 16 or 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ascmcu.features import micro_tables as tables
from ascmcu.features.microspec import GAIN_OUTPUT_BITS, NOISE_BITS, SNR_BITS, MicroSpec
from ascmcu.features.pcm import Pcm, fit_clip

Ints = npt.NDArray[np.int64]
_U32 = np.int64(0xFFFFFFFF)
_CHUNK = 4096


def extract(pcm: Pcm, spec: MicroSpec) -> npt.NDArray[np.uint16]:
    """The features of one clip as the library gives them; the noise estimate begins at zero.

    Args:
        pcm: int16 (samples, 1) or (samples,); cut or zero-padded at its end to ``clip_samples``.

    Returns:
        uint16 (rows, ``n_mels``).
    """
    bands = [band_values(frames, spec) for frames in _frames(pcm, spec)]
    signal, estimates = reduce_noise(np.concatenate(bands), spec)
    if spec.pcan:
        signal = control_gain(signal, estimates, spec)
    return scale_logarithm(signal, spec).astype(np.uint16)


def map_input(features: npt.NDArray[np.uint16]) -> npt.NDArray[np.int8]:
    """The int8 input of micro_speech and microWakeWord: 0 … 26 in units of training to -128 … 127."""
    mapped = (features.astype(np.int64) * 256 + 333) // 666 - 128
    return np.minimum(mapped, 127).astype(np.int8)


def mel_magnitudes(pcm: Pcm, spec: MicroSpec) -> npt.NDArray[np.float64]:
    """The roots of the filter bank, before the noise reduction: float64 (rows, ``n_mels``)."""
    return np.concatenate([band_values(frames, spec) for frames in _frames(pcm, spec)]).astype(np.float64)


def _frames(pcm: Pcm, spec: MicroSpec) -> Iterator[Ints]:
    """The frames of one clip, int64 (some, ``window_samples``) at a time."""
    samples = fit_clip(pcm, spec)[:, 0].astype(np.int64)
    frames = np.lib.stride_tricks.sliding_window_view(samples, spec.window_samples)[:: spec.hop_length]
    for first in range(0, len(frames), _CHUNK):
        yield frames[first : first + _CHUNK]


# ---- stages


def band_values(frames: Ints, spec: MicroSpec) -> Ints:
    """Window, FFT, filter bank and square root: int64 (frames, ``n_mels``), each below 2³²."""
    windowed = _int16(frames * tables.window(spec) >> 12)
    magnitude = np.where(windowed < 0, _int16(-windowed), windowed).max(axis=1, initial=0)
    shift = 15 - _bit_length(magnitude)
    padded = np.zeros((len(frames), spec.n_fft), np.int64)
    padded[:, : spec.window_samples] = _int16(windowed << shift[:, None])
    bank = tables.filters(spec)
    used = real_fft(padded)[:, bank.first_bin : bank.end_bin]
    energy = used[..., 0] ** 2 + used[..., 1] ** 2
    energy = np.where(energy == 1 << 31, -energy, energy)  # as int32
    ends = np.concatenate([[0], np.cumsum(bank.bins)])
    sums = []
    for weights in (bank.falling, bank.rising):
        running = np.cumsum(np.pad(energy * weights, ((0, 0), (1, 0))), axis=1)
        sums.append(running[:, ends[1:]] - running[:, ends[:-1]])
    work = sums[0][:, 1:] + sums[1][:, :-1]
    return square_root(work) >> shift[:, None]


def real_fft(x: Ints) -> Ints:
    """KISS FFT's real FFT of int16 with its roundings: int16 values (frames, n_fft / 2 + 1, 2), n_fft times smaller."""
    points = x.shape[1] // 2
    f = complex_fft(x.reshape(len(x), points, 2))
    k = np.arange(1, points // 2 + 1)
    at = _divided(f[:, k], 2)
    mirrored = f[:, points - k]
    mirrored = _divided(_int16(np.stack([mirrored[..., 0], -mirrored[..., 1]], axis=-1)), 2)
    even = _int16(at + mirrored)
    odd = _times(_int16(at - mirrored), tables.separation(points))
    out = np.zeros((len(x), points + 1, 2), np.int64)
    dc = _divided(f[:, 0], 2)
    out[:, 0, 0] = _int16(dc[:, 0] + dc[:, 1])
    out[:, points, 0] = _int16(dc[:, 0] - dc[:, 1])
    # For k = points / 2 both write the same bin; the second remains.
    out[:, k] = _int16(even + odd >> 1)
    sign = np.array([1, -1])
    out[:, points - k] = _int16((even - odd) * sign >> 1)
    return out


def complex_fft(x: Ints) -> Ints:
    """KISS FFT's complex FFT: every stage divides by its radix first, so that nothing overflows."""
    points = x.shape[1]
    out = x[:, tables.order(points)]
    turn = tables.twiddles(points)
    inner = 1
    for radix in reversed(tables.radices(points)):
        blocks = _divided(out.reshape(len(x), -1, radix, inner, 2), radix)
        step = points // (radix * inner)
        first = blocks[:, :, 0]
        rest = [_times(blocks[:, :, i], turn[np.arange(inner) * step * i]) for i in range(1, radix)]
        legs = _butterfly4(first, *rest) if radix == 4 else [_int16(first + rest[0]), _int16(first - rest[0])]
        out = np.stack(legs, axis=2).reshape(len(x), points, 2)
        inner *= radix
    return out


def _butterfly4(a: Ints, b: Ints, c: Ints, d: Ints) -> list[Ints]:
    difference, total = _int16(a - c), _int16(a + c)
    pair, turned = _int16(b + d), _int16(b - d)[..., ::-1] * np.array([1, -1])  # (b - d) × -i
    return [
        _int16(total + pair),
        _int16(difference + turned),
        _int16(total - pair),
        _int16(difference - turned),
    ]


def square_root(x: Ints) -> Ints:
    """The integer root of values below 2⁶², rounded; as in the library 65,535 is not rounded up."""
    root = np.sqrt(x.astype(np.float64)).astype(np.int64)
    root -= root * root > x
    root += (root + 1) * (root + 1) <= x
    up: Ints = ((x - root * root > root) & (root != 0xFFFF)).astype(np.int64)
    return root + up


def reduce_noise(signal: Ints, spec: MicroSpec) -> tuple[Ints, Ints]:
    """Spectral subtraction of each band's smoothed noise estimate.

    Returns:
        the signal and, for the gain control, the estimates of each frame; both uint32 values (frames, ``n_mels``).
    """
    even, odd, least = tables.smoothing(spec)
    weight = np.where(np.arange(spec.n_mels) % 2 == 0, even, odd).astype(np.uint64)
    rest = np.uint64(1 << NOISE_BITS) - weight
    scaled = (signal.astype(np.uint64) << np.uint64(spec.smoothing_bits)) & np.uint64(0xFFFFFFFF)
    fresh = scaled * weight
    estimates = np.empty_like(scaled)
    estimate = np.zeros(spec.n_mels, np.uint64)
    for i, row in enumerate(fresh):
        estimate = ((row + estimate * rest) >> np.uint64(NOISE_BITS)) & np.uint64(0xFFFFFFFF)
        estimates[i] = estimate
    floor = (signal * least >> NOISE_BITS) & _U32
    left = (scaled - np.minimum(estimates, scaled)).astype(np.int64) >> spec.smoothing_bits
    return np.maximum(left, floor), estimates.astype(np.int64)


def control_gain(signal: Ints, estimates: Ints, spec: MicroSpec) -> Ints:
    """Per-channel amplitude normalization (PCAN): the louder the noise, the smaller the gain."""
    gain = _int16(_gain_at(estimates, tables.gains(spec))) & _U32
    ratio = (signal.astype(np.uint64) * gain.astype(np.uint64)) >> np.uint64(spec.snr_shift)
    ratio = (ratio & np.uint64(0xFFFFFFFF)).astype(np.int64)
    small = (ratio * ratio & _U32) >> (2 + 2 * SNR_BITS - GAIN_OUTPUT_BITS)
    large = (ratio >> (SNR_BITS - GAIN_OUTPUT_BITS)) - (1 << GAIN_OUTPUT_BITS)
    return np.where(ratio < 2 << SNR_BITS, small, large)


def _gain_at(x: Ints, table: Ints) -> Ints:
    octave = np.maximum(_bit_length(x), 2)
    fraction = np.where(octave < 11, x << np.maximum(11 - octave, 0), x >> np.maximum(octave - 11, 0)) & 0x3FF
    at = 4 * octave - 6
    between = (table[at + 2] * fraction >> 5) + (table[at + 1] << 5)
    between = (between * fraction + (1 << 14)) >> 15
    return np.where(x <= 2, table[np.minimum(x, 2)], between + table[at])


def scale_logarithm(signal: Ints, spec: MicroSpec) -> Ints:
    """The natural logarithm × 2^``log_shift``, at most 65,535."""
    if not spec.log:
        return np.minimum(signal, 0xFFFF)
    scaled = logarithm_of((signal << spec.correction_bits) & _U32, 1 << spec.log_shift)
    return np.minimum(scaled, 0xFFFF)


def logarithm_of(x: Ints, unit: int) -> Ints:
    """The natural logarithm of values below 2³² in steps of 1 / ``unit``; 0 of 0 and 1."""
    octave = np.maximum(_bit_length(x) - 1, 0)
    mantissa = x - (1 << octave)
    fraction = np.where(
        octave < 16, mantissa << np.maximum(16 - octave, 0), mantissa >> np.maximum(octave - 16, 0)
    )
    table = tables.logarithms()
    segment = np.clip(fraction >> 9, 0, tables.LOG_SEGMENTS - 1)
    low, high = table[segment], table[segment + 1]
    log2 = (octave << 16) + fraction + low + ((high - low) * (fraction - (segment << 9)) >> 16)
    natural = tables.LOG_OF_TWO * log2 + (1 << 15) >> 16
    scaled = ((natural * unit + (1 << 15)) & _U32) >> 16
    return np.where(x > 1, scaled, 0)


# ---- 16-bit arithmetic


def _int16(x: Ints) -> Ints:
    return x.astype(np.int16).astype(np.int64)


def _bit_length(x: Ints) -> Ints:
    """Bits of a value from 0 to 2³² - 1."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def _rounded(x: Ints) -> Ints:
    return _int16(x + (1 << 14) >> 15)


def _divided(x: Ints, by: int) -> Ints:
    return _rounded(x * (32767 // by))


def _times(x: Ints, y: Ints) -> Ints:
    real = x[..., 0] * y[..., 0] - x[..., 1] * y[..., 1]
    imaginary = x[..., 0] * y[..., 1] + x[..., 1] * y[..., 0]
    return np.stack([_rounded(real), _rounded(imaginary)], axis=-1)
