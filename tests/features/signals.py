# SPDX-License-Identifier: Apache-2.0
"""Specs and signals of the front end's tests."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ascmcu.errors import FeatureError
from ascmcu.features import extract
from ascmcu.features import spec as specs
from ascmcu.features.base import ClipSpec
from ascmcu.features.microspec import MicroSpec
from ascmcu.features.pcm import Pcm, to_pcm
from ascmcu.features.spec import _CHOICES as CHOICES
from ascmcu.features.spec import FeatureSpec
from tests.support import outside

ESC10 = outside.dataset("esc10") / "audio"
needs_esc10 = outside.needs(outside.dataset("esc10"))

# The shipped specifications of log-mel features.
LOG_MEL = tuple(name for name in specs.names() if isinstance(specs.load(name), FeatureSpec))

# What the published systems leave out: every other choice of a field at least once.
_DB = {"log": "db", "log_offset": 0.0, "log_floor": 1e-10}
VARIANTS: dict[str, dict[str, object]] = {
    "short window, odd length": {"win_length": 401, "window": "hamming"},
    "not centred": {"center": False, "hop_length": 160},
    "window at the start": {"center": False, "window_place": "start", "win_length": 601, "hop_length": 200},
    "triangles straight over mel": {"mel_triangles": "mel", "mel_scale": "slaney", "mel_norm": "slaney"},
    "the largest sample is 1": {"amplitude": "clip_max", "channels": "mid_side", "deltas": 1, "crop_frames": 2},
    "the largest sample is 1, MFCC": {"amplitude": "clip_max", "n_mfcc": 13, "dct_norm": "tensorflow", "power": 1},
    "the largest sample is 1, peak at 0 dB": {
        **_DB, "amplitude": "clip_max", "n_mfcc": 8, "top_db": 60.0, "db_reference": "clip_max",
        "normalization": "clip_zscore", "channels": "stereo",
    },
    "zeros at the ends": {"pad_mode": "constant", "mel_scale": "slaney"},
    "smallest FFT": {"n_fft": 256, "win_length": 200, "hop_length": 64, "n_mels": 20},
    "hop as long as the FFT": {"hop_length": 1024},
    "band-limited": {"fmin_hz": 300.0, "fmax_hz": 3400.0, "mel_norm": "slaney"},
    "magnitudes in dB": {**_DB, "power": 1, "log_floor": 1e-5},
    "log10 with offset and floor": {"log": "log10", "log_offset": 1e-7, "log_floor": 1e-5},
    "top_db below the clip's peak": {**_DB, "top_db": 40.0},
    "top_db below the running peak": {**_DB, "top_db": 30.0, "top_db_mode": "running", "channels": "stereo"},
    "top_db below a fixed peak": {**_DB, "top_db": 30.0, "top_db_mode": "fixed", "top_db_peak": 20.0},
    "peak at 0 dB": {**_DB, "db_reference": "clip_max", "top_db": 50.0, "channels": "mid_side"},
    "MFCC": {"n_mfcc": 13},
    "MFCC below the clip's peak": {**_DB, "n_mfcc": 20, "top_db": 60.0, "deltas": 1, "channels": "stereo"},
    "MFCC below the running peak": {**_DB, "n_mfcc": 13, "top_db": 30.0, "top_db_mode": "running"},
    "mid and side, cropped": {"channels": "mid_side", "crop_frames": 3},
    "deltas, repeated edges": {"deltas": 1, "delta_edges": "replicate", "delta_width": 9},
    "delta-deltas, repeated edges": {"deltas": 2, "delta_edges": "replicate", "delta_width": 3},
    "deltas, nearest": {"deltas": 1, "delta_edges": "nearest"},
    "delta-deltas, nearest": {"deltas": 2, "delta_edges": "nearest", "delta_width": 9, "channels": "stereo"},
    "delta-deltas, valid, cropped": {"deltas": 2, "delta_width": 7, "crop_frames": 1},
    "range after deltas": {"normalization": "range", "range_low": -15.0, "range_high": 5.0, "deltas": 1},
    "min-max by channel": {"normalization": "clip_minmax", "deltas": 1, "channels": "stereo"},
    "min-max, joint, before deltas": {
        **{"normalization": "clip_minmax", "normalization_scope": "joint", "channels": "stereo"},
        **{"normalization_stage": "before_deltas", "deltas": 2, "delta_edges": "replicate"},
    },
    "z-score by channel before deltas": {
        **{"normalization": "clip_zscore", "normalization_stage": "before_deltas", "deltas": 2},
        **{"channels": "mid_side", "delta_edges": "nearest", "normalization_ddof": 1},
    },
    "z-score below the clip's peak": {**_DB, "top_db": 60.0, "normalization": "clip_zscore", "n_mfcc": 13},
    "mean and deviation before deltas": {
        **{"normalization": "mean_std", "normalization_stage": "before_deltas", "deltas": 2},
    },
}  # fmt: skip


def variant(name: str) -> FeatureSpec:
    """A row of ``VARIANTS`` on top of the default front end, fitted on noise."""
    base = specs.load_log_mel("default").unnormalized().to_dict()
    fields = {"clip_samples": 11111, **VARIANTS[name]}
    return fitted(FeatureSpec.from_dict({**base, **fields}))


def plain(spec: FeatureSpec) -> FeatureSpec:
    """The spec with a mean and a deviation of 1 where it lacks them: figures that need no recording."""
    if spec.is_fitted:
        return spec
    row = (1.0,) * spec.bands
    return spec.replace(mean=(row,) * spec.normalized_channels, std=(row,) * spec.normalized_channels)


def any_spec(rng: random.Random) -> FeatureSpec:
    """A spec of random choices in every field.

    Raises:
        FeatureError: the choices exclude each other.
    """
    n_fft = rng.choice((256, 512, 1024, 2048, 4096))
    rate = rng.choice((8000, 16000, 32000, 44100, 48000))
    n_mels = rng.randint(8, 128)
    log = rng.choice(CHOICES["log"])
    return FeatureSpec(
        **{name: rng.choice(values) for name, values in CHOICES.items() if name != "log"},
        log=log, sample_rate_hz=rate, n_fft=n_fft, n_mels=n_mels,
        win_length=rng.choice((n_fft, rng.randint(2, n_fft))), hop_length=rng.randint(1, n_fft),
        fmin_hz=rng.choice((0.0, 50.0)), fmax_hz=rate * rng.choice((0.5, 0.35)),
        n_mfcc=rng.choice((None, rng.randint(1, n_mels))), center=rng.random() < 0.6,
        log_offset=rng.choice((0.0, 1e-7)), log_floor=rng.choice((0.0, 1e-10)),
        top_db=rng.choice((None, 40.0)) if log == "db" else None, crop_frames=rng.choice((0, 0, 2)),
        delta_width=rng.choice((3, 5, 9)), clip_samples=rng.randint(5000, 80000),
    )  # fmt: skip


def any_micro_spec(rng: random.Random) -> MicroSpec:
    """A spec of the micro front end, of random choices in every field."""
    while True:
        rate = rng.choice((8000, 16000, 16000, 22050, 32000, 44100, 48000))
        try:
            return MicroSpec(
                sample_rate_hz=rate, clip_samples=rng.randint(rate // 2, rate), window_ms=rng.randint(9, 60),
                step_ms=rng.randint(3, 40), n_mels=rng.randint(2, 80), fmin_hz=rng.choice((0.0, 20.0, 125.0, 300.0)),
                fmax_hz=round(rng.uniform(1000, rate / 2)), smoothing_bits=rng.randint(0, 16),
                even_smoothing=rng.randint(0, 30) / 100, odd_smoothing=rng.randint(0, 30) / 100,
                min_signal_remaining=rng.randint(0, 30) / 100, pcan=rng.random() < 0.7,
                pcan_strength=rng.randint(10, 120) / 100, pcan_offset=rng.choice((1.0, 80.0, 500.0)),
                pcan_gain_bits=rng.randint(16, 26), log=rng.random() < 0.85, log_shift=rng.randint(0, 8),
                mapping=rng.choice(("micro_speech", "scaled")),
            )  # fmt: skip
        except FeatureError:
            continue


def fitted(spec: FeatureSpec, clips: list[Pcm] | None = None) -> FeatureSpec:
    """The spec with the figures it may lack, from ``clips`` or from noise."""
    if spec.is_fitted:
        return spec
    clips = clips or [noise(spec)]
    return extract.fit(spec, (extract.extract(pcm, spec.unnormalized()) for pcm in clips))


def noise(spec: FeatureSpec, samples: int | None = None) -> Pcm:
    """Noise that swells and fades, another one in each channel."""
    count = spec.clip_samples if samples is None else samples
    rng = np.random.default_rng(zlib.crc32(spec.hash().encode()))
    level = 200 + 6000 * np.sin(np.linspace(0, 9, count)) ** 2
    return (
        np.rint(rng.normal(size=(count, spec.audio_channels)) * level[:, None])
        .clip(-32768, 32767)
        .astype(np.int16)
    )


def swell(samples: int, seed: int = 1) -> npt.NDArray[np.int16]:
    """Noise from silence to clipping and back, several times: int16 (samples,)."""
    rng = np.random.default_rng(seed)
    level = 10 ** (4.9 * np.sin(np.linspace(0, 9, samples)) ** 2)
    return (rng.uniform(-1, 1, samples) * level).clip(-32768, 32767).astype(np.int16)


def extremes(spec: ClipSpec) -> Iterator[tuple[str, Pcm]]:
    """Signals that break front ends."""
    n = np.arange(spec.clip_samples)
    rng = np.random.default_rng(1)
    impulses = np.zeros(len(n))
    impulses[[0, len(n) // 2, len(n) - 1]] = (-32768, 32767, 32767)
    rows = {
        "silence": np.zeros(len(n)),
        "full-scale square wave": np.where((n * 997.3 / spec.sample_rate_hz) % 1 < 0.5, 32767, -32768),
        "impulses": impulses,
        "DC": np.full(len(n), 32767),
        "1-LSB noise": rng.integers(-1, 2, len(n)),
        "clipping": np.clip(rng.normal(size=len(n)) * 60000, -32768, 32767),
    }
    for name, row in rows.items():
        yield name, np.repeat(row.astype(np.int16)[:, None], spec.audio_channels, axis=1)


def recordings(spec: ClipSpec, count: int) -> list[Pcm]:
    """ESC-10 clips, spread over the set, as a device with this front end would have recorded them."""
    import soundfile

    files = sorted(ESC10.glob("*.ogg"))
    chosen = [files[i * len(files) // count] for i in range(count)]
    return [to_pcm(*soundfile.read(path, dtype="float64", always_2d=True), spec) for path in chosen]
