# SPDX-License-Identifier: Apache-2.0
"""The mel scales have librosa's bits: constants of a front end may not depend on who computes them."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from ascmcu.features import mel_scale

RANGES = [(0.0, 8000.0), (20.0, 7600.0), (50.0, 22050.0), (125.0, 999.0), (1000.0, 4000.0), (3000.0, 16000.0)]


@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_corners(low: float, high: float, htk: bool) -> None:
    for count in (12, 42, 66, 130, 258):
        expected = librosa.mel_frequencies(count, fmin=low, fmax=high, htk=htk)
        np.testing.assert_array_equal(mel_scale.corners(count, low, high, htk=htk), expected)


@pytest.mark.parametrize("htk", [False, True])
def test_both_directions(htk: bool) -> None:
    hz = np.concatenate([np.linspace(0.0, 24000.0, 4001), [999.9999, 1000.0, 1000.0001]])
    mel = mel_scale.hz_to_mel(hz, htk=htk)
    np.testing.assert_array_equal(mel, librosa.hz_to_mel(hz, htk=htk))
    np.testing.assert_array_equal(mel_scale.mel_to_hz(mel, htk=htk), librosa.mel_to_hz(mel, htk=htk))
    np.testing.assert_allclose(mel_scale.mel_to_hz(mel, htk=htk), hz, rtol=1e-12, atol=1e-9)
