# SPDX-License-Identifier: Apache-2.0
"""Specifications of any rate, window and FFT, and how near the generated C comes to their definition."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from ascmcu.benchmark import parity
from ascmcu.errors import FeatureError
from ascmcu.features import extract
from ascmcu.features.pcm import Pcm
from ascmcu.features.spec import FeatureSpec
from tests.features.signals import any_spec, fitted, noise

# Those of scipy.signal.get_window that are their own mirror images, with a parameter where they need one.
WINDOWS = (
    "barthann", "bartlett", "blackman", "blackmanharris", "bohman", "boxcar", "chebwin:100", "cosine", "exponential",
    "flattop", "gaussian:60", "general_hamming:0.6", "hamming", "hann", "kaiser:8.6", "lanczos", "nuttall", "parzen",
    "povey", "taylor", "triang", "tukey:0.3",
)  # fmt: skip
NEAR_MAX = 0.1


@dataclass(frozen=True)
class Found:
    """Quantized values in all, those that differ, and by how many steps at most.

    Attributes:
        near: how far from the middle between two integers, in steps, the definition of a value that differs is at most.
    """

    values: int
    differ: int
    worst_step: int
    near: float


def draw(rng: random.Random) -> FeatureSpec:
    """A specification, fitted where it needs figures."""
    while True:
        rate = rng.choice(
            (rng.randint(4000, 96000), rng.choice((4000, 8000, 11025, 16000, 22050, 44100, 48000, 96000)))
        )
        n_fft = rng.choice(
            (2 * rng.randint(32, 2048), 2 * rng.randint(32, 512), 2 * rng.randint(32, 1023) + 1)
        )
        length = rng.choice((n_fft, rng.randint(max(2, n_fft // 2), n_fft)))
        hop = rng.randint(n_fft // 4, n_fft)
        # A clip of whole steps is where an odd frame is short of a sample.
        samples = rng.choice((n_fft * rng.randint(6, 12), hop * rng.randint(10, 20)))
        try:
            spec = any_spec(rng).replace(
                sample_rate_hz=rate, n_fft=n_fft, win_length=length, hop_length=hop, fmin_hz=0.0, fmax_hz=rate / 2,
                window=rng.choice(WINDOWS), clip_samples=samples, frame_length=0,
            )  # fmt: skip
            return fitted(spec)
        except FeatureError:
            continue


def compared(spec: FeatureSpec) -> Found:
    """The generated C on noise that swells and fades, against the definition."""
    return against(spec, spec)


def against(device: FeatureSpec, definition: FeatureSpec, pcm: Pcm | None = None) -> Found:
    """The same, where the C may be another specification's, and the signal another one."""
    pcm = noise(definition) if pcm is None else pcm
    wanted = extract.extract(pcm, definition)
    q = parity.quantization_for([wanted])
    found = parity.NativeFrontend(device, scale=q.scale, zero_point=q.zero_point, dtype=q.dtype).rows(pcm)
    integers = extract.quantize(wanted, q.scale, q.zero_point, q.dtype)
    steps = np.abs(found.astype(int).reshape(integers.shape) - integers)
    fraction = np.abs(wanted.astype(np.float64) / q.scale % 1 - 0.5)
    near = float(fraction.reshape(steps.shape)[steps > 0].max(initial=0.0))
    return Found(steps.size, int(np.sum(steps > 0)), int(steps.max()), near)


def holds(found: Found) -> bool:
    """Whether values differ only where single precision decides to which integer they are rounded.

    Specs whose clip has a small range have fine steps: a hundredth of a decibel is then a tenth of a step.
    """
    return found.worst_step <= 1 and found.near <= NEAR_MAX
