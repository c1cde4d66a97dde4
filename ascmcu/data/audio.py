"""Recordings from files: WAV, FLAC, Ogg Vorbis, any rate and channels, to the PCM that a front end takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from ascmcu.errors import DataError, why
from ascmcu.features.pcm import Pcm, fit_clip, to_pcm
from ascmcu.features.spec import FeatureSpec


def read(path: Path) -> tuple[npt.NDArray[np.float64], int]:
    """Samples in [-1, 1), float64 (samples, channels), and their rate in Hz.

    Raises:
        DataError: the file cannot be read, or is no recording.
    """
    try:
        samples, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError("cannot read the recording", where=str(path), found=error.error_string) from error
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError("cannot read the recording", where=str(path), found=why(error)) from error
    return samples, int(rate_hz)


def load_pcm(path: Path, spec: FeatureSpec) -> Pcm:
    """One clip as the device gets it: int16 (``spec.clip_samples``, ``spec.audio_channels``).

    Channels are mixed or doubled, then resampled (soxr, the spec's quality), then rounded to the nearest
    integer, ties to even, without dither, so that the same file always gives the same clip; longer
    recordings are cut, shorter ones end in silence.

    Raises:
        DataError: the file cannot be read, or is no recording.
    """
    samples, rate_hz = read(path)
    return fit_clip(to_pcm(samples, rate_hz, spec), spec)
