# SPDX-License-Identifier: Apache-2.0
"""The precision of float32 log-mel spectrograms, and the difference of two of them in dB."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ascmcu import extras
from ascmcu.features import extract
from ascmcu.features.pcm import Pcm
from ascmcu.features.spec import FeatureSpec
from ascmcu.features.tables import mel_segments, power_factor

# What single precision can tell apart: a band whose mean power per FFT bin lies this far below the energy of its
# frame drowns in the rounding of a float32 FFT (2⁻²⁴ per operation, some ten of them in a row).
PRECISION_FLOOR_DB = -100.0
# Pre-emphasis rounds a product and a difference more in each sample: as much again as the FFT does.
EMPHASIS_FLOOR_DB = -97.0


def log_mel_spec(spec: FeatureSpec) -> FeatureSpec:
    """The spec up to its logarithm: no crop, limit, DCT, deltas or normalization."""
    # Without a logarithm nobody says which values are silence. These are what rounding to 16 bits leaves in a bin.
    silence = {"log": "ln", "log_offset": 1e-8 if spec.power == 2 else 1e-4, "log_floor": 0.0}
    plain = {} if spec.is_logarithm else silence
    return spec.unnormalized().replace(
        **plain,
        deltas=0,
        stack_frames=1,
        stack_step=0,
        n_mfcc=None,
        mfcc_first="dct",
        lifter=0.0,
        crop_frames=0,
        top_db=None,
        db_reference="unit",
        layout="time_mel",
    )


def decibels(spec: FeatureSpec) -> float:
    """Decibels in one unit of the spec's logarithm."""
    per_power = {"ln": 10 / np.log(10), "log10": 10.0, "db": 1.0}[spec.log]
    return float(per_power * (2 if spec.power == 1 and spec.log != "db" else 1))


def above_floor(pcm: Pcm, spec: FeatureSpec) -> npt.NDArray[np.bool_]:
    """Where the mel spectrogram says something: bool (frames, ``n_mels``, audio channels)."""
    mel = extract.mel_energies(pcm, spec)
    return _loud(mel, spec) & precise(mel, pcm, spec)


def precise(mel: npt.NDArray[np.float64], pcm: Pcm, spec: FeatureSpec) -> npt.NDArray[np.bool_]:
    """Where single precision can tell the mel spectrogram: bool, as ``mel``."""
    weights = (
        np.ones(spec.n_mels) if spec.filters == "none" else mel_segments(spec).matrix(spec.bins).sum(axis=1)
    )
    weights = weights * power_factor(spec)
    mel = mel[:, : spec.n_mels]
    per_bin = (mel / np.maximum(weights, 1e-30)[None, :, None]) ** (3 - spec.power)
    # Parseval: the energy of the one-sided spectrum is n_fft / 2 times that of the windowed frame.
    frames = list(_frame_energies(pcm, spec))
    floor_db = EMPHASIS_FLOOR_DB if spec.pre_emphasis else PRECISION_FLOOR_DB
    floor = spec.n_fft / 2 * np.stack(frames, axis=1)[:, None, :] * 10 ** (floor_db / 10)
    return np.asarray(per_bin >= floor)


def _loud(mel: npt.NDArray[np.float64], spec: FeatureSpec) -> npt.NDArray[np.bool_]:
    return np.asarray(mel >= max(spec.log_offset, spec.log_floor))


def trusted(
    mel: npt.NDArray[np.float64], told: npt.NDArray[np.bool_], spec: FeatureSpec
) -> npt.NDArray[np.bool_]:
    """Features that two implementations in single precision must agree on: bool ``spec.shape``.

    All but those whose mel value drowns in rounding and yet lies above the spec's own floor. A delta is trusted
    where all values of its regression are; all values are where a DCT has mixed the bands.

    Args:
        mel: the mel spectrogram, (frames, ``n_mels``, audio channels).
        told: where it is ``precise``.
    """
    if spec.n_mfcc is not None:
        return np.ones(spec.shape, bool)
    minimum_filter1d = extras.load(
        "scipy.ndimage", "features", "this comparison needs scipy"
    ).minimum_filter1d

    kept = (told | ~_loud(mel, spec))[spec.crop_frames : len(mel) - spec.crop_frames]
    parts = [kept]
    # The fits at the edges of `interp` reach twice as far from their rows.
    reach = 2 * spec.delta_width - 1 if spec.delta_edges == "interp" else spec.delta_width
    for _ in range(spec.deltas):
        parts.append(minimum_filter1d(parts[-1], reach, axis=0, mode="nearest"))
    lost = (len(kept) - spec.rows) // 2
    return extract.stack(np.concatenate([part[lost : len(part) - lost] for part in parts], axis=2), spec)


def in_decibels(spec: FeatureSpec) -> npt.NDArray[np.float64] | None:
    """Decibels in one unit of each feature, (bands, channels); None where features are no decibels of a band."""
    shape = spec.shape[1:]
    if (
        not spec.is_logarithm
        or spec.n_mfcc is not None
        or spec.normalization in ("clip_zscore", "clip_minmax", "window_zscore")
    ):
        return None
    per_unit: npt.NDArray[np.float64] = np.full(shape, decibels(spec))
    if spec.normalization == "range":
        return np.asarray(per_unit * (spec.range_high - spec.range_low))
    if spec.normalization == "mean_std":
        std = np.array(spec.std).T
        return np.asarray(per_unit * np.tile(std, (1, shape[1] // std.shape[1])))
    return per_unit


def _frame_energies(pcm: Pcm, spec: FeatureSpec) -> Iterator[npt.NDArray[np.float64]]:
    """The energy of each windowed frame by channel, each (frames,); before pre-emphasis, whose rounding is of it."""
    plain = spec.replace(pre_emphasis=0.0, pre_emphasis_before="zero")
    for framed in extract.frames(extract.signal(pcm, plain), plain):
        yield np.einsum("tn,tn->t", framed, framed)
