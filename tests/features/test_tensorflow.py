# SPDX-License-Identifier: Apache-2.0
"""The TensorFlow family against TensorFlow: ``tf.signal``'s frames, filters and MFCCs, for MLPerf and YAMNet."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ascmcu.benchmark import parity
from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.features.pcm import Pcm
from ascmcu.features.spec import FeatureSpec
from ascmcu.features.tables import mel_segments
from ascmcu.toolchain.native import NativeFrontend
from tests.features.signals import extremes, needs_esc10, noise, recordings, swell

# The generated C in single precision against TensorFlow in double; the values reach some tens. Where a full-scale
# offset drowns the bands, it may be twice as far off as TensorFlow in single precision is.
ERROR_MAX = 1e-3
NAMES = ("simple_audio", "mlperf_kws", "mlperf_kws_logmel", "mlperf_lfbe", "yamnet", "vggish")


def of_tensorflow(pcm: Pcm, spec: FeatureSpec, dtype: str = "float64") -> npt.NDArray[np.float32]:
    """The features as a training with TensorFlow computes them (in float32): float32 (rows, bands)."""
    import tensorflow as tf

    samples = tf.cast(np.pad(pcm[:, 0], (0, spec.clip_samples - len(pcm))), dtype)
    # Silence divided by its largest sample is not a number; MLPerf has no such clip.
    peak = (
        tf.maximum(tf.reduce_max(samples), tf.cast(1.0, dtype)) if spec.amplitude == "clip_max" else 32768.0
    )
    samples = samples / peak
    if spec.pre_emphasis:
        samples = samples - tf.cast(spec.pre_emphasis, dtype) * tf.concat(
            [[tf.cast(0, dtype)], samples[:-1]], 0
        )
    window = tf.signal.hann_window if spec.window == "hann" else tf.signal.hamming_window
    frames = tf.signal.stft(
        samples,
        spec.win_length,
        spec.hop_length,
        fft_length=None,
        # A periodic window of an odd length is a symmetric one here.
        window_fn=functools.partial(window, periodic=not spec.window_symmetric or spec.win_length % 2 == 1),
    )
    if spec.filters == "none" and spec.log == "none":
        return np.asarray(tf.abs(frames).numpy(), np.float32)
    filters = tf.signal.linear_to_mel_weight_matrix(
        spec.n_mels, spec.n_fft // 2 + 1, spec.sample_rate_hz, spec.fmin_hz, spec.fmax_hz, tf.as_dtype(dtype)
    )
    energies = tf.abs(frames) ** spec.power
    if spec.power_norm == "win_length":
        energies = tf.maximum(energies / spec.win_length, tf.cast(1e-30, dtype))
    values: Any = tf.math.log(tf.matmul(energies, filters) + spec.log_offset)
    if spec.log == "db":
        values = 10 * values / tf.cast(np.log(10), dtype)
    if spec.range_clip:
        span = spec.range_high - spec.range_low
        values = tf.clip_by_value((values - spec.range_low) / span, tf.cast(0, dtype), tf.cast(1, dtype))
    if spec.n_mfcc:
        values = tf.signal.mfccs_from_log_mel_spectrograms(values)[:, : spec.n_mfcc]
    return np.asarray(values.numpy(), np.float32)


def _signals(spec: FeatureSpec) -> dict[str, Pcm]:
    found = dict(extremes(spec))
    found["noise"] = noise(spec)
    found["swell"] = swell(spec.clip_samples)[:, None]
    found["short"] = swell(spec.clip_samples // 3, 2)[:, None]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_tensorflow_s(name: str) -> None:
    spec = specs.load_log_mel(name)
    assert of_tensorflow(noise(spec), spec).shape == spec.shape[:2]


@pytest.mark.parametrize("name", [name for name in NAMES if specs.load_log_mel(name).filters == "mel"])
def test_mel_segments_are_tensorflow_s_filters(name: str) -> None:
    import tensorflow as tf

    spec = specs.load_log_mel(name)
    bins = spec.n_fft // 2 + 1
    arguments = (spec.n_mels, bins, spec.sample_rate_hz, spec.fmin_hz, spec.fmax_hz, tf.float64)
    expected = tf.signal.linear_to_mel_weight_matrix(*arguments).numpy().T
    np.testing.assert_allclose(mel_segments(spec).matrix(bins), expected, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_reference_and_c_are_tensorflow_s(name: str) -> None:
    spec = specs.load_log_mel(name)
    frontend = NativeFrontend(spec)
    signals = _signals(spec)
    assert {"silence", "DC", "impulses", "1-LSB noise", "clipping"} <= set(signals)
    for signal, pcm in signals.items():
        expected = of_tensorflow(pcm, spec)
        np.testing.assert_allclose(
            extract.extract(pcm, spec)[:, :, 0], expected, atol=ERROR_MAX, err_msg=signal
        )
        single = np.abs(of_tensorflow(pcm, spec, "float32") - expected).max()
        most = 2 * single if signal == "DC" else ERROR_MAX
        assert np.abs(frontend.rows(pcm)[:, :, 0] - expected).max() <= most, signal


@needs_esc10
@pytest.mark.parametrize("name", NAMES)
def test_recordings_give_tensorflow_s_int8(name: str) -> None:
    spec = specs.load_log_mel(name)
    clips = [pcm[: spec.clip_samples] for pcm in recordings(spec, 40)]
    wanted = [of_tensorflow(pcm, spec, "float32")[:, :, None] for pcm in clips]
    q = parity.quantization_for(wanted)
    frontend = NativeFrontend(spec, scale=q.scale, zero_point=q.zero_point, dtype="int8")
    equal = [
        np.mean(frontend.rows(pcm) == extract.quantize(x, q.scale, q.zero_point, "int8"))
        for pcm, x in zip(clips, wanted, strict=True)
    ]
    assert np.mean(equal) >= 0.999


@pytest.mark.parametrize(
    "change",
    [{"window_place": "center"}, {"mel_triangles": "hz"}, {"dct_norm": "ortho"}, {"amplitude": "full_scale"}],
    ids=lambda change: next(iter(change)),
)
def test_every_option_is_needed(change: dict[str, str]) -> None:
    """Without it the features are others: MLPerf's were out of reach before these options."""
    spec = specs.load_log_mel("mlperf_kws")
    other = spec.replace(**change)
    pcm = noise(spec)
    expected, found = of_tensorflow(pcm, spec), extract.extract(pcm, other)[:, :, 0]
    rows = min(len(expected), len(found))
    assert np.abs(found[:rows] - expected[:rows]).max() > 3 * ERROR_MAX
