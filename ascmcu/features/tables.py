# SPDX-License-Identifier: Apache-2.0
"""The constants that the generated front end computes with, in float64, as librosa would have them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ascmcu.errors import FeatureError
from ascmcu.features import mel_scale, windows
from ascmcu.features.spec import FeatureSpec, Learned

_Real = npt.NDArray[np.float64]

# Coefficients c of log2(1 + f) ≈ f Σ c[n] fⁿ for √½ ≤ 1 + f < √2, a minimax fit; the error holds for single
# precision.
LOG2_POLYNOMIAL = (
    1.44269967,
    -0.721375883,
    0.480464995,
    -0.35896197,
    0.297263443,
    -0.272696882,
    0.170629978,
)
LOG2_ERROR_MAX = 3.7e-7


# Coefficients of 2^f = Σ c[n] fⁿ for |f| ≤ ½, relative error 3e-9.
EXP2_POLYNOMIAL = (1.0, 0.693147206, 0.240226485, 0.0555032904, 0.00961837325, 0.00133998483, 0.000153707048)


@dataclass(frozen=True)
class MelSegments:
    """The triangular filters as what lies between neighbouring corner frequencies.

    Between corners g and g + 1 (``n_mels`` + 2 corners) filter g rises from 0 to 1 while filter g - 1 falls
    from 1 to 0, both linearly. Hence two sums over the bins of a segment give both contributions; with
    S = Σ P[k] and T = Σ (last - k) P[k]: falling = ``last`` S + ``slope`` T, rising = S - falling.

    Attributes:
        first_bin: the first FFT bin of the first segment. Bins 0 and n_fft / 2 have no weight in any filter.
        bins: FFT bins of each segment, int (``n_mels`` + 1,).
        last: weight of the falling filter at the segment's last bin, (``n_mels`` + 1,).
        slope: weight lost from one bin to the next, (``n_mels`` + 1,).
        norm: factor of each filter, (``n_mels``,); all 1 without ``mel_norm``.
        falling: the falling filter's weight of each bin of all segments where it is not linear; else empty.
    """

    first_bin: int
    bins: npt.NDArray[np.int64]
    last: _Real
    slope: _Real
    norm: _Real
    falling: _Real

    def matrix(self, n_bins: int) -> _Real:
        """The filters as a dense matrix (``n_mels``, ``n_bins``): what ``librosa.filters.mel`` gives."""
        n_mels = len(self.norm)
        weights = np.zeros((n_mels + 2, n_bins))
        first = self.first_bin
        for g, count in enumerate(self.bins):
            k = np.arange(first, first + count)
            falling = self.last[g] + self.slope[g] * (first + count - 1 - k)
            if self.falling.size:
                falling = self.falling[k - self.first_bin]
            weights[g, k] += falling
            weights[g + 1, k] += 1 - falling
            first += count
        return weights[1:-1] * self.norm[:, None]


def mel_segments(spec: FeatureSpec) -> MelSegments:
    """The filter bank of a spec. Corners and Slaney's factor 2 / (upper - lower) as in librosa."""
    corners = mel_scale.corners(spec.n_mels + 2, spec.fmin_hz, spec.fmax_hz, htk=spec.mel_scale == "htk")
    step = spec.sample_rate_hz / spec.n_fft
    if spec.mel_corners == "bin":
        corners = mel_scale.at_bins(corners, spec.n_fft, spec.sample_rate_hz) * step
    # Bin k belongs to the segment with corner[g] <= k × step < corner[g + 1]; bins 0 and n_fft / 2 to none.
    # With corners at bins, a filter may peak at bin 0.
    least = 0 if spec.mel_corners == "bin" else 1
    edges = np.clip(np.ceil(corners / step - 1e-9).astype(np.int64), least, (spec.n_fft + 1) // 2)
    bins = np.diff(edges)
    width = np.where(np.diff(corners) > 0, np.diff(corners), step)  # two corners at one bin: no segment
    last = (corners[1:] - (edges[1:] - 1) * step) / width
    norm = 2 / (corners[2:] - corners[:-2]) if spec.mel_norm == "slaney" else np.ones(spec.n_mels)
    falling = _falling(spec, edges) if spec.mel_triangles == "mel" else np.zeros(0)
    return MelSegments(int(edges[0]), bins, np.where(bins > 0, last, 0.0), step / width, norm, falling)


def _falling(spec: FeatureSpec, edges: npt.NDArray[np.int64]) -> _Real:
    """Weights of the falling filters whose sides are straight over mel; ``edges`` as in ``mel_segments``."""
    htk = spec.mel_scale == "htk"
    low, high = mel_scale.hz_to_mel(np.array([spec.fmin_hz, spec.fmax_hz]), htk=htk)
    spacing = (high - low) / (spec.n_mels + 1)
    segment = np.repeat(np.arange(spec.n_mels + 1), np.diff(edges))
    at = mel_scale.hz_to_mel(np.arange(edges[0], edges[-1]) * spec.sample_rate_hz / spec.n_fft, htk=htk)
    return np.asarray(np.clip((low + (segment + 1) * spacing - at) / spacing, 0.0, 1.0))


def cosine_window(spec: FeatureSpec) -> tuple[float, float]:
    """(a, b) of the window a - b cos(2πn / win_length)."""
    return (0.5, 0.5) if spec.window == "hann" else (0.54, 0.46)


def half_window(spec: FeatureSpec) -> _Real:
    """The window up to its middle. Sample n equals sample win_length - n, or win_length - 1 - n if it is symmetric."""
    count = (spec.win_length + 1) // 2 if spec.window_symmetric else spec.win_length // 2 + 1
    return windows.values(spec.window, spec.win_length, spec.window_symmetric)[:count]


def dct(spec: FeatureSpec) -> _Real:
    """The DCT-II with the norm of the spec, (``n_mfcc``, ``n_mels``)."""
    k, n = np.arange(spec.bands)[:, None], np.arange(spec.n_mels)[None, :]
    basis = np.cos(np.pi * k * (2 * n + 1) / (2 * spec.n_mels)) * math.sqrt(2 / spec.n_mels)
    if spec.dct_norm == "ortho":
        basis[0] /= math.sqrt(2)
    return np.asarray(basis * lifter(spec)[:, None])


def lifter(spec: FeatureSpec) -> _Real:
    """Factor of each cepstral coefficient, (``n_mfcc``,): 1 + L / 2 sin(π n / L), Kaldi's mel-computations.cc."""
    n = np.arange(spec.bands)
    return (
        np.asarray(1 + spec.lifter / 2 * np.sin(np.pi * n / spec.lifter)) if spec.lifter else np.ones(len(n))
    )


def power_factor(spec: FeatureSpec) -> float:
    """What each power, or magnitude, of the spectrum is multiplied by."""
    length = {"none": 1, "n_fft": spec.n_fft, "win_length": spec.win_length}[spec.power_norm]
    return float(length ** (-spec.power / 2))


def slope_weights(spec: FeatureSpec) -> _Real:
    """Weights w[n - 1] of x[t+n] - x[t-n] in the regression slope, n = 1 … ``delta_width`` // 2."""
    n = np.arange(1, spec.delta_width // 2 + 1)
    return np.asarray(n / (2.0 * np.sum(n * n)))


def curve_weights(spec: FeatureSpec) -> _Real:
    """Weights over ``delta_width`` frames, oldest first, of the second derivative of the fitted parabola."""
    half = spec.delta_width // 2
    n = np.arange(-half, half + 1)
    # The parabola c0 + c1 n + c2 n² of least squares; its second derivative is 2 c2.
    return np.asarray(2 * np.linalg.pinv(np.vander(n, 3, increasing=True).astype(np.float64))[2])


def units_per_octave(spec: FeatureSpec) -> float:
    """How much the logarithm of the spec grows when its argument doubles; 1 where there is none."""
    if not spec.is_logarithm:
        return 1.0
    if spec.log == "ln":
        return math.log(2)
    if spec.log == "log10":
        return math.log10(2)
    return 10 * (2 if spec.power == 1 else 1) * math.log10(2)


def natural_units(spec: Learned) -> float:
    """Features without normalization times this are natural logarithms of energies.

    Raises:
        FeatureError: they are no logarithms.
    """
    if not isinstance(spec, FeatureSpec) or not spec.is_logarithm:
        raise FeatureError(
            "this needs logarithms of energies",
            where="log",
            expected="ln | log10 | db",
            found=spec.log
            if isinstance(spec, FeatureSpec)
            else "the micro front end's, with its noise taken off",
        )
    # A magnitude's logarithm is half its energy's; 10 log10 has the factor already.
    unit = {"ln": 1.0, "log10": math.log(10.0), "db": math.log(10.0) / 10.0}[spec.log]
    return unit * (2.0 if spec.power == 1 and spec.log != "db" else 1.0)


def pcen_smoothing(spec: FeatureSpec) -> float:
    """The share b of a new value in the smoothed one: of ``librosa.pcen``, for a time constant in frames."""
    frames = spec.pcen_seconds * spec.sample_rate_hz / spec.hop_length
    return (math.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2)


@dataclass(frozen=True)
class Affine:
    """The network's input before rounding is ``gain`` × (value in octaves) + ``bias``, less the zero point.

    Attributes:
        gain, bias: (output channels, bands), or (output channels, 1) where all bands share them.
    """

    gain: _Real
    bias: _Real


def affine(spec: FeatureSpec, scale: float) -> Affine:
    """Logarithm's unit, streamable normalization and quantization scale in one multiplication and addition.

    Deltas are linear: what scales the static values scales them too, and an offset drops out of them.

    Raises:
        FeatureError: ``mean_std`` that is not fitted.
    """
    gain, bias = np.ones((spec.normalized_channels, 1)), np.zeros((spec.normalized_channels, 1))
    if spec.normalization == "mean_std":
        if not spec.is_fitted:
            raise FeatureError(
                "the normalization is not fitted", where="mean, std", hint="train, or give the figures"
            )
        gain = 1 / np.array(spec.std, np.float64)
        bias = -np.array(spec.mean, np.float64) * gain
    elif spec.normalization == "range":
        gain = gain / (spec.range_high - spec.range_low)
        bias = bias - spec.range_low / (spec.range_high - spec.range_low)
    if spec.normalization_stage == "before_deltas":
        gain = np.tile(gain, (1 + spec.deltas, 1))
        bias = np.concatenate([bias, np.zeros((spec.output_channels - len(bias), bias.shape[1]))])
    single = float(np.float32(scale))
    # Rows by the deviation of those around them have no unit.
    unit = 1.0 if spec.normalization == "window_zscore" else units_per_octave(spec)
    return Affine(gain * unit / single, bias / single)
