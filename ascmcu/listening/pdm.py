# SPDX-License-Identifier: Apache-2.0
"""From the bits of a PDM microphone to samples: the reference of ``firmware/microphones/pdm.c`` and ``filter.c``, and
the filter's taps.

Four integrators and differences over 32 bits each (CIC: Hogenauer, "An economical class of digital filters for
decimation and interpolation", 1981), then a filter at twice the sample rate, then the offset is removed.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

# Bits of a sample, and of a value of the integrators.
BITS, VALUE_BITS = 64, 32
_STAGES, _SHIFT = 4, 4
TAPS, FILTER_SHIFT = 64, 14
# Parts of the sample rate that the filter passes, and from which on it stops what would fold into these.
PASSES, STOPS = 7 / 16, 9 / 16
# Weight of an error in the stop band: it leaves some 70 dB there and 0.1 dB in the pass band.
_STOP_WEIGHT = 30.0
_OFFSET_SHIFT = 8


def response(frequency: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What the integrators and differences make of a sine; frequencies are parts of the sample rate."""
    x = np.pi * frequency / BITS
    ratio = np.ones_like(x)
    np.divide(np.sin(VALUE_BITS * x), VALUE_BITS * np.sin(x), out=ratio, where=x != 0)
    return np.asarray(ratio**_STAGES)


@functools.cache
def taps() -> tuple[int, ...]:
    """The symmetric filter at twice the sample rate, times 2^14: least squares on the pass band, divided by what the
    integrators leave of it, and on the stop band."""
    passed, stopped = np.linspace(0, PASSES, 400), np.linspace(STOPS, 1, 500)
    left = response(passed)
    weights = np.concatenate([left, np.full(len(stopped), _STOP_WEIGHT)])
    wanted = np.concatenate([1 / left, np.zeros(len(stopped))])
    frequency = np.concatenate([passed, stopped])
    waves = 2 * np.cos(np.pi * np.outer(frequency, np.arange(TAPS // 2) + 0.5))
    half = np.linalg.lstsq(waves * weights[:, None], wanted * weights, rcond=None)[0]
    return tuple(int(x) for x in np.rint(np.concatenate([half[::-1], half]) * 2**FILTER_SHIFT))


def value_scale(bits: int) -> int:
    """What a value of integrators over ``bits`` bits, each -1 or 1, is multiplied by: 2^32 of the product are a
    sample's unit."""
    return round(2**47 / float(bits) ** _STAGES)


def decimated(words: npt.NDArray[np.uint16]) -> npt.NDArray[np.int16]:
    """The samples of half-words, of which four make one; the first bit is a word's highest."""
    words = words[: len(words) // 4 * 4]
    bits = np.unpackbits(words.astype(">u2").view(np.uint8)).astype(np.int64)
    for _ in range(_STAGES):
        bits = np.cumsum(bits)  # exact below 2^63: some minutes
    values = bits[VALUE_BITS - 1 :: VALUE_BITS]
    for _ in range(_STAGES):
        values = np.diff(values, prepend=0)
    values = np.clip((values - 2**19 + 2 ** (_SHIFT - 1)) >> _SHIFT, -32768, 32767)
    values[:_STAGES] = 0  # these are of bits before the first
    return filtered(values)


def summed(bits: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.int64]:
    """What an STM32's DFSDM makes of bits: four integrators and differences over ``count`` bits of -1 or 1
    each. The first three values are of bits before the first: it does not give them."""
    values = 2 * bits[: len(bits) // count * count].astype(np.int64) - 1
    for _ in range(_STAGES):
        values = np.cumsum(values)  # modulo 2^64, as the differences are
    values = values[count - 1 :: count]
    for _ in range(_STAGES):
        values = np.diff(values, prepend=0)
    return values[_STAGES - 1 :]


def scaled(values: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Such values as 16 bits: what the firmware does."""
    return np.asarray(np.clip((values * value_scale(count)) >> 32, -32768, 32767), np.int64)


def filtered(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int16]:
    """Samples of 16-bit values at twice the sample rate."""
    sums = np.convolve(values, taps())[1 : len(values) : 2] + 2 ** (FILTER_SHIFT - 1)
    return _without_offset(np.clip(sums >> FILTER_SHIFT, -32768, 32767))


def _without_offset(samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int16]:
    found, offset = np.zeros(len(samples), np.int16), 0
    for number, sample in enumerate(samples.tolist()):
        rest = sample - (offset >> _OFFSET_SHIFT)
        offset += rest
        found[number] = min(max(rest, -32768), 32767)
    return found
