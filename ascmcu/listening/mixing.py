# SPDX-License-Identifier: Apache-2.0
"""Long recordings of clips over a background, at stated signal-to-noise ratios; the same for the same seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.listening.judging import Truth

Samples = npt.NDArray[np.float64]
# Root mean square of the background, full scale being 1, and the range over which its level wanders.
_BACKGROUND_DBFS = -40.0
_WANDERS_DB = 6.0
_FADE_S = 0.01
_GAP_S = (1.0, 8.0)
# What counts as the clip: parts less than this below its loudest.
_ACTIVE_DB = 30.0
_FRAME_S = 0.02


@dataclass(frozen=True)
class Clip:
    """A clip of a class: samples of full scale 1, one channel."""

    label: str
    samples: Samples


def background(count: int, rate_hz: int, rng: np.random.Generator) -> Samples:
    """Noise that falls by 3 dB an octave, with a hum of 50 Hz and its third, at a level that wanders."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    frequencies = np.fft.rfftfreq(count, 1 / rate_hz)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequencies, 20)), count)
    noise /= np.sqrt(np.mean(noise**2))
    seconds = np.arange(count) / rate_hz
    hum = 0.1 * (np.sin(2 * np.pi * 50 * seconds) + 0.5 * np.sin(2 * np.pi * 150 * seconds))
    knots = max(2, count // (10 * rate_hz) + 2)
    level_db = np.interp(
        seconds, np.linspace(0, count / rate_hz, knots), rng.uniform(-1, 1, knots) * _WANDERS_DB
    )
    return np.asarray((noise + hum) * 10 ** ((level_db + _BACKGROUND_DBFS) / 20))


def mix(
    clips: Sequence[Clip], under: Samples, rate_hz: int, snrs_db: Sequence[float], rng: np.random.Generator
) -> tuple[npt.NDArray[np.int16], tuple[Truth, ...]]:
    """Clips over a background, in random order with random gaps, and when each is heard.

    Args:
        clips: shorter than the background.
        under: the background, full scale 1.
        rate_hz: of both.
        snrs_db: power of the clip, where it is heard, over that of the background beneath it; each clip takes one.
    """
    out = under.copy()
    truths = []
    order: list[int] = []
    at = round(rng.uniform(*_GAP_S) * rate_hz)
    while True:
        order = order or rng.permutation(len(clips)).tolist()
        clip = clips[order.pop()]
        begin, end = _active(clip.samples, rate_hz)
        part = clip.samples[begin:end] * _fade(end - begin, rate_hz)
        if at + len(part) + rate_hz > len(out):
            break
        beneath = under[at : at + len(part)]
        power = float(np.mean(part**2))
        if power > 0:
            wanted = float(np.mean(beneath**2)) * 10 ** (float(rng.choice(np.asarray(snrs_db))) / 10)
            out[at : at + len(part)] += part * math.sqrt(wanted / power)
            truths.append(Truth(at / rate_hz, (at + len(part)) / rate_hz, clip.label))
        at += len(part) + round(rng.uniform(*_GAP_S) * rate_hz)
    pcm = np.clip(np.rint(out * 32768), -32768, 32767).astype(np.int16)
    return pcm, tuple(truths)


def _active(samples: Samples, rate_hz: int) -> tuple[int, int]:
    """From the first to the last frame that is not much quieter than the loudest."""
    frame = max(1, round(_FRAME_S * rate_hz))
    count = max(1, len(samples) // frame)
    powers = np.array([np.mean(part**2) for part in np.array_split(samples, count)])
    loud = np.flatnonzero(powers >= powers.max(initial=0) * 10 ** (-_ACTIVE_DB / 10))
    return int(loud[0]) * len(samples) // count, (int(loud[-1]) + 1) * len(samples) // count


def _fade(count: int, rate_hz: int) -> Samples:
    """One, but for its ends."""
    edge = min(round(_FADE_S * rate_hz), count // 2)
    window = np.ones(count)
    if edge:
        ramp = np.linspace(0, 1, edge, endpoint=False)
        window[:edge], window[-edge:] = ramp, ramp[::-1]
    return window
