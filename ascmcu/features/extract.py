# SPDX-License-Identifier: Apache-2.0
"""The definition of the features: librosa, in double precision, on int16 PCM.

Whatever the generated C computes is measured against ``extract``. Double precision keeps librosa's own
rounding out of the definition; librosa keeps the mel filters in float32, and so does this.
"""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu import extras
from ascmcu.errors import FeatureError
from ascmcu.features import mel_scale, micro, tables, windows
from ascmcu.features.base import ClipSpec
from ascmcu.features.microspec import UNIT, MicroSpec
from ascmcu.features.pcm import Pcm, fit_clip
from ascmcu.features.pcmspec import PcmSpec
from ascmcu.features.spec import FeatureSpec, Learned, Spec
from ascmcu.features.tables import lifter, mel_segments, power_factor

Features = npt.NDArray[np.float32]
_Real = npt.NDArray[np.float64]

# A clip of one constant value has no spread: its normalization divides by this instead.
CLIP_SPREAD_MIN = 1e-6
# What speechpy adds to the deviation of the rows around a row (``cmvnw``).
WINDOW_SPREAD_MIN = 1e-10
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
    if isinstance(spec, PcmSpec):
        return (fit_clip(pcm, spec) / np.float32(spec.full_scale)).astype(np.float32).reshape(spec.shape)
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
    return stack(x, spec).astype(np.float32)


def stack(x: npt.NDArray[Any], spec: FeatureSpec) -> npt.NDArray[Any]:
    """Rows of the network from those of the front end, (time, band, channel) both."""
    if spec.stack_frames == 1:
        return x
    count, bands, channels = spec.shape
    step = spec.stack_step or spec.stack_frames
    return np.stack(
        [x[n * step : n * step + spec.stack_frames].reshape(bands, channels) for n in range(count)]
    )


def mel_energies(pcm: Pcm, spec: FeatureSpec) -> _Real:
    """The mel spectrogram before the logarithm, float64 (frames, ``mel_values``, audio channels)."""
    audio = signal(pcm, spec)
    if not _is_librosa(spec):
        return _energies(audio, spec)
    librosa = _librosa()
    with _empty_filters():
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


@contextlib.contextmanager
def _empty_filters() -> Iterator[None]:
    """Narrow low bands may lie between two FFT bins; librosa says so on every call."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Empty filters detected")
        yield


def _is_librosa(spec: FeatureSpec) -> bool:
    """Whether ``librosa.feature.melspectrogram`` computes such features; else NumPy does, by the same formulas."""
    of_librosa = {
        "window_place": "center", "mel_triangles": "hz", "mel_corners": "exact", "window_symmetric": False,
        "snip_edges": True, "remove_dc": False, "frame_length": 0, "mfcc_first": "dct", "power_norm": "none",
        "filters": "mel",
    }  # fmt: skip
    in_frames = spec.pre_emphasis and spec.pre_emphasis_scope == "frame"
    return (
        not in_frames
        and all(getattr(spec, name) == value for name, value in of_librosa.items())
        and (spec.window in ("hann", "hamming"))
    )


def signal(pcm: Pcm, spec: FeatureSpec) -> _Real:
    """What the frames are cut from, float64 (``clip_samples``, audio channels)."""
    audio = fit_clip(pcm, spec).astype(np.float64)
    if spec.amplitude != "int16":
        audio = audio / 32768
    if spec.amplitude == "clip_max":
        peak = audio.max(initial=0.0)
        audio = audio / peak if peak > 0 else audio
    if spec.channels == "mid_side":
        audio = np.stack([audio[:, 0] + audio[:, 1], audio[:, 0] - audio[:, 1]], axis=1) / 2
    if spec.pre_emphasis and spec.pre_emphasis_scope == "clip":
        before = np.roll(audio, 1, axis=0)
        if not spec.wraps:
            before[0] = 0.0
        audio = audio - spec.pre_emphasis * before
    return np.asarray(audio)


def frames(audio: _Real, spec: FeatureSpec) -> _Real:
    """The windowed frames, float64 (audio channels, frames, ``win_length``).

    Args:
        audio: as ``signal`` gives it.
    """
    cut = _cut(audio, spec)
    if spec.pre_emphasis and spec.pre_emphasis_scope == "frame":
        before = np.concatenate([cut[..., :1], cut[..., :-1]], axis=2)
        cut = cut - spec.pre_emphasis * before
    return np.asarray(cut * windows.values(spec.window, spec.win_length, spec.window_symmetric))


def _cut(audio: _Real, spec: FeatureSpec) -> _Real:
    """The frames before pre-emphasis and window."""
    audio = audio.T
    if spec.center:
        ends = (spec.lead, spec.lead)
        audio = np.pad(audio, ((0, 0), ends), mode="reflect" if spec.pad_mode == "reflect" else "constant")
    elif not spec.snip_edges:
        audio = np.pad(audio, ((0, 0), (spec.lead, spec.span)), mode="symmetric")
    skipped = 0 if spec.window_place == "start" else (spec.n_fft - spec.win_length) // 2
    cut = np.lib.stride_tricks.sliding_window_view(audio, spec.span, axis=1)[:, :: spec.hop_length]
    cut = cut[:, : spec.frames]
    cut = cut[..., skipped : skipped + spec.win_length]
    if spec.remove_dc:
        cut = cut - cut.mean(axis=2, keepdims=True)
    return np.asarray(cut)


def _energies(audio: _Real, spec: FeatureSpec) -> _Real:
    """The mel spectrogram by NumPy: (frames, ``n_mels``, audio channels)."""
    spectrum = np.abs(np.fft.rfft(frames(audio, spec), spec.n_fft, axis=2)) ** spec.power
    spectrum = spectrum * power_factor(spec)
    energies: _Real = spectrum[..., : spec.n_mels] if spec.filters == "none" else spectrum @ _filters(spec).T
    if spec.mfcc_first != "dct":
        of_frame = spec.mfcc_first == "frame_energy"
        energy = np.square(_cut(audio, spec)).sum(axis=2) if of_frame else spectrum.sum(axis=2)
        energies = np.concatenate([energies, energy[..., None]], axis=2)
    return energies.transpose(1, 2, 0)


def _filters(spec: FeatureSpec) -> _Real:
    """(``n_mels``, bins) weights; with ``mel_triangles`` of ``mel`` by the formula of tf.signal, without DC."""
    htk = spec.mel_scale == "htk"
    if spec.mel_corners == "bin":
        return mel_segments(spec).matrix(spec.bins)
    if spec.mel_triangles == "hz":
        with _empty_filters():
            weights = _librosa().filters.mel(
                sr=spec.sample_rate_hz, n_fft=spec.n_fft, n_mels=spec.n_mels, fmin=spec.fmin_hz,
                fmax=spec.fmax_hz, htk=htk, norm="slaney" if spec.mel_norm == "slaney" else None, dtype=np.float64,
            )  # fmt: skip
        return np.asarray(weights)
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
        shown = signal(pcm, spec)[:, :1]
        power = np.abs(np.fft.rfft(frames(shown, spec)[0], spec.n_fft, axis=1)) ** 2
        filters = (
            np.eye(spec.bins)[: spec.n_mels]
            if spec.filters == "none"
            else tables.mel_segments(spec).matrix(spec.bins)
        )
        return np.asarray(power @ filters.T)
    if isinstance(spec, PcmSpec):
        return mel_power(pcm[:, :1], _picture(spec))
    return micro.mel_magnitudes(pcm, spec) ** 2


def _picture(spec: PcmSpec) -> FeatureSpec:
    """What a spectrogram of raw samples shows: 64 bands, some 128 frames."""
    n_fft = 512
    samples = max(spec.clip_samples, n_fft)
    hop = max(1, samples // 128)
    rate = spec.sample_rate_hz
    return FeatureSpec(
        sample_rate_hz=rate,
        clip_samples=samples,
        n_fft=n_fft,
        win_length=n_fft,
        hop_length=hop,
        fmax_hz=rate / 2,
    )


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
    if isinstance(spec, MicroSpec) and spec.mapping == "micro_speech":
        return micro.map_input(micro.extract(pcm, spec))[:, :, None]
    return quantize(extract(pcm, spec), scale, zero_point, dtype)


def fit(spec: Learned, clips: Iterable[Features]) -> FeatureSpec:
    """The spec with ``mean`` and ``std`` over clips of ``extract(pcm, spec.unnormalized())``.

    Raises:
        FeatureError: the spec has another normalization, or there is no clip.
    """
    if not isinstance(spec, FeatureSpec) or spec.normalization != "mean_std":
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


def normalize(features: Features, spec: Learned) -> Features:
    """Normalize what ``extract(pcm, spec.unnormalized())`` gave, by a fitted ``mean_std`` spec.

    Equal to ``extract(pcm, spec)`` but for rounding; for training, which extracts once and fits then.
    """
    if not isinstance(spec, FeatureSpec):
        return features
    if spec.normalization_stage == "after_deltas":
        return _normalize(features.astype(np.float64), spec).astype(np.float32)
    statics = spec.audio_channels
    mean, std = _constants(spec)
    scaled: _Real = features / np.tile(std, 1 + spec.deltas)
    scaled[..., :statics] -= mean / std
    return scaled.astype(np.float32)


# ---- the stages; every array is float64 (time, band, channel)


def _statics(mel: _Real, spec: FeatureSpec) -> _Real:
    x = _compressed(mel, spec)
    if spec.n_mfcc is not None:
        energy = x[:, spec.n_mels :]
        dct = extras.load("scipy.fft", "features", _NEED).dct
        x = dct(x[:, : spec.n_mels], type=2, norm="ortho", axis=1)[:, : spec.n_mfcc]
        if spec.dct_norm == "tensorflow":
            x[:, 0] *= np.sqrt(2)
        x *= lifter(spec)[:, None]
        if energy.size:
            x[:, 0] = energy[:, 0]
    return x[spec.crop_frames : len(x) - spec.crop_frames]


def _compressed(mel: _Real, spec: FeatureSpec) -> _Real:
    if spec.log == "pcen":
        return _pcen(mel, spec)
    x = np.maximum(mel + spec.log_offset, spec.log_floor)
    if spec.log == "ln":
        return np.asarray(np.log(x))
    if spec.log == "log10":
        return np.asarray(np.log10(x))
    return x if spec.log == "none" else _limit(10 * _decades(spec) * np.log10(x), spec)


def _pcen(mel: _Real, spec: FeatureSpec) -> _Real:
    """By librosa, which smooths along the last axis."""
    made = _librosa().pcen(
        np.ascontiguousarray(mel.T) * spec.pcen_scale, sr=spec.sample_rate_hz, hop_length=spec.hop_length,
        gain=spec.pcen_gain, bias=spec.pcen_bias, power=spec.pcen_power, time_constant=spec.pcen_seconds,
        eps=spec.pcen_eps,
    )  # fmt: skip
    return np.asarray(made, np.float64).T


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
    if spec.delta_edges in ("nearest", "interp"):
        librosa = _librosa()

        orders = range(1, spec.deltas + 1)
        d = [
            librosa.feature.delta(x, width=spec.delta_width, order=n, axis=0, mode=spec.delta_edges)
            for n in orders
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


def _around(x: _Real, spec: FeatureSpec) -> _Real:
    """The rows around each row, the clip mirrored at its ends: (time, band, channel, ``normalization_window``)."""
    reach = spec.normalization_window // 2
    padded = np.pad(x, ((reach, reach), (0, 0), (0, 0)), mode="symmetric")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, spec.normalization_window, axis=0))


def _in_range(x: _Real, spec: FeatureSpec) -> _Real:
    """0 … 1 of a range, cut off and rounded (half to even, as NumPy does) where the spec wants it."""
    if spec.range_clip:
        x = np.clip(x, 0.0, 1.0)
    if spec.range_steps:
        x = np.minimum(np.rint(x * spec.range_steps), spec.range_steps - 1) / spec.range_steps
    return x


def _constants(spec: FeatureSpec) -> tuple[_Real, _Real]:
    """``mean`` and ``std`` as float64 (band, channel)."""
    return np.array(spec.mean, np.float64).T, np.array(spec.std, np.float64).T


def _normalize(x: _Real, spec: FeatureSpec) -> _Real:
    kind = spec.normalization
    if kind == "mean_std":
        mean, std = _constants(spec)
        return (x - mean) / std
    if kind == "range":
        return _in_range((x - spec.range_low) / (spec.range_high - spec.range_low), spec)
    if kind == "window_zscore":
        centred = x - _around(x, spec).mean(axis=-1)
        return np.asarray(centred / (_around(centred, spec).std(axis=-1) + WINDOW_SPREAD_MIN))
    axes = (0, 1) if spec.normalization_scope == "channel" else (0, 1, 2)
    if kind == "clip_zscore":
        spread: _Real = x.std(axis=axes, ddof=spec.normalization_ddof, keepdims=True)
        mean = x.mean(axis=axes, keepdims=True, dtype=np.float64)
        return np.asarray((x - mean) / np.maximum(spread, CLIP_SPREAD_MIN))
    if kind == "clip_minmax":
        low: _Real = x.min(axis=axes, keepdims=True)
        return np.asarray((x - low) / np.maximum(x.max(axis=axes, keepdims=True) - low, CLIP_SPREAD_MIN))
    return x
