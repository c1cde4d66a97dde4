# SPDX-License-Identifier: Apache-2.0
"""Search for the options that bring a specification closer to given features.

``options`` names the neighbours; ``Search`` compares each with a reference (``neighbours``) and walks from neighbour to
neighbour until nothing brings it nearer (``nearest``). Whatever it names is a spec that export takes.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.errors import FeatureError
from ascmcu.features import extract
from ascmcu.features.pcm import Pcm, to_pcm
from ascmcu.features.precision import in_decibels, precise, trusted
from ascmcu.features.spec import FeatureSpec

Reals = npt.NDArray[np.float64]

# A step must leave at most this share of the mean error, or what is left is not about options.
_STEP_GAIN = 0.8
_STEPS_MAX = 6
# A straight line through all values always helps a little: a named option that helps nearly as much comes first.
_LINE_HANDICAP = 3.0

_MEL_FIELDS = (
    "sample_rate_hz", "clip_samples", "channels", "resampler", "n_fft", "win_length", "hop_length", "window", "center",
    "pad_mode", "snip_edges", "power", "n_mels", "fmin_hz", "fmax_hz", "mel_scale", "mel_norm", "amplitude",
    "window_place", "mel_triangles", "mel_corners", "filters", "power_norm", "pre_emphasis", "pre_emphasis_scope",
    "pre_emphasis_before", "remove_dc", "window_symmetric", "frame_length", "mfcc_first",
)  # fmt: skip
_PLAIN: dict[str, tuple[Any, ...]] = {
    "center": (True, False),
    "pad_mode": ("reflect", "constant"),
    "snip_edges": (True, False),
    "amplitude": ("full_scale", "clip_max", "int16"),
    "pre_emphasis": (0.0, 0.9, 0.95, 0.96875, 0.97, 0.98),
    "pre_emphasis_scope": ("clip", "frame"),
    "pre_emphasis_before": ("zero", "clip_end"),
    "remove_dc": (False, True),
    "window": ("hann", "hamming", "povey", "boxcar", "blackman"),
    "window_symmetric": (False, True),
    "power_norm": ("none", "n_fft", "win_length"),
    "mel_corners": ("exact", "bin"),
    "window_place": ("center", "start"),
    "power": (1, 2),
    "mel_scale": ("htk", "slaney"),
    "mel_norm": ("none", "slaney"),
    "mel_triangles": ("hz", "mel"),
    "dct_norm": ("ortho", "tensorflow"),
    "fmin_hz": (0.0, 20.0, 50.0, 64.0, 125.0, 300.0),
    "fmax_hz": (3800.0, 4000.0, 7500.0, 7600.0, 8000.0, 11025.0, 14000.0, 16000.0),
    "log_offset": (0.0, 1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1.0),
    "db_reference": ("unit", "clip_max"),
    "top_db": (None, 60.0, 80.0, 100.0),
    "top_db_mode": ("clip", "running", "fixed"),
    "deltas": (0, 1, 2),
    "delta_width": (3, 5, 7, 9),
    "delta_edges": ("valid", "nearest", "replicate", "interp"),
    "normalization": ("none", "clip_zscore", "clip_minmax", "window_zscore"),
    "normalization_stage": ("before_deltas", "after_deltas"),
    "normalization_scope": ("channel", "joint"),
    "normalization_ddof": (0, 1),
    "channels": ("mono", "stereo", "mid_side"),
    "resampler": ("soxr_qq", "soxr_lq", "soxr_mq", "soxr_hq", "soxr_vhq", "torchaudio"),
}
_FLOORS = (1e-16, 1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
_WINDOWS_S = (0.02, 0.025, 0.03, 0.032, 0.04)


@dataclass(frozen=True)
class Recording:
    """A recording as read: float or int16 (samples, channels)."""

    name: str
    samples: npt.NDArray[Any]
    rate_hz: int


@dataclass(frozen=True)
class Distance:
    """How far features are from a reference over some clips.

    Attributes:
        worst, mean: of the absolute differences of trusted values, in ``unit``: dB, or the features' own units where
            they are no decibels of a band.
        equal_percent: of all values, equal after quantization.
        plain_mean: of all absolute differences, in the reference's own units: what specs are ranked by.
    """

    worst: float
    mean: float
    unit: str
    equal_percent: float
    plain_mean: float


@dataclass(frozen=True)
class Step:
    """Another spec: what differs, as TOML; how far it is from the reference."""

    change: str
    spec: FeatureSpec
    distance: Distance


def options(spec: FeatureSpec) -> Iterator[FeatureSpec]:
    """The valid specs that differ from this one in one option; some of them have another shape."""
    seen = {spec}
    for changes in itertools.chain(
        _plain(), _idioms(), _logarithms(spec), _frames(spec), _coefficients(spec)
    ):
        if all(getattr(spec, name) == value for name, value in changes.items()):
            continue
        try:
            other = spec.replace(**_consistent(spec, changes))
        except FeatureError:
            continue
        if other not in seen:
            seen.add(other)
            yield other


def difference(spec: FeatureSpec, other: FeatureSpec) -> str:
    """The fields of ``other`` that differ, as TOML on one line."""
    fields = [f.name for f in dataclasses.fields(spec) if getattr(spec, f.name) != getattr(other, f.name)]
    told = [_toml(name, getattr(other, name)) for name in fields if name not in ("mean", "std")]
    if {"mean", "std"} & set(fields) and other.mean:
        told.append("mean and std as the reference has them")
    return ", ".join(told)


def _toml(name: str, value: Any) -> str:
    if value is None:
        return f"no {name}"
    if isinstance(value, bool | str):
        return f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {str(value).lower()}"
    return f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"


def _plain() -> Iterator[dict[str, Any]]:
    return ({name: value} for name, values in _PLAIN.items() for value in values)


def _idioms() -> Iterator[dict[str, Any]]:
    """What libraries make of a mel spectrogram when they are not asked for something else."""
    decibels = {"log": "db", "log_offset": 0.0, "log_floor": 1e-10, "top_db_mode": "clip"}
    for reference, top_db in itertools.product(("unit", "clip_max"), (80.0, None)):  # librosa, torchaudio
        yield {**decibels, "db_reference": reference, "top_db": top_db}
    for log, offset in itertools.product(("ln", "log10"), (1e-10, 1e-6, 1.0)):
        yield {"log": log, "log_offset": offset, "log_floor": 0.0}


def _logarithms(spec: FeatureSpec) -> Iterator[dict[str, Any]]:
    yield from ({"log": kind} for kind in ("ln", "log10", "db"))
    yield from ({"log_offset": 0.0, "log_floor": floor} for floor in _FLOORS)


def _frames(spec: FeatureSpec) -> Iterator[dict[str, Any]]:
    rate = spec.sample_rate_hz
    yield {"fmax_hz": rate / 2}
    for seconds in _WINDOWS_S:
        yield {"win_length": round(seconds * rate)}
    for n_fft in (spec.n_fft // 2, spec.n_fft * 2):
        yield {"n_fft": n_fft}
        yield {"n_fft": n_fft, "win_length": n_fft}
    yield {"win_length": spec.n_fft}
    yield {"win_length": spec.n_fft // 2}
    for hop in (spec.hop_length // 2, spec.hop_length * 2, round(0.01 * rate), round(0.02 * rate)):
        yield {"hop_length": hop}
    for crop in (0, spec.crop_frames + 1):
        yield {"crop_frames": crop}
    for count in (32, 40, 64, 80, 96, 128):
        yield {"n_mels": count}


def _coefficients(spec: FeatureSpec) -> Iterator[dict[str, Any]]:
    return ({"n_mfcc": count} for count in (None, 10, 12, 13, 20, 32, 40, spec.n_mels))


def _consistent(spec: FeatureSpec, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes with what another one makes meaningless taken back."""
    more = dict(changes)
    if more.get("log", spec.log) != "db":
        more |= {"top_db": None, "db_reference": "unit"}
    if more.get("normalization", spec.normalization) != "mean_std":
        more |= {"mean": (), "std": ()}
    if "pad_mode" in more and not spec.center:
        more["center"] = True
    return more


class Search:
    """Neighbours of a spec held against a reference.

    Args:
        recordings: the clips.
        reference: float (clips, time, mel, channel): what somebody's own front end made of them.
        quantize: the network's input from features.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        reference: npt.NDArray[np.float32],
        quantize: Callable[[extract.Features], npt.NDArray[Any]],
    ) -> None:
        self._recordings = recordings
        self._reference = reference
        self._quantize = quantize
        self._wanted = [quantize(one) for one in reference]
        self._mels: dict[tuple[Any, ...], Reals] = {}
        self._precise: dict[tuple[Any, ...], npt.NDArray[np.bool_]] = {}
        self._pcms: dict[tuple[Any, ...], Pcm] = {}

    def pcm(self, index: int, spec: FeatureSpec) -> Pcm:
        """A recording as the spec hears it."""
        key = (index, spec.sample_rate_hz, spec.channels == "mono", spec.resampler)
        if key not in self._pcms:
            recording = self._recordings[index]
            self._pcms[key] = to_pcm(recording.samples, recording.rate_hz, spec)
        return self._pcms[key]

    def features(self, index: int, spec: FeatureSpec) -> extract.Features:
        """A recording's features, (time, mel, channel)."""
        return extract.from_mel(self._mel(index, spec), spec)

    def trusted(self, index: int, spec: FeatureSpec) -> npt.NDArray[np.bool_]:
        """Where a recording's features must be the reference's, bool (time, mel, channel)."""
        key, mel = _mel_key(index, spec), self._mel(index, spec)
        if key not in self._precise:
            self._precise[key] = precise(mel, self.pcm(index, spec), spec)
        return trusted(mel, self._precise[key], spec)

    def _mel(self, index: int, spec: FeatureSpec) -> Reals:
        key = _mel_key(index, spec)
        if key not in self._mels:
            self._mels[key] = extract.mel_energies(self.pcm(index, spec), spec)
        return self._mels[key]

    def fitted(self, spec: FeatureSpec) -> FeatureSpec:
        """The spec; where its ``mean`` and ``std`` are open, with those that bring it nearest to the reference."""
        return spec if spec.is_fitted else self._by_band(spec)

    def distance(self, spec: FeatureSpec) -> Distance:
        """How far the spec's features are from the reference."""
        scale = in_decibels(spec)
        worst = total = heard = equal = values = plain = 0.0
        for index, wanted in enumerate(self._reference):
            x = self.features(index, spec)
            error = np.abs(x.astype(np.float64) - wanted)
            plain += error.sum()
            error = (error * (1.0 if scale is None else scale))[self.trusted(index, spec)]
            worst, total, heard = max(worst, error.max(initial=0.0)), total + error.sum(), heard + error.size
            same = self._quantize(x) == self._wanted[index]
            equal, values = equal + same.sum(), values + same.size
        return Distance(
            worst=float(worst),
            mean=float(total / max(heard, 1)),
            unit="units" if scale is None else "dB",
            equal_percent=float(100 * equal / max(values, 1)),
            plain_mean=float(plain / max(values, 1)),
        )

    def neighbours(
        self, spec: FeatureSpec, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> list[Step]:
        """All neighbours of the same shape, nearest first, and the spec behind a gain and an offset."""
        found = [other for other in options(spec) if other.shape == spec.shape]
        made = []
        for done, other in enumerate(found):
            progress(done, len(found))
            made.append(self._step(spec, self.fitted(other)))
        progress(len(found), len(found))
        made.sort(key=_plain_mean)
        # A line through all values always helps a little: an option that helps nearly as much comes first.
        lines = [
            self._step(spec, line) for line in (self._behind_line(spec), self._behind_lines(spec)) if line
        ]
        # What is left of two implementations in single precision is no reason to prefer one of them.
        rounding = 1e-5 * float(self._reference.std())
        least = made[0].distance.plain_mean if made else np.inf
        best = max(rounding, min(map(_plain_mean, lines), default=np.inf))
        at = 0 if best * _LINE_HANDICAP < least else 1
        return made[:at] + sorted(lines, key=_plain_mean) + made[at:]

    def nearest(self, spec: FeatureSpec, is_near: Callable[[Distance], bool]) -> Step:
        """The nearest spec that a walk from neighbour to neighbour finds.

        It walks as the spec stands; then with a gain and an offset fitted at each step; then with those of each band.
        """
        found = []
        for fit in (self.fitted, self._behind_line, self._behind_lines):
            end = self._walk(spec, fit, is_near)
            if end is not None:
                found.append(self._step(spec, self._simplest(spec, end, is_near)))
                if is_near(found[-1].distance):
                    return found[-1]
        return min(found, key=_plain_mean)

    def _walk(
        self,
        spec: FeatureSpec,
        fit: Callable[[FeatureSpec], FeatureSpec | None],
        is_near: Callable[[Distance], bool],
    ) -> FeatureSpec | None:
        """The fitted end of a walk whose every spec is fitted anew; None where the first cannot be."""
        best = fit(spec)
        if best is None:
            return None
        distance = self.distance(best)
        for _ in range(_STEPS_MAX):
            if is_near(distance):
                break
            fitted = [(other, fit(other)) for other in options(spec) if other.shape == spec.shape]
            far = [(self.distance(made), other, made) for other, made in fitted if made is not None]
            if not far:
                break
            next_distance, other, made = min(far, key=lambda one: one[0].plain_mean)
            if next_distance.plain_mean > _STEP_GAIN * distance.plain_mean:
                break
            spec, best, distance = other, made, next_distance
        return best

    def _simplest(
        self, start: FeatureSpec, end: FeatureSpec, is_near: Callable[[Distance], bool]
    ) -> FeatureSpec:
        """The end of a walk without what it does not need: a gain that is another logarithm, options on the way."""
        if not is_near(self.distance(end)):
            return end
        plain: list[dict[str, Any]] = []
        if end.normalization == "range":
            line = {"normalization": "none", "range_low": 0.0, "range_high": 1.0}
            plain += [_consistent(end, {**line, "log": log}) for log in ("ln", "log10", "db")]
        plain += [{f.name: getattr(start, f.name)} for f in dataclasses.fields(start)]
        for changes in plain:
            try:
                simpler = end.replace(**changes)
            except FeatureError:
                continue
            if simpler != end and simpler.is_fitted and simpler.shape == end.shape:
                end = simpler if is_near(self.distance(simpler)) else end
        return end

    def _step(self, spec: FeatureSpec, other: FeatureSpec) -> Step:
        return Step(difference(spec, other), other, self.distance(other))

    def _behind_lines(self, spec: FeatureSpec) -> FeatureSpec | None:
        """The spec with the ``mean`` and ``std`` that bring it nearest; None where it has figures of another kind."""
        if spec.n_mfcc is not None or spec.normalization not in ("none", "range"):
            return None
        raw = spec.unnormalized().replace(range_low=0.0, range_high=1.0)
        return self._by_band(raw.replace(normalization="mean_std", normalization_stage="before_deltas"))

    def _behind_line(self, spec: FeatureSpec) -> FeatureSpec | None:
        """The spec with the ``range`` that brings it nearest; None where it has figures of another kind."""
        if spec.n_mfcc is not None or spec.normalization not in ("none", "range"):
            return None
        raw = spec.unnormalized()
        x, wanted = self.statics(raw)
        gain, offset = _line(x.ravel(), wanted.ravel())
        if gain <= 0:
            return None
        low = -offset / gain
        return raw.replace(
            normalization="range",
            range_low=low,
            range_high=low + 1 / gain,
            normalization_stage="before_deltas" if spec.deltas else "after_deltas",
        )

    def _by_band(self, spec: FeatureSpec) -> FeatureSpec:
        """The spec with the ``mean`` and ``std`` that bring its features nearest to the reference."""
        x, wanted = self.statics(spec, spec.normalized_channels)
        shape = x.shape[2:]
        mean, std = np.zeros(shape), np.ones(shape)
        for band, channel in np.ndindex(*shape):
            gain, offset = _line(x[:, :, band, channel].ravel(), wanted[:, :, band, channel].ravel())
            if gain > 0:
                mean[band, channel], std[band, channel] = -offset / gain, 1 / gain
        rows = [tuple(tuple(float(f"{v:.9g}") for v in row) for row in table.T) for table in (mean, std)]
        return spec.replace(mean=rows[0], std=rows[1])

    def statics(self, spec: FeatureSpec, channels: int | None = None) -> tuple[Reals, Reals]:
        """Features without normalization beside the reference, (clips, time, mel, channel)."""
        count = channels or spec.audio_channels
        raw = spec.unnormalized()
        x = np.stack([self.features(n, raw)[..., :count] for n in range(len(self._reference))])
        return x.astype(np.float64), self._reference[..., :count].astype(np.float64)


def _plain_mean(step: Step) -> float:
    return step.distance.plain_mean


def _mel_key(index: int, spec: FeatureSpec) -> tuple[Any, ...]:
    return (index, *(getattr(spec, name) for name in _MEL_FIELDS))


def _line(x: Reals, y: Reals) -> tuple[float, float]:
    """Gain and offset of the least-squares line y ≈ gain x + offset."""
    spread = float(np.var(x))
    gain = float(np.mean((x - x.mean()) * (y - y.mean())) / spread) if spread > 1e-12 else 0.0
    return gain, float(y.mean() - gain * x.mean())
