# SPDX-License-Identifier: Apache-2.0
"""Convert recordings to the PCM that a device would record: int16, at the spec's rate, channels and length."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ascmcu.errors import FeatureError
from ascmcu.features.base import ClipSpec
from ascmcu.features.resample import resample

Pcm = npt.NDArray[np.int16]


def to_pcm(samples: npt.NDArray[Any], rate_hz: int, spec: ClipSpec) -> Pcm:
    """Bring a recording to the front end's rate and channels, as int16.

    Args:
        samples: float in [-1, 1) or int16, (samples,) or (samples, channels).
        rate_hz: its sample rate.
        spec: its ``resampler`` is used when the rates differ.

    Returns:
        int16 (samples, ``spec.audio_channels``). A mono front end takes the mean of all channels; a
        two-channel one hears a mono recording on both; one of more channels takes as many.

    Raises:
        FeatureError: samples that are no audio.
    """
    if samples.ndim not in (1, 2) or not np.all(np.isfinite(samples)):
        raise FeatureError(
            "not a recording", expected="finite (samples, channels)", found=f"shape {samples.shape}"
        )
    if samples.dtype == np.int16:
        audio = samples.astype(np.float64) / 32768
    elif np.issubdtype(samples.dtype, np.floating):
        audio = samples.astype(np.float64)
    else:
        raise FeatureError("not a recording", expected="float or int16 samples", found=samples.dtype)
    audio = audio[:, None] if audio.ndim == 1 else audio
    if spec.audio_channels == 1:
        audio = audio.mean(axis=1, keepdims=True)
    elif audio.shape[1] == 1 and spec.audio_channels == 2:
        audio = np.repeat(audio, 2, axis=1)
    elif audio.shape[1] != spec.audio_channels:
        raise FeatureError(
            "the recording has another number of channels than the front end",
            expected="1 or 2" if spec.audio_channels == 2 else spec.audio_channels,
            found=audio.shape[1],
        )
    audio = resample(audio, rate_hz, spec.sample_rate_hz, spec.resampler)
    scaled = np.rint(audio * 32768)
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def checked(pcm: Pcm, spec: ClipSpec) -> Pcm:
    """The PCM as (samples, channels).

    Raises:
        FeatureError: not int16, or another number of channels than the spec has.
    """
    if pcm.dtype != np.int16 or pcm.ndim not in (1, 2):
        raise FeatureError("not PCM", expected="int16 (samples, channels)", found=f"{pcm.dtype} {pcm.shape}")
    pcm = pcm[:, None] if pcm.ndim == 1 else pcm
    if pcm.shape[1] != spec.audio_channels:
        raise FeatureError(
            "the recording and the front end differ in their number of channels",
            expected=spec.audio_channels,
            found=pcm.shape[1],
            hint="ascmcu.features.pcm.to_pcm() brings it to the front end's channels",
        )
    return pcm


def fit_clip(pcm: Pcm, spec: ClipSpec) -> Pcm:
    """Cut or zero-pad PCM at its end to ``spec.clip_samples``; (samples,) becomes (samples, 1).

    Raises:
        FeatureError: not int16, or another number of channels than the spec has.
    """
    pcm = checked(pcm, spec)[: spec.clip_samples]
    return np.pad(pcm, ((0, spec.clip_samples - len(pcm)), (0, 0)))
