# SPDX-License-Identifier: Apache-2.0
"""The definition of the features: librosa, in double precision, on int16 PCM.

Whatever the generated C computes is measured against ``extract``. Double precision keeps librosa's own
rounding out of the definition; librosa keeps the mel filters in float32, and so does this.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import extras
from ascmcu.errors import FeatureError
from ascmcu.features import mel_scale, micro, tables
from ascmcu.features.base import ClipSpec
from ascmcu.features.microspec import UNIT
from ascmcu.features.pcm import Pcm, fit_clip
from ascmcu.features.spec import FeatureSpec, Spec

Features = npt.NDArray[np.float32]
_Real = npt.NDArray[np.float64]

# A clip of one constant value has no spread: its normalization divides by this instead.
CLIP_SPREAD_MIN = 1e-6
_NEED = "the definition of the features needs librosa"


def _librosa() -> Any:
    return extras.load("librosa", "features", _NEED)


def extract(pcm: Pcm, spec: Spec) -> Features:
    """The features of one clip.

    Args:
        pcm: int16 (samples, channels) at the spec's rate; cut or zero-padded at its end to ``clip_samples``.
        spec: a fitted spec.

    Returns:
        float32 ``spec.shape``: (time, mel, channel). ``to_input`` gives it the network's layout. Those of a
        ``MicroSpec`` are in the unit of training.

    Raises:
        FeatureError: PCM of another kind than the spec's, or ``mean_std`` that is not fitted.
    """
    if not isinstance(spec, FeatureSpec):
        return micro.extract(pcm, spec)[:, :, None] * np.float32(UNIT)
    if not spec.is_fitted:
        raise FeatureError(
            "the normalization is not fitted yet",
            where="mean, std",
            hint="fit() on the training clips gives a spec that is; unnormalized() gives features to fit on",
        )
    return from_mel(mel_energies(pcm, spec), spec)


def from_mel(mel: _Real, spec: FeatureSpec) -> Features:
    """The features of one clip from its mel spectrogram, as ``mel_energies`` gives it; ``spec`` is fitted."""
    x = _statics(mel, spec)
    if spec.normalization_stage == "before_deltas":
        x = _normalize(x, spec)
    x = _append_deltas(x, spec)
    if spec.normalization_stage == "after_deltas":
        x = _normalize(x, spec)
    return x.astype(np.float32)


def mel_energies(pcm: Pcm, spec: FeatureSpec) -> _Real:
    """The mel spectrogram before the logarithm, float64 (frames, ``n_mels``, audio channels)."""
    librosa = _librosa()

    audio = signal(pcm, spec)
    if spec.window_place == "start" or spec.mel_triangles == "mel":
        return _tensorflow_energies(audio, spec)
    with warnings.catch_warnings():
        # Narrow low bands may lie between two FFT bins; librosa says so on every call.
        warnings.filterwarnings("ignore", message="Empty filters detected")
        mel = librosa.feature.melspectrogram(
            y=np.ascontiguousarray(audio.T),
            sr=spec.sample_rate_hz,
            n_fft=spec.n_fft,
            win_length=spec.win_length,
            hop_length=spec.hop_length,
            window=spec.window,
            center=spec.center,
            pad_mode="reflect" if spec.pad_mode == "reflect" else "constant",
            power=float(spec.power),
            n_mels=spec.n_mels,
            fmin=spec.fmin_hz,
            fmax=spec.fmax_hz,
            htk=spec.mel_scale == "htk",
            norm="slaney" if spec.mel_norm == "slaney" else None,
        )
    return np.asarray(mel, np.float64).transpose(2, 1, 0)


def signal(pcm: Pcm, spec: FeatureSpec) -> _Real:
    """What the frames are cut from, float64 (``clip_samples``, audio channels)."""
    audio = fit_clip(pcm, spec).astype(np.float64) / 32768
    if spec.amplitude == "clip_max":
        peak = audio.max(initial=0.0)
        audio = audio / peak if peak > 0 else audio
    if spec.channels == "mid_side":
        audio = np.stack([audio[:, 0] + audio[:, 1], audio[:, 0] - audio[:, 1]], axis=1) / 2
    return np.asarray(audio)


def _tensorflow_energies(audio: _Real, spec: FeatureSpec) -> _Real:
    """As ``tf.signal.stft`` and ``linear_to_mel_weight_matrix``, or librosa's counterpart of either."""
    librosa = _librosa()

    filters = _filters(spec)
    if spec.window_place == "center":
        spectrum = librosa.stft(
            np.ascontiguousarray(audio.T), n_fft=spec.n_fft, win_length=spec.win_length, hop_length=spec.hop_length,
            window=spec.window, center=spec.center, pad_mode="reflect" if spec.pad_mode == "reflect" else "constant",
        ).transpose(0, 2, 1)  # fmt: skip
    else:
        window = librosa.filters.get_window(spec.window, spec.win_length, fftbins=True)
        frames = np.lib.stride_tricks.sliding_window_view(audio.T, spec.win_length, axis=1)[
            :, :: spec.hop_length
        ]
        spectrum = np.fft.rfft(frames * window, spec.n_fft, axis=2)
    energies: _Real = np.abs(spectrum) ** spec.power @ filters.T
    return energies.transpose(1, 2, 0)


def _filters(spec: FeatureSpec) -> _Real:
    """(``n_mels``, bins) weights; with ``mel_triangles`` of ``mel`` by the formula of tf.signal, without DC."""
    librosa = _librosa()

    htk = spec.mel_scale == "htk"
    if spec.mel_triangles == "hz":
        return np.asarray(
            librosa.filters.mel(
                sr=spec.sample_rate_hz, n_fft=spec.n_fft, n_mels=spec.n_mels, fmin=spec.fmin_hz,
                fmax=spec.fmax_hz, htk=htk, norm="slaney" if spec.mel_norm == "slaney" else None, dtype=np.float64,
            )
        )  # fmt: skip
    edges = mel_scale.hz_to_mel(np.array([spec.fmin_hz, spec.fmax_hz]), htk=htk)
    corners = np.linspace(edges[0], edges[1], spec.n_mels + 2)
    at = mel_scale.hz_to_mel(np.fft.rfftfreq(spec.n_fft, 1 / spec.sample_rate_hz), htk=htk)
    rising = (at - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - at) / (corners[2:] - corners[1:-1])[:, None]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights[:, 0] = 0.0
    if spec.mel_norm == "slaney":
        hz = mel_scale.mel_to_hz(corners, htk=htk)
        weights *= (2 / (hz[2:] - hz[:-2]))[:, None]
    return np.asarray(weights)


def mel_power(pcm: Pcm, spec: Spec) -> _Real:
    """Power by frame and band of the first channel, float64 (frames, bands): a picture of a clip.

    Needs no librosa, and has no say in any number.
    """
    if isinstance(spec, FeatureSpec):
        filters = tables.mel_segments(spec).matrix(1 + spec.n_fft // 2)
        return np.asarray(_power(signal(pcm, spec)[:, 0], spec) @ filters.T)
    return micro.mel_magnitudes(pcm, spec) ** 2


def _power(audio: _Real, spec: FeatureSpec) -> _Real:
    """Power by frame and FFT bin, float64 (frames, 1 + ``n_fft`` / 2), of a signal (``clip_samples``,)."""
    if spec.center:
        audio = np.pad(audio, spec.n_fft // 2, mode="reflect" if spec.pad_mode == "reflect" else "constant")
    rising = tables.half_window(spec)
    window = np.concatenate([rising, rising[1 : (spec.win_length + 1) // 2][::-1]])
    before = (spec.span - spec.win_length) // 2
    placed = np.pad(window, (before, spec.span - spec.win_length - before))
    frames = np.lib.stride_tricks.sliding_window_view(audio, spec.span)[:: spec.hop_length]
    return np.asarray(np.abs(np.fft.rfft(frames * placed, spec.n_fft, axis=1)) ** 2)


def to_input(features: npt.NDArray[Any], spec: ClipSpec) -> npt.NDArray[Any]:
    """Features (…, time, mel, channel) as ``layout`` orders them; adds no batch axis."""
    return features if spec.layout == "time_mel" else np.swapaxes(features, -3, -2)


def quantize(features: Features, scale: float, zero_point: int, dtype: str) -> npt.NDArray[Any]:
    """The network's input as TensorFlow Lite's QUANTIZE computes it: round(x / scale), half away from zero.

    Args:
        features: float32.
        dtype: ``int8`` | ``uint8``, or ``float32`` for no quantization.
    """
    if dtype == "float32":
        return features.astype(np.float32)
    limits = np.iinfo(np.dtype(dtype))
    ratio = features.astype(np.float32) / np.float32(scale)
    rounded = np.trunc(ratio + np.copysign(np.float32(0.5), ratio)) + zero_point
    quantized: npt.NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(dtype)
    return quantized


def inputs(pcm: Pcm, spec: Spec, scale: float, zero_point: int, dtype: str) -> npt.NDArray[Any]:
    """What the network takes for one clip, ``spec.shape``: the features, quantized or mapped as the spec says.

    Args:
        scale, zero_point, dtype: of the network's input; ``float32`` takes none.
    """
    if not isinstance(spec, FeatureSpec) and spec.mapping == "micro_speech":
        return micro.map_input(micro.extract(pcm, spec))[:, :, None]
    return quantize(extract(pcm, spec), scale, zero_point, dtype)


def fit(spec: FeatureSpec, clips: Iterable[Features]) -> FeatureSpec:
    """The spec with ``mean`` and ``std`` over clips of ``extract(pcm, spec.unnormalized())``.

    Raises:
        FeatureError: the spec has another normalization, or there is no clip.
    """
    if spec.normalization != "mean_std":
        raise FeatureError(
            "nothing to fit", where="normalization", expected="mean_std", found=spec.normalization
        )
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for clip in clips:
        x = clip[..., : spec.normalized_channels].astype(np.float64)
        count += x.shape[0]
        total = total + x.sum(axis=0)
        squares = squares + (x**2).sum(axis=0)
    if not count:
        raise FeatureError("no clips to fit the normalization on", where="mean, std")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    std = np.where(std < 1e-3, 1.0, std)  # a band without any FFT bin never changes
    # Nine digits restore a float32 exactly and keep the metadata short.
    rows = [tuple(tuple(float(f"{v:.9g}") for v in row) for row in table.T) for table in (mean, std)]
    return dataclasses.replace(spec, mean=rows[0], std=rows[1])


def normalize(features: Features, spec: FeatureSpec) -> Features:
    """Normalize what ``extract(pcm, spec.unnormalized())`` gave, by a fitted ``mean_std`` spec.

    Equal to ``extract(pcm, spec)`` but for rounding; for training, which extracts once and fits then.
    """
    if spec.normalization_stage == "after_deltas":
        return _normalize(features.astype(np.float64), spec).astype(np.float32)
    statics = spec.audio_channels
    mean, std = _constants(spec)
    scaled: _Real = features / np.tile(std, 1 + spec.deltas)
    scaled[..., :statics] -= mean / std
    return scaled.astype(np.float32)


# ---- the stages; every array is float64 (time, band, channel)


def _statics(mel: _Real, spec: FeatureSpec) -> _Real:
    x = np.maximum(mel + spec.log_offset, spec.log_floor)
    if spec.log == "ln":
        x = np.log(x)
    elif spec.log == "log10":
        x = np.log10(x)
    else:
        x = _limit(10 * _decades(spec) * np.log10(x), spec)
    if spec.n_mfcc is not None:
        x = extras.load("scipy.fft", "features", _NEED).dct(x, type=2, norm="ortho", axis=1)[:, : spec.n_mfcc]
        if spec.dct_norm == "tensorflow":
            x[:, 0] *= np.sqrt(2)
    return x[spec.crop_frames : len(x) - spec.crop_frames]


def _decades(spec: FeatureSpec) -> int:
    """2 where the mel values are magnitudes, whose decibels count twice, else 1."""
    return 2 if spec.power == 1 else 1


def _limit(x: _Real, spec: FeatureSpec) -> _Real:
    """Decibels relative to ``db_reference``, at least peak - ``top_db`` (``librosa.power_to_db``)."""
    if spec.db_reference == "clip_max":
        x = x - x.max()
    if spec.top_db is None:
        return x
    if spec.top_db_mode == "clip":
        peak: Any = x.max()
    elif spec.top_db_mode == "running":
        peak = np.maximum.accumulate(x.max(axis=(1, 2)))[:, None, None]
    else:
        peak = spec.top_db_peak
    return np.asarray(np.maximum(x, peak - spec.top_db))


def _append_deltas(x: _Real, spec: FeatureSpec) -> _Real:
    if spec.deltas == 0:
        return x
    half = spec.delta_width // 2
    if spec.delta_edges == "nearest":
        librosa = _librosa()

        orders = range(1, spec.deltas + 1)
        d = [
            librosa.feature.delta(x, width=spec.delta_width, order=n, axis=0, mode="nearest") for n in orders
        ]
        return np.concatenate([x, *d], axis=2)
    parts = [x]
    for _ in range(spec.deltas):
        if spec.delta_edges == "replicate":
            parts.append(_regress(np.pad(parts[-1], ((half, half), (0, 0), (0, 0)), mode="edge"), half))
        else:
            parts = [*(p[half : len(p) - half] for p in parts), _regress(parts[-1], half)]
    return np.concatenate(parts, axis=2)


def _regress(x: _Real, half: int) -> _Real:
    """Slope over 2 × half + 1 frames, Σ n (x[t+n] - x[t-n]) / (2 Σ n²); loses ``half`` at either end."""
    last = len(x) - half
    slopes = [n * (x[half + n : last + n] - x[half - n : last - n]) for n in range(1, half + 1)]
    total: _Real = np.sum(slopes, axis=0)
    return total / (2 * sum(n * n for n in range(1, half + 1)))


def _constants(spec: FeatureSpec) -> tuple[_Real, _Real]:
    """``mean`` and ``std`` as float64 (band, channel)."""
    return np.array(spec.mean, np.float64).T, np.array(spec.std, np.float64).T


def _normalize(x: _Real, spec: FeatureSpec) -> _Real:
    kind = spec.normalization
    if kind == "mean_std":
        mean, std = _constants(spec)
        return (x - mean) / std
    if kind == "range":
        return (x - spec.range_low) / (spec.range_high - spec.range_low)
    axes = (0, 1) if spec.normalization_scope == "channel" else (0, 1, 2)
    if kind == "clip_zscore":
        spread: _Real = x.std(axis=axes, ddof=spec.normalization_ddof, keepdims=True)
        mean = x.mean(axis=axes, keepdims=True, dtype=np.float64)
        return np.asarray((x - mean) / np.maximum(spread, CLIP_SPREAD_MIN))
    if kind == "clip_minmax":
        low: _Real = x.min(axis=axes, keepdims=True)
        return np.asarray((x - low) / np.maximum(x.max(axis=axes, keepdims=True) - low, CLIP_SPREAD_MIN))
    return x
