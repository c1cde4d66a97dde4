# SPDX-License-Identifier: Apache-2.0
"""The host extractor and the tables: librosa's figures, and the papers' formulas where librosa has none."""

from __future__ import annotations

import warnings

import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal
import soxr

from ascmcu.errors import FeatureError
from ascmcu.features import extract, pcm, tables
from ascmcu.features import spec as specs
from ascmcu.features.spec import FeatureSpec
from tests.features.signals import LOG_MEL, VARIANTS, noise, variant

LIBROSA = [name for name in LOG_MEL if extract._is_librosa(specs.load_log_mel(name))]


@pytest.mark.parametrize("name", LIBROSA)
def test_mel_segments_are_librosas_filters(name: str) -> None:
    spec = specs.load_log_mel(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = librosa.filters.mel(
            sr=spec.sample_rate_hz, n_fft=spec.n_fft, n_mels=spec.n_mels, fmin=spec.fmin_hz, fmax=spec.fmax_hz,
            htk=spec.mel_scale == "htk", norm="slaney" if spec.mel_norm == "slaney" else None, dtype=np.float64,
        )  # fmt: skip
    found = tables.mel_segments(spec).matrix(spec.n_fft // 2 + 1)
    np.testing.assert_allclose(found, expected, atol=1e-12 * expected.max())


def test_small_tables() -> None:
    spec = FeatureSpec(n_mfcc=20, deltas=2, delta_width=9, win_length=401, window="hamming")
    x = np.random.default_rng(0).normal(size=64)
    np.testing.assert_allclose(tables.dct(spec) @ x, scipy.fft.dct(x, norm="ortho")[:20], atol=1e-12)
    np.testing.assert_allclose(
        tables.curve_weights(spec), scipy.signal.savgol_coeffs(9, 2, deriv=2, use="dot"), atol=1e-12
    )
    window = librosa.filters.get_window("hamming", 401, fftbins=True)
    np.testing.assert_allclose(tables.half_window(spec), window[:201], atol=1e-12)


def test_logarithm_polynomial() -> None:
    f = np.linspace(np.sqrt(0.5) - 1, np.sqrt(2) - 1, 100001).astype(np.float32)
    y = np.zeros_like(f)
    for coefficient in reversed(tables.LOG2_POLYNOMIAL):
        y = y * f + np.float32(coefficient)
    assert np.abs(y * f - np.log2(1 + f.astype(np.float64))).max() <= tables.LOG2_ERROR_MAX


def test_decibels_and_mfcc_are_librosas() -> None:
    fields = {"log": "db", "log_offset": 0.0, "log_floor": 1e-10, "top_db": 40.0, "n_mfcc": 13}
    spec = FeatureSpec.from_dict(fields)
    samples = noise(spec)
    mel = librosa.feature.melspectrogram(
        y=samples[:, 0] / 32768, sr=16000, n_fft=1024, hop_length=512, n_mels=64, pad_mode="reflect"
    )
    decibels = librosa.power_to_db(mel, top_db=40.0)
    assert (decibels == decibels.max() - 40).any()
    expected = librosa.feature.mfcc(S=decibels, n_mfcc=13)
    np.testing.assert_allclose(extract.extract(samples, spec)[:, :, 0].T, expected, rtol=1e-5, atol=1e-4)


def test_valid_deltas_are_the_papers_formula() -> None:
    """Hu et al.: d[t] = (x[t+1] - x[t-1]) / 10 + (x[t+2] - x[t-2]) / 5, twice; x, d and dd of the same frames."""
    spec = FeatureSpec(deltas=2)
    samples = noise(spec)
    x = extract.extract(samples, spec.replace(deltas=0))[:, :, 0].astype(np.float64)

    def delta(v: np.ndarray) -> np.ndarray:
        return (v[3:-1] - v[1:-3]) / 10 + (v[4:] - v[:-4]) / 5

    expected = np.stack([x[4:-4], delta(x)[2:-2], delta(delta(x))], axis=2)
    np.testing.assert_allclose(extract.extract(samples, spec), expected, atol=1e-5)


def test_replicated_deltas_are_torchaudios_formula() -> None:
    spec = FeatureSpec(deltas=1, delta_edges="replicate")
    samples = noise(spec)
    x = extract.extract(samples, spec.replace(deltas=0))[:, :, 0].astype(np.float64)
    padded = np.pad(x, ((2, 2), (0, 0)), mode="edge")
    expected = sum(n * (padded[2 + n :][: len(x)] - padded[2 - n :][: len(x)]) for n in (1, 2)) / 10
    np.testing.assert_allclose(extract.extract(samples, spec)[:, :, 1], expected, atol=1e-5)


@pytest.mark.parametrize("stage", ["before_deltas", "after_deltas"])
def test_fit_then_normalize(stage: str) -> None:
    spec = FeatureSpec(
        deltas=1,
        channels="stereo",
        normalization="mean_std",
        normalization_stage=stage,
        delta_edges="replicate",
    )
    samples = noise(spec)
    with pytest.raises(FeatureError, match="not fitted"):
        extract.extract(samples, spec)
    raw = extract.extract(samples, spec.unnormalized())
    fitted = extract.fit(spec, [raw, raw])
    features = extract.extract(samples, fitted)
    np.testing.assert_allclose(extract.normalize(raw, fitted), features, atol=1e-4)
    normal = features[..., : fitted.normalized_channels]
    np.testing.assert_allclose(normal.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normal.std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize("name", VARIANTS)
def test_shape_is_as_promised(name: str) -> None:
    spec = variant(name)
    features = extract.extract(noise(spec), spec)
    assert (features.shape, features.dtype) == (spec.shape, np.float32)
    assert extract.to_input(features, spec)[None].shape == spec.input_shape


def test_quantize_rounds_half_away_from_zero_and_saturates() -> None:
    x = np.array([0.25, -0.25, 0.75, -0.75, 0.2, 1e9, -1e9], np.float32)
    assert extract.quantize(x, 0.5, 3, "int8").tolist() == [4, 2, 5, 1, 3, 127, -128]
    assert extract.quantize(x, 0.5, 128, "uint8").tolist() == [129, 127, 130, 126, 128, 255, 0]


def test_to_pcm() -> None:
    mono = FeatureSpec()
    stereo = FeatureSpec(channels="stereo")
    samples = np.array([[0.5, -0.5], [1.5, 1.5], [-2.0, -2.0], [0.25, 0.75]])
    assert pcm.to_pcm(samples, 16000, mono)[:, 0].tolist() == [0, 32767, -32768, 16384]
    assert pcm.to_pcm(samples[:, 0], 16000, stereo)[0].tolist() == [16384, 16384]
    assert (pcm.to_pcm(np.int16([-7, 9]), 16000, mono)[:, 0] == [-7, 9]).all()
    tone = np.sin(np.arange(44100) * 0.05) / 2
    expected = np.rint(soxr.resample(tone, 44100, 16000, quality="HQ") * 32768).astype(np.int16)
    assert (pcm.to_pcm(tone, 44100, mono)[:, 0] == expected).all()
    with pytest.raises(FeatureError, match="not a recording"):
        pcm.to_pcm(np.array([0.0, np.nan]), 16000, mono)
    with pytest.raises(FeatureError, match="number of channels"):
        extract.extract(np.zeros((100, 2), np.int16), mono)


def test_a_band_that_never_changes_keeps_its_size() -> None:
    """One without an FFT bin is the logarithm of the offset in all frames; a deviation of 0 becomes 1."""
    spec = FeatureSpec(normalization="mean_std", n_mels=8)
    frames = np.tile(np.arange(8.0, dtype=np.float32)[None, :, None], (5, 1, 1))
    frames[:, 3, 0] += np.array([0, 1, 2, 3, 4], np.float32)
    fitted = extract.fit(spec, [frames])
    expected = [1.0] * 8
    expected[3] = round(float(np.sqrt(2)), 8)
    assert fitted.std[0] == pytest.approx(expected, abs=1e-7)
    assert fitted.mean[0] == pytest.approx([0, 1, 2, 5, 4, 5, 6, 7])


@pytest.mark.parametrize("scope", ["channel", "joint"])
def test_a_clip_is_normalized_by_the_channel_or_as_a_whole(scope: str) -> None:
    x = np.random.default_rng(5).normal([3.0, -9.0], [1.0, 4.0], size=(7, 5, 2))
    parts = [x[..., c] for c in (0, 1)] if scope == "channel" else [x]
    for kind, expected in (
        ("clip_zscore", [(part - part.mean()) / part.std() for part in parts]),
        ("clip_minmax", [(part - part.min()) / (part.max() - part.min()) for part in parts]),
    ):
        spec = FeatureSpec(channels="stereo", normalization=kind, normalization_scope=scope)
        found = extract._normalize(x, spec)
        whole = np.stack(expected, axis=-1) if scope == "channel" else expected[0]
        assert np.allclose(found, whole, rtol=1e-6, atol=1e-9), kind
