# SPDX-License-Identifier: Apache-2.0
"""Front ends of other projects against what their own code made (tools/feature_goldens): the reference and the C."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ascmcu.benchmark import parity
from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.features.precision import precise, trusted
from ascmcu.features.spec import FeatureSpec
from ascmcu.toolchain.native import NativeFrontend
from tests.features.signals import short_signals

GOLDENS = json.loads(Path(__file__).with_name("others.json").read_text())

# Rows that are all equal have no deviation: speechpy divides rounding by 1e-10. The spectrogram block takes samples of
# at most ±1 for floating point.
THEIR_OWN = {
    *(("edge_impulse_mfcc", signal) for signal in ("DC", "silence", "one LSB")),
    ("edge_impulse_spectrogram", "one LSB"),
}
# In the units of the features, where single precision says something: natural logarithms and MFCCs of Kaldi, which is
# single precision itself; decibels over 64, and deviations, of Edge Impulse.
ERROR_MAX = {
    "kaldi_fbank": 2.3e-3,
    "kaldi_fbank_whole": 2.3e-3,
    "kaldi_mfcc": 0.02,
    "kaldi_mfcc_energy": 0.02,
}
EDGE_IMPULSE_ERROR_MAX = 5e-4
CASES = [(name, signal) for name in GOLDENS for signal in GOLDENS[name]["rows"]]


@functools.cache
def _frontend(name: str) -> tuple[FeatureSpec, NativeFrontend]:
    spec = specs.load_log_mel(name).replace(clip_samples=len(short_signals()["noise"]))
    return spec, NativeFrontend(spec)


def _wanted(name: str, signal: str) -> npt.NDArray[np.float64]:
    return np.array(GOLDENS[name]["rows"][signal])


def test_every_golden_is_of_a_spec() -> None:
    assert set(GOLDENS) <= set(specs.names())
    assert all(
        set(GOLDENS[name]["rows"]) == set(short_signals()) and GOLDENS[name]["source"] for name in GOLDENS
    )


@pytest.mark.parametrize(("name", "signal"), CASES)
def test_reference_and_c_are_theirs(name: str, signal: str) -> None:
    spec, frontend = _frontend(name)
    pcm = short_signals()[signal][:, None]
    wanted = _wanted(name, signal)
    assert wanted.shape == spec.shape[:2]
    if (name, signal) in THEIR_OWN:
        return
    most = ERROR_MAX.get(name, EDGE_IMPULSE_ERROR_MAX)
    mel = extract.mel_energies(pcm, spec)
    heard = trusted(mel, precise(mel, pcm, spec), spec)[:, :, 0]
    for found in (extract.extract(pcm, spec), frontend.rows(pcm)):
        assert np.abs(found[:, :, 0] - wanted)[heard].max(initial=0.0) <= most


@pytest.mark.parametrize("name", GOLDENS)
def test_int8_inputs_are_theirs(name: str) -> None:
    spec, _ = _frontend(name)
    signals = [s for s in short_signals() if (name, s) not in THEIR_OWN]
    theirs = [_wanted(name, s).astype(np.float32)[:, :, None] for s in signals]
    q = parity.quantization_for(theirs)
    device = NativeFrontend(spec, scale=q.scale, zero_point=q.zero_point, dtype="int8")
    equal = [
        device.rows(short_signals()[s][:, None]) == extract.quantize(x, q.scale, q.zero_point, "int8")
        for s, x in zip(signals, theirs, strict=True)
    ]
    assert np.mean(equal) >= 0.999
