# SPDX-License-Identifier: Apache-2.0
"""The resampler of torchaudio: each output sample by its formula, tones that pass, tones that must not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ascmcu.features.pcm import to_pcm
from ascmcu.features.resample import resample
from ascmcu.features.spec import FeatureSpec

RATES = [(44100, 32000), (44100, 16000), (48000, 16000), (8000, 16000), (22050, 44100), (16000, 16000)]


def _by_formula(x: np.ndarray, rate: int, wanted: int, index: int) -> float:
    """torchaudio's documentation: a sinc of six zero crossings under a Hann window, rolled off at 0.99."""
    lowest = min(rate, wanted) * 0.99
    when = index / wanted
    total = 0.0
    for n, value in enumerate(x):
        turns = (n / rate - when) * lowest
        if abs(turns) < 6:
            sinc = 1.0 if turns == 0 else math.sin(math.pi * turns) / (math.pi * turns)
            total += value * sinc * math.cos(math.pi * turns / 12) ** 2 * lowest / rate
    return total


@pytest.mark.parametrize(("rate", "wanted"), RATES[:-1])
def test_every_sample_is_the_formula_s(rate: int, wanted: int) -> None:
    x = np.random.default_rng(4).normal(0, 1, (1000, 2))
    made = resample(x, rate, wanted, "torchaudio")
    assert made.shape == (math.ceil(1000 * wanted / rate), 2)
    for index in (0, 1, 7, len(made) // 2, len(made) - 1):
        for channel in (0, 1):
            assert made[index, channel] == pytest.approx(
                _by_formula(x[:, channel], rate, wanted, index), abs=1e-9
            )


@pytest.mark.parametrize(("rate", "wanted"), RATES)
def test_a_tone_stays_and_an_alias_goes(rate: int, wanted: int) -> None:
    t = np.arange(rate // 2) / rate
    low = resample(np.sin(2 * np.pi * 500 * t)[:, None], rate, wanted, "torchaudio")[:, 0]
    expected = np.sin(2 * np.pi * 500 * np.arange(len(low)) / wanted)
    assert np.abs(low - expected)[100:-100].max() < 5e-3
    if wanted < rate:
        high = resample(np.sin(2 * np.pi * 0.49 * rate * t)[:, None], rate, wanted, "torchaudio")
        assert np.abs(high[100:-100]).max() < 0.01


def test_a_spec_chooses_it() -> None:
    spec = FeatureSpec(resampler="torchaudio")
    x = np.random.default_rng(5).uniform(-0.5, 0.5, 4410)
    made = to_pcm(x, 44100, spec)[:, 0]
    wanted = np.rint(resample(x[:, None], 44100, 16000, "torchaudio")[:, 0] * 32768)
    np.testing.assert_array_equal(made, wanted)
    other = to_pcm(x, 44100, FeatureSpec())[:, 0]
    assert len(other) == len(made) and np.abs(made.astype(int) - other).max() > 10
